"""What becomes of every table and every text about a person when the person is erased: the one list of it.

`erase_customer` does what stands here; a test reads the models and fails where one is missing. `of` is the way from a
row to its customer. A column that is not named stays as it is: `STAYING` says why it may.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from django.apps import apps
from django.db.models import Model, QuerySet

WORDLESS: Final = "–"


class Fate(StrEnum):
    """What becomes of the rows."""

    REMOVED = "removed"
    EMPTIED = "emptied"
    STAYS = "stays"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Held:
    """One table: the ways to the customer, what becomes of it, and of columns what is put in their place."""

    model: str
    of: tuple[str, ...]
    fate: Fate
    blanked: dict[str, Any] = field(default_factory=dict)
    # Filled in by code of their own in `loyaltycrm.shop.actions.erasing`, or by what it calls.
    by_hand: frozenset[str] = frozenset()

    @property
    def table(self) -> type[Model]:
        return apps.get_model(self.model)

    def rows(self, customer_ids: list[int]) -> QuerySet[Any]:
        """The rows about these customers."""
        found: QuerySet[Any] = QuerySet(self.table).none()
        for way in self.of:
            found = found | QuerySet(self.table).filter(**{f"{way}__in": customer_ids})
        return found


def _held(model: str, *of: str, fate: Fate = Fate.STAYS, by_hand: tuple[str, ...] = (), **blanked: Any) -> Held:
    return Held(model, of or ("customer",), Fate.EMPTIED if blanked else fate, blanked, frozenset(by_hand))


REMOVED, STAYS, BY_HAND = Fate.REMOVED, Fate.STAYS, Fate.BY_HAND

# In the order in which it is done: what others lean on comes after them.
HELD: Final = (
    _held("customers.Identifier", fate=REMOVED),
    _held("customers.SearchTerm", fate=REMOVED),
    _held("customers.NoteVersion", "note__customer", fate=REMOVED),
    _held("customers.CustomerNote", fate=REMOVED),
    _held("customers.HouseholdMember", fate=REMOVED),
    _held("customers.DuplicatePair", "first", "second", fate=REMOVED),
    _held("customers.LoyaltyFlag", fate=REMOVED),
    _held("customers.ContactHold", fate=REMOVED),
    _held("customers.UnsubscribeToken", fate=REMOVED),
    _held("customers.PageLink", fate=REMOVED),
    _held("customers.Invitation", fate=REMOVED),
    _held("customers.Signal", note=""),
    _held("customers.ConsentEvent", evidence=""),
    _held("customers.Membership", note=""),
    _held("customers.Visit", note="", void_reason=""),
    _held("customers.VisitLine", "visit__customer"),
    _held("customers.Refund", "visit__customer"),
    _held("customers.RefundLine", "refund__visit__customer"),
    _held("customers.UndoneRefund", "visit__customer"),
    _held("customers.Merge", "survivor", "merged", reason=WORDLESS, details_before={}),
    _held("customers.MergedRows", "merge__survivor", "merge__merged"),
    _held("customers.Referral", "referrer", "friend"),
    _held("customers.GroupChange"),
    _held("customers.Classification", fate=REMOVED),
    _held("customers.CustomerValue"),
    _held("customers.VisitSums"),
    _held("customers.Erasure"),
    _held("customers.CustomerMail", address="", reply="", by_hand=("address_key",)),
    _held(
        "customers.Customer",
        "pk",
        fate=BY_HAND,
        by_hand=("external_id", "first_name", "last_name", "email", "email_key", "phone", "age_band"),
    ),
    _held("feedback.TicketPause", "ticket__customer", reason=WORDLESS),
    _held("feedback.TicketMessage", "ticket__customer", body=WORDLESS),
    _held("feedback.Resolution", "ticket__customer"),
    _held("feedback.Ticket", subject=WORDLESS),
    _held("feedback.SurveyInvitation", words="", by_hand=("token_hash",)),
    _held("rewards.Adjustment", note=WORDLESS, by_hand=("decision_note", "reversal_note")),
    _held("rewards.UnusualUse", by_hand=("note",)),
    _held("rewards.ChosenBenefit", "delivery__customer", reasons=[]),
    _held("rewards.Delivery", address="", values={}, reply="", by_hand=("address_key",)),
    _held("rewards.ProviderEvent", "delivery__customer"),
    _held("rewards.OneReader"),
    _held("rewards.Voucher"),
    _held("rewards.Redemption"),
    _held("rewards.Promise"),
    _held("rewards.OpeningBalance"),
    _held("rewards.HoldOutPlace"),
    _held("rewards.TierStanding"),
    _held("rewards.TierChange"),
    _held("rewards.SaleFacts", "visit__customer"),
    _held("rewards.SaidOfSale", "visit__customer"),
    _held("rewards.Account"),
    _held("rewards.Posting", "source__customer", "destination__customer"),
    _held("rewards.Lot", "account__customer"),
    _held("rewards.LotUse", "lot__account__customer"),
    _held("rewards.AccountMerge", "survivor__customer", "merged__customer"),
)

# Tables that lead to a person by a number or by words, without a foreign key; each has code of its own.
BESIDE: Final = {
    "core.AuditEvent": "Words that somebody wrote go (reasons, replies, notes); who did what and when stays.",
    "core.IdempotencyRecord": "Names and masked contacts in answers to tills go; the answer stays otherwise.",
    "core.ImportJob": "The account of an import holds numbers and reasons, no rows.",
    "core.ImportPart": "The files of imports and of refused rows go, whosever else is in them.",
    "core.WebhookEvent": "What was told or waits to be told about the person goes.",
    "core.WebhookDelivery": "What waits is given up; that it was sent, when and where to, stays.",
    "core.WebhookAttempt": "What a receiver said of it goes.",
    "core.User": "Staff who are that customer are it no more.",
    "customers.SuppressedAddress": "Goes, unless another customer has the address; the mark keeps the cause.",
    "customers.ErasedMark": "Is written: a keyed hash, so that nobody comes back unasked.",
    "customers.Household": "Names nobody; why the others are in it goes.",
}

# Text columns that stay, each with why they tell of nobody once the rest has gone.
_BOOKED: Final = "Names a thing of our books, made of numbers of ours."
_RECEIPT: Final = "The number of a receipt; the books of the shop have it too."
_CHOSEN: Final = "A key or a word of ours, not of a person."
_LEDGER: Final = "The ledger never changes; a reference of an opening balance may name the number of before."
STAYING: Final = {
    "customers.Signal.reference": _BOOKED,
    "customers.ConsentEvent.basis": _CHOSEN,
    "customers.ConsentEvent.wording_version": _CHOSEN,
    "customers.Membership.names": "The name of the membership.",
    "customers.Visit.receipt_id": _RECEIPT,
    "customers.Visit.receipt_key": _RECEIPT,
    "customers.UndoneRefund.receipt_id": _RECEIPT,
    "customers.UndoneRefund.receipt_key": _RECEIPT,
    "customers.UndoneRefund.goods": "Numbers of lines, quantities and amounts.",
    "customers.Refund.receipt_id": _RECEIPT,
    "customers.Refund.receipt_key": _RECEIPT,
    "customers.MergedRows.table": _CHOSEN,
    "customers.MergedRows.row_ids": "Numbers of rows.",
    "customers.GroupChange.facts": "Counts and a score.",
    "customers.CustomerMail.reference": _BOOKED,
    "customers.CustomerMail.message_id": "Made at random.",
    "feedback.TicketMessage.language": _CHOSEN,
    "feedback.Ticket.tier_at_opening": _CHOSEN,
    "feedback.Ticket.group_at_opening": _CHOSEN,
    "rewards.Delivery.language": _CHOSEN,
    "rewards.Delivery.occasion": _BOOKED,
    "rewards.Delivery.message_id": "Made at random.",
    "rewards.ProviderEvent.reference": "The provider's name for what it told.",
    "rewards.ProviderEvent.kind": _CHOSEN,
    "rewards.Voucher.code": "Made at random; unused ones are void.",
    "rewards.Voucher.names": "What the code gives.",
    "rewards.Voucher.benefit": "What the code gives.",
    "rewards.Redemption.reference": _BOOKED,
    "rewards.Promise.reference": _BOOKED,
    "rewards.Promise.tier": _CHOSEN,
    "rewards.Promise.names": "What was promised.",
    "rewards.OpeningBalance.reference": _LEDGER,
    "rewards.TierStanding.tier": _CHOSEN,
    "rewards.TierChange.tier": _CHOSEN,
    "rewards.TierChange.tier_before": _CHOSEN,
    "rewards.SaleFacts.facts": "What was bought and by which rules it earned.",
    "rewards.SaleFacts.given": "Points by rule.",
    "rewards.SaidOfSale.facts": "What was bought.",
    "rewards.Posting.reference": _LEDGER,
    "rewards.Lot.reference": _LEDGER,
    "rewards.AccountMerge.family": "Numbers of accounts.",
}

# Tables in which nothing is about a customer.
ABOUT_NOBODY: Final = frozenset(
    {
        "core.ApiKey",
        "core.Company",
        "core.KeptAnswer",
        "core.KnobValue",
        "core.StaffPin",
        "core.Store",
        "core.TillDevice",
        "core.WebhookEndpoint",
        "core.WebhookResend",
        "customers.ClassificationRun",
        "customers.DuplicateSearch",
        "customers.Product",
        "customers.Segment",
        "customers.SegmentCount",
        "customers.SummedVisits",
        "customers.ValueFit",
        "feedback.DeadlinePolicy",
        "rewards.AdjustmentReason",
        "rewards.DayLots",
        "rewards.DayPoints",
        "rewards.GroupRewards",
        "rewards.HoldOut",
        "rewards.HoldOutArm",
        "rewards.KnownDatabase",
        "rewards.MeasuredArm",
        "rewards.Offer",
        "rewards.OfferChoice",
        "rewards.OfferDraft",
        "rewards.Partner",
        "rewards.PartnerTerms",
        "rewards.ProgrammeDraft",
        "rewards.ProgrammeVersion",
        "rewards.Reward",
        "rewards.RuleBudget",
        "rewards.Run",
        "rewards.SummedThrough",
    }
)

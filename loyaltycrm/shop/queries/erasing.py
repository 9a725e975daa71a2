"""What an erasure would take and what it would leave, and everything that is held about a person, by the one list."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.models import Customer, CustomerNote, Identifier, Merge
from feedback.models import SurveyInvitation, Ticket, TicketMessage
from loyaltycrm.core.models import Store, User
from loyaltycrm.lib import formats
from loyaltycrm.shop.personal_data import HELD
from rewards.benefits import as_stored
from rewards.benefits.terms import Terms
from rewards.models import Account, Voucher, VoucherStatus

# What opens a door, or is another column over again.
_NOT_TOLD: Final = frozenset(
    {"token_hash", "claim_token", "lease_until", "sort_name", "receipt_key", "email_key", "address_key"}
)

# What the team keeps for itself: suspicions, and what it says to each other about a ticket.
_KEPT: Final = {
    "rewards.UnusualUse": Q(),
    "feedback.TicketMessage": Q(voice=TicketMessage.Voice.NOTE),
}
# The ways to the stores of rows that staff of other stores do not see.
_OF_STORES: Final = {
    "customers.Visit": ["store"],
    "customers.VisitLine": ["visit__store"],
    "customers.Refund": ["store", "visit__store"],
    "customers.RefundLine": ["refund__store", "refund__visit__store"],
    "customers.UndoneRefund": ["store", "visit__store"],
    "feedback.Ticket": ["store"],
    "feedback.TicketMessage": ["ticket__store"],
    "feedback.TicketPause": ["ticket__store"],
    "feedback.Resolution": ["ticket__store"],
    "feedback.SurveyInvitation": ["visit__store", "about_ticket__store"],
    "rewards.Redemption": ["store"],
    "rewards.SaleFacts": ["visit__store"],
    "rewards.SaidOfSale": ["visit__store"],
}
# Words that may be of another store, where the row does not say of which.
_WORDS_OF_ANY_STORE: Final = {"customers.Signal": "note", "customers.ContactHold": "reason"}


@dataclass(frozen=True, slots=True)
class Preview:
    """What goes and what stays, in words."""

    goes: list[str]
    stays: list[str]


def preview_of(customer: Customer) -> Preview:
    """What erasing this customer would do now."""
    profiles = profiles_of(customer)
    account = Account.objects.filter(customer=customer).first()
    points = account.book_balance if account else 0
    counted = [
        (_cards, Identifier.objects.filter(customer=customer, kind=Identifier.Kind.CARD)),
        (_notes, CustomerNote.objects.filter(customer__in=profiles)),
        (_tickets, Ticket.objects.filter(customer=customer)),
        (_surveys, SurveyInvitation.objects.filter(customer=customer)),
        (_codes, Voucher.objects.filter(customer=customer, status=VoucherStatus.ISSUED)),
        (_merged, Merge.objects.standing().filter(survivor=customer)),
    ]
    goes = [
        _("Name, email, phone, birthday, age and customer number"),
        *(words(count) % {"count": formats.number(count)} for words, rows in counted if (count := rows.count())),
        *([_("The balance: %(points)s") % {"points": formats.points(points)}] if points else []),
        _("Consent to all mail, household, links to the own page"),
        _("The files of all finished imports, since this customer may stand in them"),
    ]
    stays = [
        _("Visits: day, store and amounts, under a number that names nobody"),
        _("Postings of points, one more of which closes the account"),
        _("What was said yes and no to, and ratings, without words"),
        _("Who of the team did what and when"),
        _("A secret mark of email, phone, cards and number, so that no import brings the customer back"),
    ]
    return Preview(goes, stays)


def _cards(count: int) -> str:
    return ngettext("%(count)s card", "%(count)s cards", count)


def _notes(count: int) -> str:
    return ngettext("%(count)s note of our team", "%(count)s notes of our team", count)


def _tickets(count: int) -> str:
    return ngettext("The words of %(count)s ticket", "The words of %(count)s tickets", count)


def _surveys(count: int) -> str:
    return ngettext("The words of %(count)s survey", "The words of %(count)s surveys", count)


def _codes(count: int) -> str:
    return ngettext("%(count)s unused code", "%(count)s unused codes", count)


def _merged(count: int) -> str:
    return ngettext("%(count)s merged profile", "%(count)s merged profiles", count)


def profiles_of(customer: Customer) -> list[int]:
    """The profile and those merged into it."""
    return [customer.pk, *customer.former.order_by("pk").values_list("pk", flat=True)]


def everything_about(customer: Customer, *, user: User | None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(table, its rows about the person) of all that the person may read, those of merged profiles included.

    `user` is whoever of the staff asks, and gets what is of their stores; None: the customer.
    """
    profiles = profiles_of(customer)
    stores: list[int] | None = None
    if user is not None and not user.sees_all_stores:
        stores = list(Store.objects.for_staff(user).values_list("pk", flat=True))
    for held in HELD:
        names = [field.attname for field in held.table._meta.concrete_fields if _is_told(field)]
        if stores is not None and held.model in _WORDS_OF_ANY_STORE:
            names.remove(_WORDS_OF_ANY_STORE[held.model])
        rows = held.rows(profiles)
        if held.model in _KEPT:
            rows = rows.exclude(_KEPT[held.model]) if _KEPT[held.model] else rows.none()
        for way in _OF_STORES.get(held.model, []) if stores is not None else []:
            rows = rows.filter(Q(**{f"{way}__in": stores}) | Q(**{f"{way}__isnull": True}))
        found = [
            {name: _plain(content) for name, content in row.items()}
            for row in rows.order_by("pk").distinct().values(*names)
        ]
        if found:
            yield held.model, found


def _is_told(field: models.Field[Any, Any]) -> bool:
    return field.name not in _NOT_TOLD and field.related_model is not User


def _plain(content: Any) -> Any:
    if isinstance(content, Terms):
        return as_stored(content)
    return b64encode(content).decode() if isinstance(content, bytes | memoryview) else content

"""What the till shows about a customer, a visit just saved, and the last things done in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Case, F, Max, Q, Sum, Value, When
from django.utils import timezone

from customers.actions.mailing import may_be_mailed, why_it_stays
from customers.actions.visits import receipt_key
from customers.models import Classification, Customer, CustomerMail, Refund, UndoneRefund, Visit
from customers.queries import till_note_of
from feedback.models import Ticket
from feedback.queries import open_complaint_of
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, IdempotencyRecord, Store, User
from loyaltycrm.shop.queries.finding import TierBadge, badge
from loyaltycrm.shop.queries.standing import ends_soon, points_in_words, tier_in_words
from rewards.actions.receipts import may_be_claimed
from rewards.actions.undoing_refunds import undo_refund_until
from rewards.knobs import UNDO_MINUTES
from rewards.models import Lot, Posting, PostingKind, Redemption, Reward
from rewards.programme import EarningLine, load_programmes
from rewards.queries import (
    Balance,
    ExpiringPoints,
    NextReward,
    balance_of,
    catalogue,
    earned_by_rule,
    next_reward,
    tier_progress,
)

if TYPE_CHECKING:
    from decimal import Decimal

    from django.db.models import QuerySet

LATEST = 5
MOST_USED = 20


@dataclass(frozen=True, slots=True)
class Warned:
    """The one thing that whoever serves this customer should know, and so say or do."""

    complaint: Ticket | None = None
    is_ours: bool = True
    owed_points: int = 0
    ending: ExpiringPoints | None = None


@dataclass(frozen=True, slots=True)
class CustomerCard:
    """What the till shows about a customer. `notes` are sentences on points and tier, `till_note` is what the team
    wants known here; `used_for_next` are those uses, by id, that belong to the visit saved next unless somebody says
    no."""

    tier: TierBadge
    balance: Balance
    usual_gap_days: Decimal | None
    next_reward: NextReward | None
    usable: list[Reward]
    warned: Warned | None
    used: list[DoneHere]
    used_for_next: frozenset[int]
    notes: list[str]
    till_note: str = ""

    @property
    def points(self) -> int:
        return self.balance.available

    @property
    def whole_gap_days(self) -> int:
        """The usual gap between visits, in days, at least one."""
        return max(round(self.usual_gap_days or 0), 1)


@dataclass(frozen=True, slots=True)
class DoneHere:
    """A visit, or a use of points or a code, in this store; until `undo_until` it can be undone."""

    at: datetime
    points: int
    undo_until: datetime
    customer: Customer | None = None
    visit: Visit | None = None
    redemption: Redemption | None = None
    is_undone: bool = False

    @property
    def can_undo(self) -> bool:
        return not self.is_undone and timezone.now() <= self.undo_until


@dataclass(frozen=True, slots=True)
class LatestHere:
    """The last things done in a store today, newest first, and how many visits it had today."""

    entries: list[DoneHere]
    visits_today: int
    undo_minutes: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A saved visit as an addition: points before, the addends, what undoing took, what else came since, points now.

    `pending` of the points cannot be used before `opens_on`. `mail_stays` is why the mail that waits will not leave.
    """

    visit: Visit
    points: int
    lines: Sequence[EarningLine]
    before: int
    undone: int
    since: int
    now: int
    unlocked: list[Reward]
    next_reward: NextReward | None
    undo_until: datetime
    redeemed: list[DoneHere] = field(default_factory=list)
    pending: int = 0
    opens_on: date | None = None
    refunds: list[Refund] = field(default_factory=list)
    undone_refunds: list[UndoneRefund] = field(default_factory=list)
    replaced_by: Visit | None = None
    mail: CustomerMail | None = None
    mail_stays: str = ""
    takes_email: bool = False

    @property
    def can_undo(self) -> bool:
        return self.visit.voided_at is None and timezone.now() <= self.undo_until

    @property
    def takes_uses(self) -> bool:
        """Whether points used now can have been spent on it: just saved for a customer, and nothing given back yet."""
        return self.visit.customer_id is not None and self.can_undo and not self.refunds

    @property
    def refundable_cents(self) -> int:
        """What can still be given back."""
        if self.visit.voided_at is not None:
            return 0
        return self.visit.net_cents - sum(refund.net_cents for refund in self.refunds)

    @property
    def undoable_refund(self) -> Refund | None:
        """The refund that can still be undone: the last one, for some minutes."""
        last = max(self.refunds, key=lambda refund: refund.pk, default=None)
        if last is None or self.visit.voided_at is not None or timezone.now() > undo_refund_until(last):
            return None
        return last

    @property
    def can_move(self) -> bool:
        """Whether it can be given to another customer, or to one at all."""
        if self.visit.customer_id is None:
            return may_be_claimed(self.visit)
        return self.can_undo and not self.refunds


def card_of(customer: Customer, *, store: Store, user: User) -> CustomerCard:
    """Everything that the page of a customer shows beside the form."""
    today = store.business_date()
    programme = load_programmes().at(today)
    balance = balance_of(customer, today)
    rewards = catalogue()
    standing = getattr(customer, "tier_standing", None)
    used = _just_used(customer, store)
    gaps = Classification.objects.filter(customer=customer).values_list("usual_gap_days", flat=True)
    return CustomerCard(
        tier=badge(standing.tier if standing else programme.tier_keys[0], programme),
        balance=balance,
        usual_gap_days=gaps.first(),
        next_reward=next_reward(balance.available, rewards),
        usable=[reward for reward in rewards if reward.points_cost <= balance.available],
        warned=_warning(customer, balance, user=user, today=today),
        used=used,
        used_for_next=_used_for_next(used, customer, store),
        notes=[
            *points_in_words(balance),
            *tier_in_words(tier_progress(customer), currency=Company.current().currency),
        ],
        till_note=note.text if (note := till_note_of(customer)) else "",
    )


def unlocked_by(before: int, after: int, rewards: Sequence[Reward]) -> list[Reward]:
    """The rewards for which the points suffice after a change and did not before."""
    return [reward for reward in rewards if before < reward.points_cost <= after]


def _warning(customer: Customer, balance: Balance, *, user: User, today: date) -> Warned | None:
    complaint = open_complaint_of(customer)
    if complaint is not None:
        ours = user.sees_all_stores or user.stores.filter(pk=complaint.store_id).exists()
        return Warned(complaint=complaint, is_ours=ours)
    if balance.available < 0:
        return Warned(owed_points=-balance.available)
    ending = ends_soon(balance, today)
    return Warned(ending=ending) if ending else None


def _just_used(customer: Customer, store: Store) -> list[DoneHere]:
    """What the customer used in this store and can still be undone."""
    undo_time = _undo_time()
    standing = Redemption.objects.filter(customer=customer, store=store, undone_at__isnull=True)
    return _done(standing.filter(redeemed_at__gte=timezone.now() - undo_time), undo_time, most=MOST_USED)


def _used_for_next(used: Sequence[DoneHere], customer: Customer, store: Store) -> frozenset[int]:
    """What was used without a visit, and not before one was saved here that was to have it."""
    waiting = [one.redemption for one in used if one.redemption and one.redemption.may_join_visit]
    if not waiting:
        return frozenset()
    here = Visit.objects.standing().filter(customer=customer, store=store)
    last = here.aggregate(at=Max("recorded_at"))["at"]
    return frozenset(use.pk for use in waiting if last is None or use.redeemed_at > last)


def latest_here(store: Store) -> LatestHere:
    """The last things done in the store today."""
    today, undo_time = store.business_date(), _undo_time()
    visits = Visit.objects.filter(store=store, business_date=today).select_related("customer")
    newest = list(visits.order_by("-recorded_at", "-id")[:LATEST])
    earned = dict(
        Posting.objects.filter(visit__in=newest, kind=PostingKind.EARN).values_list("visit").annotate(Sum("points"))
    )
    done = [
        DoneHere(
            at=visit.recorded_at,
            points=earned.get(visit.pk, 0),
            undo_until=(visit.first_recorded_at or visit.recorded_at) + undo_time,
            customer=visit.customer,
            visit=visit,
            is_undone=visit.voided_at is not None,
        )
        for visit in newest
    ]
    used_alone = Redemption.objects.filter(store=store, business_date=today, visit__isnull=True)
    done += _done(used_alone, undo_time)
    return LatestHere(
        entries=sorted(done, key=lambda entry: entry.at, reverse=True)[:LATEST],
        visits_today=visits.standing().count(),
        undo_minutes=undo_time // timedelta(minutes=1),
    )


def receipt_of(visit: Visit) -> Receipt:
    """The receipt of a visit, whoever looks at it and however much later."""
    undo_time = _undo_time()
    redeemed = _done(Redemption.objects.filter(visit=visit), undo_time)
    undo_until = (visit.first_recorded_at or visit.recorded_at) + undo_time
    refunds = list(Refund.objects.filter(visit=visit).order_by("occurred_at", "pk"))
    undone_refunds = list(UndoneRefund.objects.filter(visit=visit).order_by("pk"))
    given_back: dict[str, Any] = {"refunds": refunds, "undone_refunds": undone_refunds}
    if visit.customer is None:
        return Receipt(visit, 0, [], 0, 0, 0, 0, [], None, undo_until, redeemed, **given_back)
    posting = Posting.objects.filter(visit=visit, kind=PostingKind.EARN).first()
    points = posting.points if posting else 0
    today = visit.store.business_date()
    now = balance_of(visit.customer, today).available
    own, besides = _not_usable(posting, today) if posting else ([], 0)
    pending = sum(lot.remaining for lot in own)
    since = _change_since(posting) - besides if posting else 0
    undone = -points if visit.voided_at else 0
    before = now - since - points + pending
    mail = CustomerMail.objects.filter(visit=visit).first()
    rewards = catalogue()
    lines = earned_by_rule(visit)
    return Receipt(
        visit=visit,
        points=points,
        lines=lines if sum(line.points for line in lines) == points else [EarningLine(None, points)],
        before=before,
        undone=undone,
        since=since - undone,
        now=now,
        unlocked=[
            reward for reward in unlocked_by(before, before + points - pending, rewards) if reward.points_cost <= now
        ],
        next_reward=next_reward(now, rewards),
        undo_until=undo_until,
        redeemed=redeemed,
        pending=pending,
        opens_on=own[0].available_on if own else None,
        **given_back,
        replaced_by=_in_the_place_of(visit) if visit.voided_at else None,
        mail=mail,
        mail_stays=str(why_it_stays(mail).label) if mail else "",
        takes_email=visit.voided_at is None and may_be_mailed(visit.customer),
    )


def visit_of_refund(pk: int) -> int:
    """The visit of a refund, undone or not; 0 for one that never was."""
    found = Refund.objects.filter(pk=pk).values_list("visit", flat=True)
    return found.first() or UndoneRefund.objects.filter(refund=pk).values_list("visit", flat=True).first() or 0


def _in_the_place_of(visit: Visit) -> Visit | None:
    """The visit that has the receipt number of an undone one now."""
    return Visit.objects.standing().filter(store=visit.store, receipt_key=receipt_key(visit.receipt_id)).first()


def receipts_of(number: str, user: User) -> list[Visit]:
    """The receipts of this number in a person's stores, undone ones last."""
    found = Visit.objects.for_staff(user).filter(receipt_key=receipt_key(number)).select_related("customer", "store")
    return list(found.order_by(F("voided_at").asc(nulls_first=True), "-occurred_at")[:LATEST]) if number else []


def _not_usable(posting: Posting, day: date) -> tuple[list[Lot], int]:
    """The lots of this posting if its points cannot be used yet, and how many points cannot be used besides that later
    postings brought or that ended since without a posting of it."""
    waits = Q(available_on__gt=day, posting__gte=posting.pk)
    ended = Q(good_through__lt=day) & (Q(posting__gt=posting.pk) | Q(good_through__gte=posting.business_date))
    lots = list(Lot.objects.filter(waits | ended, account=posting.destination_id, remaining__gt=0))
    own = [
        lot for lot in lots if lot.posting_id == posting.pk and day < lot.available_on <= (lot.good_through or date.max)
    ]
    return own, sum(lot.remaining for lot in lots if lot not in own)


def _change_since(posting: Posting) -> int:
    """By how much later postings changed the account that this posting went to."""
    account = posting.destination_id
    later = Posting.objects.filter(Q(source=account) | Q(destination=account), pk__gt=posting.pk)
    change = later.aggregate(
        points=Sum(Case(When(destination=account, then=F("points")), default=Value(0) - F("points")))
    )
    return int(change["points"] or 0)


def _undo_time() -> timedelta:
    return timedelta(minutes=value(UNDO_MINUTES))


def _done(redemptions: QuerySet[Redemption], undo_time: timedelta, *, most: int = LATEST) -> list[DoneHere]:
    """The newest of these uses of points and codes, newest first."""
    newest = redemptions.select_related("customer", "voucher", "reward").order_by("-redeemed_at", "-id")[:most]
    return [
        DoneHere(
            at=redemption.redeemed_at,
            points=-redemption.points,
            undo_until=redemption.redeemed_at + undo_time,
            customer=redemption.customer,
            redemption=redemption,
            is_undone=redemption.undone_at is not None,
        )
        for redemption in newest
    ]


def key_scope(store: Store) -> str:
    """The scope within which one-time keys of a store's tills are told apart."""
    return f"till:{store.pk}"


def saved_with(key: str, store: Store) -> Visit | None:
    """The visit that a form with this one-time key saved already."""
    used = IdempotencyRecord.objects.filter(scope=key_scope(store), key=key).first()
    return Visit.objects.filter(pk=used.response["visit"]).first() if used and "visit" in used.response else None

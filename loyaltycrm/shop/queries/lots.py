"""A customer's lots as a list: each earning, what is left of it and until when, and what became of the rest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from django.db.models import Case, F, QuerySet, Sum, Value, When
from django.utils.translation import gettext as _

from customers.models import Customer
from loyaltycrm.core.models import Store, User
from loyaltycrm.lib import formats
from loyaltycrm.shop.queries.timeline_points import accounts_of, as_number
from rewards.models import Lot, LotUse, PostingKind


@dataclass(frozen=True, slots=True)
class LotRow:
    """One earning: `left` can be used from `available_on` on through `good_through` (None: without an end).

    `gone` says in words what became of the rest, blank where nothing is gone.
    """

    earned_on: date
    source: str
    points: int
    left: int
    available_on: date
    good_through: date | None
    gone: str


def lots_of(customer: Customer, *, on: date, ended: bool = False) -> QuerySet[Lot]:
    """The customer's lots with points left on a day, those ending soonest first; or those that ended, newest first.

    Those of profiles merged into the customer are among them: what a merge moved is a lot here, and ended there.
    """
    first = "continues__posting__visit__store", "continues__account__customer"
    # Only open lots are indexed by account. A lot belongs to the account that its posting went to.
    owner = "posting__destination__in" if ended else "account__in"
    lots = Lot.objects.filter(**{owner: list(accounts_of(customer))})
    lots = lots.select_related("account__customer", "posting__visit__store", *first)
    return lots.ended_on(on).order_by("-earned_at", "-id") if ended else lots.held_on(on).in_spending_order()


def rows_of(lots: Collection[Lot], *, on: date, user: User) -> list[LotRow]:
    """The lots as rows for this person, in a constant number of queries; they come from `lots_of`.

    Of a visit at a store that is not theirs only the date and the points are told.
    """
    stores = set(Store.objects.for_staff(user).values_list("id", flat=True))
    gone = _gone_by_kind(lots)
    rows = []
    for lot in lots:
        has_lapsed = lot.good_through is not None and lot.good_through < on
        taken = gone.get(lot.pk, {})
        if has_lapsed and lot.remaining:
            taken = {**taken, PostingKind.EXPIRE.value: lot.remaining}
        rows.append(
            LotRow(
                earned_on=lot.earned_on,
                source=_source(lot, stores),
                points=lot.points,
                left=0 if has_lapsed else lot.remaining,
                available_on=lot.available_on,
                good_through=lot.good_through,
                gone=", ".join(_in_words(kind, points) for kind, points in taken.items() if points),
            )
        )
    return rows


def _gone_by_kind(lots: Collection[Lot]) -> dict[int, dict[str, int]]:
    """{lot: {kind of posting: points it took}}; what a posting put back counts for the kind that it reverses."""
    puts_back = When(points__lt=0, posting__reverses__isnull=False, then=F("posting__reverses__kind"))
    uses = LotUse.objects.filter(lot__in=[lot.pk for lot in lots])
    repays = When(posting=F("lot__posting"), then=Value(PostingKind.EARN))
    kinds = uses.annotate(gone_by=Case(repays, puts_back, default=F("posting__kind"))).order_by("lot", "gone_by")
    gone: dict[int, dict[str, int]] = {}
    for lot, kind, points in kinds.values_list("lot", "gone_by").annotate(points=Sum("points")):
        gone.setdefault(lot, {})[kind] = points
    return gone


def _source(lot: Lot, stores: Collection[int]) -> str:
    """Where the points came from; of a lot that a merge moved, where they first did, and under which number."""
    is_moved = lot.posting.kind == PostingKind.MOVE and lot.continues is not None
    first = lot.continues if is_moved and lot.continues else lot
    words = _earning(first, stores)
    if first.account_id != (lot.account.merged_into_id or lot.account_id) and first.account.customer:
        words = f"{words} · {as_number(first.account.customer.external_id)}"
    return words


def _earning(lot: Lot, stores: Collection[int]) -> str:
    visit = lot.posting.visit
    if lot.continues_id:
        return _("Given back after they had ended")
    if lot.posting.kind != PostingKind.EARN or visit is None:
        return str(lot.posting.get_kind_display())
    if visit.store_id not in stores:
        return _("Visit at another store")
    return _("Visit, %(store)s, receipt %(number)s") % {"store": visit.store.name, "number": visit.receipt_id}


def _in_words(kind: str, points: int) -> str:
    number = formats.number(points)
    words = {
        PostingKind.REDEEM: _("%(points)s used"),
        PostingKind.EXPIRE: _("%(points)s expired"),
        PostingKind.TAKE_BACK: _("%(points)s taken back"),
        PostingKind.MOVE: _("%(points)s moved by a merge"),
        PostingKind.EARN: _("%(points)s repaid what was owed"),
        PostingKind.GOODWILL: _("%(points)s repaid what was owed"),
        PostingKind.CLOSE: _("%(points)s closed"),
        PostingKind.GIVE_BACK: _("%(points)s repaid what was owed"),
    }
    other = f"{number} ({PostingKind(kind).label})"
    return words[PostingKind(kind)] % {"points": number} if kind in words else other

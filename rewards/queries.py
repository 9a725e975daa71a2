"""What a customer has: balance, lots, tier. Read-only, for any day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Q, Sum

from customers.models import Customer, Visit
from loyaltycrm.core.models import Company
from loyaltycrm.lib.among import among
from loyaltycrm.lib.translated import pick
from rewards.models import (
    Account,
    Adjustment,
    DraftStatus,
    Lot,
    ProgrammeDraft,
    Reward,
    SaleFacts,
    TierChange,
    TierStanding,
)
from rewards.programme import EarningLine, Programmes, from_facts, load_programmes, programmes_last_read
from rewards.qualifying import qualifying_by_day
from rewards.tiers import ByDay, Unit, outlook, units_of, walked


@dataclass(frozen=True, slots=True)
class ExpiringPoints:
    """Points that end together: the last day on which they are good, and how many."""

    good_through: date
    points: int


@dataclass(frozen=True, slots=True)
class OpeningPoints:
    """Points that are earned but not usable yet: the first day on which they are, and how many."""

    available_on: date
    points: int


@dataclass(frozen=True, slots=True)
class Balance:
    """A customer's points on a day. `available` leaves out lapsed and pending lots; negative only by arrears.

    `expiring` are the usable points by their last good day, `opening` the pending ones by their first usable day.
    """

    available: int = 0
    book: int = 0
    arrears: int = 0
    pending: int = 0
    expiring: list[ExpiringPoints] = field(default_factory=list)
    opening: list[OpeningPoints] = field(default_factory=list)

    @property
    def next_expiry(self) -> ExpiringPoints | None:
        return self.expiring[0] if self.expiring else None


def balance_of(customer: Customer, on: date | None = None) -> Balance:
    """The customer's balance on a day (default: the company's today), from the lots as they are now."""
    return balances([customer.pk], on).get(customer.pk, Balance())


def balances(customer_ids: Collection[int], on: date | None = None) -> dict[int, Balance]:
    """Balances of many customers in two queries; customers who never had points are absent."""
    on = on or Company.current().today()
    asked = among(customer_ids)
    lots: dict[int, list[tuple[date | None, date, int]]] = {}
    rows = Lot.objects.filter(account__customer__in=asked, remaining__gt=0).filter(
        Q(good_through__isnull=True) | Q(good_through__gte=on)
    )
    for customer_id, good_through, available_on, points in rows.values_list(
        "account__customer", "good_through", "available_on"
    ).annotate(points=Sum("remaining")):
        lots.setdefault(customer_id, []).append((good_through, available_on, points))
    found = {}
    for customer_id, book, arrears in Account.objects.filter(customer__in=asked).values_list(
        "customer", "book_balance", "arrears"
    ):
        own = lots.get(customer_id, [])
        ending: dict[date, int] = {}
        opening: dict[date, int] = {}
        for good_through, available_on, points in own:
            if available_on > on:
                opening[available_on] = opening.get(available_on, 0) + points
            elif good_through is not None:
                ending[good_through] = ending.get(good_through, 0) + points
        found[customer_id] = Balance(
            available=sum(points for _end, start, points in own if start <= on) - arrears,
            book=book,
            arrears=arrears,
            pending=sum(opening.values()),
            expiring=[ExpiringPoints(day, ending[day]) for day in sorted(ending)],
            opening=[OpeningPoints(day, opening[day]) for day in sorted(opening)],
        )
    return found


def tier_of(customer: Customer, on: date | None = None) -> str:
    """The key of the customer's tier at the end of a day (default: as last reviewed)."""
    lowest = load_programmes().at(on or Company.current().today()).tier_keys[0]
    if on is None:
        return TierStanding.objects.filter(customer=customer).values_list("tier", flat=True).first() or lowest
    return (
        TierChange.objects.filter(customer=customer, on__lte=on).order_by("-on").values_list("tier", flat=True).first()
        or lowest
    )


def tier_name(key: str) -> str:
    """A tier's name in the reader's language; the key itself where no version has such a tier."""
    return pick(programmes_last_read().tier_names.get(key, {})) or key


@dataclass(frozen=True, slots=True)
class TierProgress:
    """Where a customer stands at the end of a day, what is missing for the next tier and what keeps this one.

    All amounts are in `unit`: cents of net spend, earned points, or visits. `missing` is 0 without a next tier.
    `needed_to_stay` is what is still needed until the end of `stay_by`, when the customer would fall without it; with
    `stay_by` None the tier does not end by itself.
    """

    tier: str
    unit: Unit
    qualifying: int
    next_tier: str | None = None
    missing: int = 0
    needed_to_stay: int = 0
    stay_by: date | None = None


def tier_progress(customer: Customer, day: date | None = None) -> TierProgress:
    """Where a customer stands at the end of a day (default: the company's today), as all is known now."""
    day = day or Company.current().today()
    programmes = load_programmes()
    by_day = qualifying_by_day([customer.pk], units_of(programmes)).get(customer.pk, {})
    return progress_of(by_day, programmes, day)


def progress_of(by_day: ByDay, programmes: Programmes, day: date) -> TierProgress:
    """Where somebody stands at the end of a day to whom each day brought this much towards a tier."""
    walk = walked(_known_on(by_day, day), programmes, day)
    programme = programmes.at(day)
    keys = programme.tier_keys
    qualifying = walk.qualifying(day)
    above = keys[keys.index(walk.tier) + 1 :]
    ahead = outlook(walk)
    return TierProgress(
        tier=walk.tier,
        unit=programme.rules.tiers.qualify_on,
        qualifying=qualifying,
        next_tier=above[0] if above else None,
        missing=programme.threshold_of(above[0]) - qualifying if above else 0,
        needed_to_stay=ahead.needed if ahead else 0,
        stay_by=ahead.by if ahead else None,
    )


def _known_on(by_day: ByDay, day: date) -> ByDay:
    return {unit: {on: amount for on, amount in days.items() if on <= day} for unit, days in by_day.items()}


def waiting_count() -> int:
    """How many things wait for a second person: adjustments, and drafts of the programme handed in."""
    drafts = ProgrammeDraft.objects.filter(status=DraftStatus.HANDED_IN)
    return Adjustment.objects.waiting().values("pk").union(drafts.values("pk"), all=True).count()


def earned_by_rule(visit: Visit) -> Sequence[EarningLine]:
    """What the rules of its day gave for a recorded visit, as addends, by the facts that it was judged by."""
    facts = SaleFacts.objects.filter(visit=visit).values_list("facts", flat=True).first()
    basket = from_facts(visit.net_cents, visit.business_date, facts)
    return load_programmes().at(visit.business_date).earning_of(basket)


@dataclass(frozen=True, slots=True)
class NextReward:
    """The cheapest reward that the points do not suffice for yet."""

    reward: Reward
    missing: int
    share: float


def catalogue() -> list[Reward]:
    """The rewards on offer, cheapest first."""
    return list(Reward.objects.filter(is_active=True).order_by("points_cost", "id"))


def next_reward(points: int, rewards: Sequence[Reward]) -> NextReward | None:
    """What the points do not suffice for yet, and how far they are."""
    for reward in rewards:
        if reward.points_cost > points:
            return NextReward(reward, reward.points_cost - points, max(points, 0) / reward.points_cost)
    return None

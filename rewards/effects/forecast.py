"""Before an offer is sent: the smallest effect that its control group could show, and what it will cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Q

from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from rewards.audience import HAS_LEFT, PLACES
from rewards.choices import benefits_of
from rewards.effects.costs import cost_of_offer, later_codes_cents
from rewards.effects.statistics import smallest_visible
from rewards.effects.usual import usual_cents
from rewards.knobs import EFFECT_DAYS
from rewards.models import Delivery, DeliveryStatus, Offer

# With fewer mails whose codes are over the share that was used says little, and that of all offers is taken.
FEWEST_MAILS: Final = 20

_HABITS: Final = f"""
    WITH placed AS (SELECT customer_id, household, status FROM ({PLACES}) AS p),
    drawn AS (
        SELECT household, bool_or(status = '{DeliveryStatus.CONTROL}') AS is_control FROM placed
        WHERE status IN ('{DeliveryStatus.CONTROL}', '{DeliveryStatus.PENDING}') GROUP BY household
    ), habits AS (
        SELECT drawn.household, drawn.is_control, count(v.id) AS visits
        FROM drawn JOIN placed USING (household)
        LEFT JOIN customers_visit v ON v.customer_id = placed.customer_id AND v.voided_at IS NULL
            AND v.business_date > %(today)s::date - %(days)s::int AND v.business_date <= %(today)s
        GROUP BY 1, 2
    )
    SELECT count(*) FILTER (WHERE NOT is_control), count(*) FILTER (WHERE is_control), COALESCE(var_samp(visits), 0)
    FROM habits
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Sight:
    """How far a run planned today could see: the households of its two groups, and the smallest effect they could show.

    `smallest` is in visits per household; None where a group is too small to be compared.
    """

    households: int
    control_households: int
    smallest: float | None


def sight(parameters: dict[str, Any]) -> Sight:
    """From how much the households of this audience differed in as many days before today. See `place_parameters`."""
    with connection.cursor() as cursor:
        cursor.execute(_HABITS, parameters | {"days": value(EFFECT_DAYS)})
        treated, control, variance = cursor.fetchone()
    return Sight(treated, control, smallest_visible(treated=treated, control=control, variance=float(variance)))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run would cost, in cents.

    `share` of those who get it are expected to use it, as `of_all` offers or this one showed; None without any history.
    `most_cents` is the cost if everyone uses it, where a use has a fixed one.
    """

    mailed: int
    share: float | None
    of_all: bool
    expected_cents: int | None
    most_cents: int | None


@dataclass(frozen=True, slots=True)
class UsedSoFar:
    """What was seen of the codes of an offer, or `of_all` offers: the share that is used, and what a use costs.

    `share` is (used + 1) / (codes + 1) over the codes whose time is over: one that is still good may be used yet, and
    nothing is expected to cost nothing. It is None without enough of them. Before this offer's codes were used, a use
    costs what the benefit says, or what it gives on the usual visit.
    """

    share: float | None
    of_all: bool
    each_cents: int


def used_so_far(offer: Offer) -> UsedSoFar:
    """How often, and at what cost, the codes of an offer are used."""
    own = _used(Q(run__offer=offer)) if offer.is_saved else {"used": 0, "over": 0, "used_of_over": 0}
    of_all = own["over"] < FEWEST_MAILS
    seen = _used(Q()) if of_all else own
    share = (seen["used_of_over"] + 1) / (seen["over"] + 1) if seen["over"] >= FEWEST_MAILS else None
    cents = cost_of_offer(offer) + later_codes_cents(offer) if own["used"] else 0
    each = round(cents / own["used"]) if own["used"] else _usual_of_all(offer)
    return UsedSoFar(share, of_all, each)


def cost_of(offer: Offer, *, mailed: int) -> Cost:
    """What it costs to mail the offer to so many, from the codes used so far."""
    seen = used_so_far(offer)
    share, each = seen.share, seen.each_cents
    fixed = [benefit.fixed_cents for benefit in benefits_of(offer)]
    most = None if None in fixed else max(cents or 0 for cents in fixed)
    return Cost(
        mailed=mailed,
        share=share,
        of_all=seen.of_all,
        expected_cents=round(mailed * share * each) if share is not None else None,
        most_cents=mailed * most if most else None,
    )


def _used(whose: Q) -> dict[str, int]:
    standing = Q(voucher__redemptions__isnull=False, voucher__redemptions__undone_at__isnull=True)
    over = Q(voucher__good_through__lt=Company.current().today())
    counted = Delivery.objects.filter(whose, status__in=HAS_LEFT).aggregate(
        used=Count("pk", filter=standing, distinct=True),
        over=Count("pk", filter=over, distinct=True),
        used_of_over=Count("pk", filter=over & standing, distinct=True),
    )
    return {name: int(count or 0) for name, count in counted.items()}


def _usual_of_all(offer: Offer) -> int:
    """What one use costs as a rule, as if each benefit that the offer may give were used as often."""
    usual = [usual_cents(benefit) for benefit in benefits_of(offer)]
    return round(sum(usual) / len(usual))

"""Events that offers answer: to whom what happened, each told once.

An event has a day and a name that it keeps, such as `birthday:2027`. An offer looks at the days of its window, answers
what it has not answered yet, and writes the name down with the customer's place in the run (`Delivery.occasion`).
"""

from __future__ import annotations

from calendar import isleap
from datetime import date, timedelta
from typing import Any, Final

from django.db import connection

from customers.risk import at_risk_factor
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from rewards.knobs import EVENT_WINDOW_DAYS, GOOD_ANSWER
from rewards.models import Delivery, Offer, OfferEvent
from rewards.segment_facts import tier_keys

_TIER: Final = """
    SELECT customer_id, 'tier:' || "on" FROM rewards_tierchange
    WHERE "on" BETWEEN %(since)s AND %(through)s
    AND (array_position(%(tiers)s::text[], tier::text) > array_position(%(tiers)s::text[], tier_before::text)) = %(up)s
    ORDER BY customer_id, "on" DESC
"""
# Whose profile was merged is answered under the one that stands for them; `%(zone)s` is the company's.
_REFERRAL: Final = """
    SELECT COALESCE(c.merged_into_id, c.id), 'referral:' || r.id, r.completed_at FROM customers_referral r
    JOIN customers_customer c ON c.id = r.{side}
    WHERE r.ended_at IS NULL
    AND (r.completed_at AT TIME ZONE %(zone)s::text)::date BETWEEN %(since)s AND %(through)s
"""
_BROUGHT: Final = _REFERRAL.format(side="referrer_id")
_WAS_BROUGHT: Final = _REFERRAL.format(side="friend_id")
_STATEMENTS: Final = {
    # Whoever was born on 29 February has the birthday on the 28th in other years.
    OfferEvent.BIRTHDAY: """
        SELECT c.id, 'birthday:' || extract(year FROM d.day)
        FROM unnest(%(days)s::date[], %(months)s::int[], %(numbers)s::int[]) AS d(day, month, number)
        JOIN customers_customer c
            ON extract(month FROM c.birthday) = d.month AND extract(day FROM c.birthday) = d.number
        WHERE c.birthday < d.day AND c.merged_into_id IS NULL
    """,
    OfferEvent.TIER_UP: _TIER,
    OfferEvent.TIER_DOWN: _TIER,
    OfferEvent.LATE: """
        SELECT k.customer_id, 'late:' || k.last_visit_on FROM customers_classification k
        WHERE k.usual_gap_days > 0
        AND k.last_visit_on + greatest(2, ceil(k.usual_gap_days * %(factor)s::numeric))::int
            BETWEEN %(since)s AND %(through)s
        AND NOT EXISTS (
            SELECT 1 FROM customers_visit v
            WHERE v.customer_id = k.customer_id AND v.voided_at IS NULL AND v.business_date > k.last_visit_on
        )
    """,
    OfferEvent.LAPSING: """
        SELECT DISTINCT a.customer_id, 'lapsing:' || l.good_through, l.good_through FROM rewards_lot l
        JOIN rewards_account a ON a.id = l.account_id
        WHERE l.remaining > 0 AND l.good_through BETWEEN %(since)s AND %(through)s AND a.customer_id IS NOT NULL
        ORDER BY a.customer_id, l.good_through DESC
    """,
    OfferEvent.GOOD_ANSWER: """
        SELECT customer_id, 'answer:' || id FROM customers_signal
        WHERE source = 'survey' AND withdrawn_at IS NULL AND strength >= %(strength)s::numeric
        AND occurred_on BETWEEN %(since)s AND %(through)s ORDER BY customer_id, id DESC
    """,
    OfferEvent.REFERRAL: f"{_BROUGHT} UNION {_WAS_BROUGHT} ORDER BY 1, 3 DESC, 2 DESC",
    OfferEvent.BROUGHT: f"{_BROUGHT} ORDER BY 1, 3 DESC, 2 DESC",
    OfferEvent.WAS_BROUGHT: _WAS_BROUGHT,
}


def happened(offer: Offer, *, today: date) -> dict[int, str] | None:
    """{customer: occasion} of those to whom the offer's event happened and who have no answer to it yet.

    None for an offer that answers no event. Nothing before the day on which the offer was activated counts, and
    nothing older than the window (a setting). Of several events of one customer the earliest comes first.
    """
    if not offer.event:
        return None
    since = today - timedelta(days=value(EVENT_WINDOW_DAYS) - 1)
    if offer.activated_at is not None:
        since = max(since, Company.current().today(offer.activated_at))
    ahead = timedelta(days=offer.event_days)
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENTS[OfferEvent(offer.event)], _parameters(offer.event, since + ahead, today + ahead))
        found: list[tuple[int, str]] = [row[:2] for row in cursor.fetchall()]
    answered = _answered(offer, {pk for pk, _name in found})
    return {
        pk: f"offer:{offer.pk}:{name}:{pk}" for pk, name in found if (pk, f"offer:{offer.pk}:{name}") not in answered
    }


def _parameters(event: str, since: date, through: date) -> dict[str, Any]:
    parameters: dict[str, Any] = {"since": since, "through": through}
    match OfferEvent(event):
        case OfferEvent.BIRTHDAY:
            days = [since + timedelta(days=count) for count in range((through - since).days + 1)]
            born = [(day, day.month, day.day) for day in days]
            born += [(day, 2, 29) for day in days if (day.month, day.day) == (2, 28) and not isleap(day.year)]
            return {"days": [b[0] for b in born], "months": [b[1] for b in born], "numbers": [b[2] for b in born]}
        case OfferEvent.TIER_UP | OfferEvent.TIER_DOWN:
            return {**parameters, "tiers": tier_keys(), "up": event == OfferEvent.TIER_UP}
        case OfferEvent.LATE:
            return {**parameters, "factor": at_risk_factor()}
        case OfferEvent.GOOD_ANSWER:
            return {**parameters, "strength": (value(GOOD_ANSWER) - 5) / 5}
        case OfferEvent.REFERRAL | OfferEvent.BROUGHT | OfferEvent.WAS_BROUGHT:
            return {**parameters, "zone": Company.current().time_zone}
    return parameters


def _answered(offer: Offer, customers: set[int]) -> set[tuple[int, str]]:
    """What this offer has answered to these customers already, merged profiles' answers included."""
    if not offer.is_saved:
        return set()
    places = Delivery.objects.filter(run__offer=offer, customer__in=customers).exclude(occasion="")
    return {(pk, occasion.rpartition(":")[0]) for pk, occasion in places.values_list("customer", "occasion")}

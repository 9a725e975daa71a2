"""What one use of a benefit costs before any was seen: what it gives on the usual visit."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Final

from django.db import connection

from loyaltycrm.core.models import Company
from rewards.benefits import Acts, Given, NextPurchase, Sale, Terms, work_out
from rewards.programme import load_programmes

_USUAL_DAYS: Final = 28


def usual_cents(benefit: Terms) -> int:
    """What one use of a benefit costs on the usual visit of the last four weeks; no goods but its own are on it."""
    if isinstance(benefit, NextPurchase):
        return usual_cents(benefit.next)
    if benefit.fixed_cents:
        return benefit.fixed_cents
    company = Company.current()
    today = company.today()
    net_cents, points = _usual_visit(today)
    if benefit.acts == Acts.POINTS:
        return _points_worth(benefit, points, today)
    first_step = min((step.from_cents for step in getattr(benefit, "steps", ())), default=1)
    amount = max(net_cents, benefit.minimum_spend_cents, first_step)
    anywhere = benefit.model_copy(update={"stores": [], "weekdays": []})
    outcome = work_out([anywhere], Sale(amount, today, "", company.currency, item_cents=amount))[0]
    return outcome.worth_cents if isinstance(outcome, Given) else 0


def _usual_visit(today: date) -> tuple[int, int]:
    """The mean net spend of a visit with a customer, in cents, and the mean points that it earned."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT COALESCE(round(avg(v.net_cents)), 0)::bigint, COALESCE(round(avg(p.points)), 0)::bigint
            FROM customers_visit v LEFT JOIN rewards_posting p ON p.visit_id = v.id AND p.kind = 'earn'
            WHERE v.business_date > %s AND v.voided_at IS NULL AND v.customer_id IS NOT NULL
            """,
            [today - timedelta(days=_USUAL_DAYS)],
        )
        net_cents, points = cursor.fetchone()
    return int(net_cents), int(points)


def _points_worth(benefit: Terms, points: int, today: date) -> int:
    """The points that it adds to a visit of so many, in money."""
    gives, most = benefit.points_given or ({}, None)
    added = Fraction(gives.get("points", 0))
    if "numerator" in gives:
        added = points * (Fraction(gives["numerator"], gives["denominator"]) - 1)
    added = min(added, Fraction(most)) if most is not None else added
    worth = load_programmes().at(today).rules.redemption
    return round(added * worth.value_cents / worth.points)

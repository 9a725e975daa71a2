"""Who is slipping: the time since the last visit, divided by the customer's own usual gap."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.db.models import DecimalField, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from customers.knobs import AT_RISK_FACTOR
from customers.models import Classification, Customer, Visit
from customers.segments.kinds import days_since
from loyaltycrm.core.knobs import value

LATE_FROM_DAYS = 2
LAST_VISIT = "classification__last_visit_on"
USUAL_GAP = "classification__usual_gap_days"


def stayed_away() -> Q:
    """Those who have not come since they were last classified, so that their last visit is the one kept there."""
    # The newest visit by its index, and not "no visit since that day": for that the planner may walk all days since.
    newest = Visit.objects.standing().filter(customer=OuterRef("pk")).order_by("-occurred_at", "-pk")
    return Q(LessThanOrEqual(Subquery(newest.values("business_date")[:1]), F(LAST_VISIT)))


def lateness_of(classification: Classification | None, last_visit_on: date | None, today: date) -> Decimal | None:
    """Days since the last visit over the customer's own usual gap; None unless that makes them late."""
    factor = at_risk_factor()
    if classification is None or last_visit_on is None or not classification.usual_gap_days:
        return None
    away = (today - last_visit_on).days
    lateness = Decimal(away) / classification.usual_gap_days
    return lateness if lateness >= factor and away >= LATE_FROM_DAYS else None


def with_lateness(customers: QuerySet[Customer], today: date) -> QuerySet[Customer]:
    """The customers with `days_away` and `lateness`, both None where there is no usual gap."""
    away = days_since(LAST_VISIT, today)
    times = ExpressionWrapper(away * 1.0 / F(USUAL_GAP), output_field=DecimalField(max_digits=9, decimal_places=2))
    return customers.annotate(days_away=away, lateness=times)


def late_by(times: Decimal, today: date) -> Q:
    """Those who have been away for so many times their own usual gap, and two days or more."""
    away = days_since(LAST_VISIT, today)
    gap = ExpressionWrapper(F(USUAL_GAP) * times, output_field=DecimalField(max_digits=9, decimal_places=2))
    return (
        Q(GreaterThanOrEqual(away, gap))
        & Q(GreaterThanOrEqual(away, LATE_FROM_DAYS))
        & Q(**{f"{USUAL_GAP}__gt": 0})
        & stayed_away()
    )


def at_risk(today: date) -> Q:
    """Those who are late by the shop's own measure."""
    return late_by(at_risk_factor(), today)


def at_risk_factor() -> Decimal:
    """From how many times their own usual gap on customers are at risk."""
    return Decimal(str(value(AT_RISK_FACTOR)))

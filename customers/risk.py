"""Who is slipping: the time since the last visit, divided by the customer's own usual gap."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.db.models import DecimalField, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from customers.knobs import AT_RISK_FACTOR
from customers.models import Classification, Customer, Visit
from customers.models.classification import late_from
from customers.segments.kinds import days_since
from loyaltycrm.core.knobs import value

LATE_FROM_DAYS = 2
LAST_VISIT = "classification__last_visit_on"
USUAL_GAP = "classification__usual_gap_days"


def stayed_away(*, by_sums: bool = False) -> Q:
    """Those who have not come since they were last classified, so that their last visit is the one kept there.

    `by_sums`: the sums of visits hold.
    """
    if by_sums:
        return Q(visit_sums__last_visit_on__lte=F(LAST_VISIT))
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
    """Of those who stayed away, those who have for so many times (1 or more) their own usual gap, and two days or more.

    An index knows who is late by their own gap. A condition more, and the planner would take so few to be left that it
    would read everybody.
    """
    can_be = LessThanOrEqual(late_from("classification__"), today)
    away = days_since(LAST_VISIT, today)
    gap = ExpressionWrapper(F(USUAL_GAP) * times, output_field=DecimalField(max_digits=9, decimal_places=2))
    return Q(can_be) & Q(GreaterThanOrEqual(away, gap)) & Q(**{f"{USUAL_GAP}__gt": 0})


def at_risk(today: date, *, times: Decimal | None = None, by_sums: bool = False) -> Q:
    """Those who are late by the shop's own measure, and by so many `times`. `by_sums`: the sums of visits hold."""
    return late_by(max(at_risk_factor(), times or Decimal(0)), today) & stayed_away(by_sums=by_sums)


def at_risk_factor() -> Decimal:
    """From how many times their own usual gap on customers are at risk."""
    return Decimal(str(value(AT_RISK_FACTOR)))

"""What customers' own tables tell of a customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils.dates import MONTHS
from django.utils.translation import gettext_lazy as _

from customers.models import (
    Channel,
    ConsentEvent,
    ContactHold,
    Group,
    Membership,
    Product,
    Purpose,
    Visit,
    VisitLine,
)
from customers.risk import LAST_VISIT, USUAL_GAP, stayed_away
from customers.segments.kinds import (
    Choice,
    Choices,
    Counted,
    DaysSince,
    Number,
    Section,
    Stored,
    YesNo,
    days_since,
)
from customers.segments.registry import register
from loyaltycrm.core.models import Store, User

YEAR_DAYS = 365
THIS_MONTH, NEXT_MONTH = "this", "next"


def _languages(_user: User | None) -> Choices:
    return list(settings.LANGUAGES)


def _months(_user: User | None) -> Choices:
    numbered = [(str(number), name) for number, name in MONTHS.items()]
    return [(THIS_MONTH, _("This month")), (NEXT_MONTH, _("Next month")), *numbered]


def _stores(user: User | None) -> Choices:
    stores = Store.objects.all() if user is None else Store.objects.for_staff(user)
    return [(str(pk), name) for pk, name in stores.order_by("name", "pk").values_list("pk", "name")]


def _groups(_user: User | None) -> Choices:
    return list(Group.choices)


def _categories(_user: User | None) -> Choices:
    named = Product.objects.exclude(category="").order_by("category").values_list("category", flat=True).distinct()
    return [(name, name) for name in named]


def _born_in(values: list[str], today: date) -> Q:
    relative = {THIS_MONTH: today.month, NEXT_MONTH: today.month % 12 + 1}
    return Q(birthday__month__in={relative.get(value) or int(value) for value in values})


def _in_group(values: list[str], _today: date) -> Q:
    found = Q(classification__group__in=values)
    return found | Q(classification=None) if Group.UNKNOWN in values else found


def _visited(values: list[str], _today: date) -> Q:
    return Q(Exists(Visit.objects.standing().filter(customer=OuterRef("pk"), store__in=[int(one) for one in values])))


def _bought(values: list[str], today: date) -> Q:
    lines = VisitLine.objects.filter(
        visit__voided_at__isnull=True,
        visit__business_date__gt=today - timedelta(days=YEAR_DAYS),
        visit__business_date__lte=today,
        product__category__in=values,
    )
    return Q(pk__in=lines.filter(visit__customer__isnull=False).values("visit__customer"))


def agreed_to(purpose: str, channel: str) -> Q:
    """Those whose newest word on the list is yes."""
    newest = ConsentEvent.objects.filter(customer=OuterRef("pk"), purpose=purpose, channel=channel)
    word = Subquery(newest.order_by("-occurred_at", "-pk").values("given")[:1], output_field=BooleanField())
    return Q(Coalesce(word, False))


def _members(today: date) -> Q:
    return Q(Exists(Membership.objects.in_force_on(today).filter(customer=OuterRef("pk"))))


def _held_back(_today: date) -> Q:
    return Q(Exists(ContactHold.objects.filter(customer=OuterRef("pk"), released_at__isnull=True)))


def _visits_of_a_year(today: date) -> tuple[str, list[Any]]:
    statement = """SELECT customer_id, count(*) AS n FROM customers_visit
        WHERE customer_id IS NOT NULL AND voided_at IS NULL AND business_date > %s AND business_date <= %s
        GROUP BY customer_id"""
    return statement, [today - timedelta(days=YEAR_DAYS), today]


def _spend_of_a_year(today: date) -> tuple[str, list[Any]]:
    statement = """SELECT customer_id, sum(cents) AS n FROM (
            SELECT customer_id, net_cents AS cents FROM customers_visit
            WHERE customer_id IS NOT NULL AND voided_at IS NULL AND business_date > %s AND business_date <= %s
            UNION ALL
            SELECT v.customer_id, -r.net_cents FROM customers_refund r JOIN customers_visit v ON v.id = r.visit_id
            WHERE v.customer_id IS NOT NULL AND v.voided_at IS NULL AND r.business_date > %s AND r.business_date <= %s
        ) moves GROUP BY customer_id"""
    year = [today - timedelta(days=YEAR_DAYS), today]
    return statement, [*year, *year]


@dataclass(frozen=True, kw_only=True)
class Lateness(Number):
    """How many times their own usual gap customers have been away, in tenths."""

    def where(self, asked: dict[str, Any], today: date) -> Q:
        return stayed_away() & self._away(asked, today)

    @property
    def reads_sums(self) -> bool:
        return True

    def where_by_sums(self, asked: dict[str, Any], today: date) -> Q:
        return stayed_away(by_sums=True) & self._away(asked, today)

    def _away(self, asked: dict[str, Any], today: date) -> Q:
        away = days_since(LAST_VISIT, today)
        found = Q(**{f"{USUAL_GAP}__gt": 0})
        if "least" in asked:
            found &= Q(GreaterThanOrEqual(away, F(USUAL_GAP) * (Decimal(asked["least"]) / 10)))
        if "most" in asked:
            found &= Q(LessThanOrEqual(away, F(USUAL_GAP) * (Decimal(asked["most"]) / 10)))
        return found


register(
    Choice(
        key="language",
        label=_("Language"),
        section=Section.PERSON,
        choices=_languages,
        where_any=lambda values, _today: Q(language__in=values),
    ),
    Choice(key="birthday", label=_("Birthday in"), section=Section.PERSON, choices=_months, where_any=_born_in),
    DaysSince(key="known", label=_("Days since they joined"), section=Section.PERSON, column="joined_on"),
    YesNo(key="email", label=_("Email is known"), section=Section.PERSON, where_yes=lambda _today: Q(email_key__gt="")),
    YesNo(key="phone", label=_("Phone is known"), section=Section.PERSON, where_yes=lambda _today: Q(phone__gt="")),
    Choice(key="group", label=_("Group"), section=Section.LOYALTY, choices=_groups, where_any=_in_group),
    YesNo(
        key="loyal",
        label=_("Loyal"),
        section=Section.LOYALTY,
        where_yes=lambda _today: Q(classification__loyal=True),
    ),
    YesNo(
        key="regular",
        label=_("Regular"),
        section=Section.LOYALTY,
        where_yes=lambda _today: Q(classification__regular=True),
    ),
    YesNo(
        key="flagged",
        label=_("Loyalty set by hand"),
        section=Section.LOYALTY,
        where_yes=lambda _today: Q(classification__flagged=True),
    ),
    Stored(key="score", label=_("Attachment score"), section=Section.LOYALTY, column="classification__score"),
    Choice(key="store", label=_("Visited"), section=Section.VISITS, choices=_stores, where_any=_visited),
    Counted(
        key="visits",
        label=_("Visits in 12 months"),
        section=Section.VISITS,
        rows=_visits_of_a_year,
        summed="visits_of_year",
    ),
    DaysSince(
        key="away",
        label=_("Days since the last visit"),
        section=Section.VISITS,
        column=LAST_VISIT,
        also=stayed_away(),
        also_by_sums=stayed_away(by_sums=True),
        also_least="visit_sums__last_visit_on",
    ),
    Lateness(key="late", label=_("Away, against their usual gap"), section=Section.VISITS, unit="times", tenths=True),
    Counted(
        key="spent",
        label=_("Spent in 12 months"),
        section=Section.WORTH,
        unit="money",
        rows=_spend_of_a_year,
        summed="spent_of_year_cents",
    ),
    Stored(
        key="expected",
        label=_("Expected in the next 12 months"),
        section=Section.WORTH,
        unit="money",
        column="value__spend_12_months_cents",
    ),
    Stored(
        key="chance",
        label=_("Chance that they are still a customer"),
        section=Section.WORTH,
        unit="percent",
        column="value__chance_active",
        scale=0.01,
    ),
    Choice(
        key="category",
        label=_("Bought in 12 months"),
        section=Section.WORTH,
        choices=_categories,
        where_any=_bought,
    ),
    YesNo(key="member", label=_("Has a membership"), section=Section.OWNS, where_yes=_members),
    YesNo(
        key="consent",
        label=_("Offers by email"),
        section=Section.SAID,
        where_yes=lambda _today: agreed_to(Purpose.OFFERS, Channel.EMAIL),
    ),
    YesNo(
        key="sms",
        label=_("Offers by text message"),
        section=Section.SAID,
        where_yes=lambda _today: agreed_to(Purpose.OFFERS, Channel.SMS),
    ),
    YesNo(
        key="surveys",
        label=_("Surveys by email"),
        section=Section.SAID,
        where_yes=lambda _today: agreed_to(Purpose.SURVEYS, Channel.EMAIL),
    ),
    YesNo(key="held", label=_("No offers for now"), section=Section.SAID, where_yes=_held_back),
)

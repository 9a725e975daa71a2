"""Partners: the list, one partner's page, and what it is invoiced."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import Any

import django_filters
import django_tables2 as tables
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_safe

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.context import company_of
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm, one_time_key
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.accounts.months import last_day_of, month_of, months_after
from rewards.accounts.statement import Statement, activity_of, statements
from rewards.actions.partners import add_partner, change_partner
from rewards.models import Partner, PartnerTerms
from rewards.partner_forms import PartnerForm, rate_in_words
from rewards.views.accounts import month_asked, month_choices
from rewards.views.staff import CompanyTable, chip, posted


class PartnerFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(label=_lazy("Search"), field_name="name", lookup_expr="icontains", max_length=100)
    active = django_filters.ChoiceFilter(
        label=_lazy("Active"),
        choices=[("yes", _lazy("Active now")), ("no", _lazy("Not active now"))],
        empty_label=_lazy("All partners"),
        method="by_active",
    )

    class Meta:
        model = Partner
        fields = ("q", "active")
        form = FilterForm

    def by_active(self, partners: QuerySet[Partner], _name: str, choice: str) -> QuerySet[Partner]:
        active = Partner.objects.active_on(Company.current().today()).values("pk")
        return partners.filter(pk__in=active) if choice == "yes" else partners.exclude(pk__in=active)


class PartnerTable(CompanyTable):
    name = tables.Column(
        verbose_name=_lazy("Partner"),
        linkify=("rewards:partner_statement", {"pk": tables.A("pk")}),
        order_by=("name", "pk"),
    )
    code = tables.Column(verbose_name=_lazy("Code"))
    is_active = tables.Column(accessor="pk", verbose_name=_lazy("Active"), order_by=("active_from", "pk"))
    issued_rate = tables.Column(verbose_name=_lazy("Pays for a point, cents"), attrs=NUMBER)
    burned_rate = tables.Column(verbose_name=_lazy("Gets for a point, cents"), attrs=NUMBER)
    earned = tables.Column(accessor="pk", verbose_name=_lazy("Earned this month"), attrs=NUMBER, orderable=False)
    used = tables.Column(accessor="pk", verbose_name=_lazy("Used this month"), attrs=NUMBER, orderable=False)
    due = tables.Column(accessor="pk", verbose_name=_lazy("To invoice"), attrs=NUMBER, orderable=False)

    caption = _lazy("Partners")

    class Meta:
        order_by = ("name",)

    @cached_property
    def this_month(self) -> dict[int, Statement]:
        """The statements of those on the shown page, in one go."""
        return statements([row.record.pk for row in self.paginated_rows], self.company.today())

    def render_is_active(self, record: Partner) -> SafeString:
        is_active = record.is_active_on(self.company.today())
        return chip("ok", _("Active now")) if is_active else chip("neutral", _("Not active now"))

    def render_issued_rate(self, record: Any) -> str:
        return rate_in_words(record.issued_rate)

    def render_burned_rate(self, record: Any) -> str:
        return rate_in_words(record.burned_rate)

    def render_earned(self, record: Partner) -> str:
        return formats.number(self.this_month[record.pk].earned)

    def render_used(self, record: Partner) -> str:
        return formats.number(self.this_month[record.pk].used)

    def render_due(self, record: Partner) -> str:
        return formats.money(self.this_month[record.pk].due_cents, self.company.currency)


def _listed(request: HttpRequest) -> QuerySet[Partner]:
    today = Company.current().today()
    in_force = PartnerTerms.objects.filter(partner=OuterRef("pk"), starts_on__lte=today).order_by("-starts_on")
    first = PartnerTerms.objects.filter(partner=OuterRef("pk")).order_by("starts_on")
    partners = Partner.objects.for_staff(person(request)).order_by("name", "pk")
    for name in ("issued_rate", "burned_rate"):
        value = Coalesce(Subquery(in_force.values(name)[:1]), Subquery(first.values(name)[:1]))
        partners = partners.annotate(**{name: value})
    return partners


@require_safe
@permission(Permission.SEE_ACCOUNTS)
def partners(request: HttpRequest) -> HttpResponse:
    """All partners with this month's sums."""
    found = PartnerFilter(request.GET, queryset=_listed(request), request=request)
    narrowed = any(request.GET.get(name) for name in PartnerFilter.get_filters())
    empty = (
        None if narrowed else _("No partners yet. Add the first company at which your customers earn or use points.")
    )
    table = show_page(request, PartnerTable(found.qs, empty_text=empty))
    export = f"{reverse('rewards:partners_export')}?{request.GET.urlencode()}"
    context = {"table": table, "filter": found, "export_url": export, "month": month_of(company_of(request).today())}
    return render(request, "rewards/accounts/partners.html", context)


@require_safe
@permission(Permission.SEE_ACCOUNTS)
@asks_password_again
def partners_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and this month's sums."""
    found = PartnerFilter(request.GET, queryset=_listed(request), request=request).qs
    record_export(what="partners", filters=request.GET, by=person(request))
    month = company_of(request).today()
    header = ["code", "partner", "contact", "active_from", "active_until", "cents_for_point_earned"]
    header += ["cents_for_point_used", "month", "earned", "used", "to_invoice"]
    return csv_response("partners.csv", header, _rows(list(found), month))


def _rows(found: list[Any], month: date) -> Iterator[list[Any]]:
    of_month = statements([partner.pk for partner in found], month)
    for partner in found:
        own = of_month[partner.pk]
        yield [
            partner.code,
            partner.name,
            partner.contact,
            partner.active_from.isoformat(),
            partner.active_until.isoformat() if partner.active_until else "",
            partner.issued_rate,
            partner.burned_rate,
            f"{month:%Y-%m}",
            own.earned,
            own.used,
            f"{own.due_cents / 100:.2f}",
        ]


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_REWARDS)
def partner_create(request: HttpRequest) -> HttpResponse:
    """The form of a new partner."""
    form = PartnerForm(request.POST or None, initial={"active_from": company_of(request).today()})
    if request.method == "POST" and form.is_valid():
        try:
            once(
                scope=f"add partner:{person(request).pk}",
                key=one_time_key(request),
                content=posted(request),
                produce=lambda: {
                    "partner": add_partner(
                        code=form.cleaned_data["code"], content=form.content(), terms=form.terms(), by=person(request)
                    ).pk
                },
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:partners")
    return render(request, "rewards/accounts/partner_form.html", {"form": form, "partner": None})


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_REWARDS)
def partner_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a partner there is, with the terms it had."""
    partner = get_object_or_404(Partner.objects.for_staff(person(request)), pk=pk)
    agreed = list(partner.terms.select_related("agreed_by").order_by("-starts_on"))
    form = PartnerForm(request.POST or None, partner=partner, terms=agreed[0] if agreed else None)
    if request.method == "POST" and form.is_valid():
        try:
            change_partner(
                partner=partner,
                content=form.content(),
                terms=form.terms(),
                terms_from=form.cleaned_data["terms_from"],
                by=person(request),
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:partner_statement", pk=partner.pk)
    rows = [(row, rate_in_words(row.issued_rate), rate_in_words(row.burned_rate)) for row in agreed]
    return render(request, "rewards/accounts/partner_form.html", {"form": form, "partner": partner, "agreed": rows})


@require_safe
@permission(Permission.SEE_ACCOUNTS)
def partner_statement(request: HttpRequest, pk: int) -> HttpResponse:
    """What a partner's customers earned and used in a month, and the sum to invoice."""
    partner = get_object_or_404(Partner.objects.for_staff(person(request)), pk=pk)
    month, today = month_asked(request), company_of(request).today()
    statement = statements([partner.pk], month)[partner.pk]
    before = statements([partner.pk], months_after(month, -1))[partner.pk]
    currency = company_of(request).currency
    context = {
        "partner": partner,
        "statement": statement,
        "compared": before,
        "rates": [(line, rate_in_words(line.rate)) for line in statement.lines],
        "months": month_choices(today, month),
        "is_over": today > last_day_of(month),
        "is_active": partner.is_active_on(today),
        "finding": _finding(statement, partner, currency),
        "query": f"month={month:%Y-%m}",
    }
    return render(request, "rewards/accounts/statement.html", context)


def _finding(statement: Statement, partner: Partner, currency: str) -> SafeString:
    sum_due = formats.money(abs(statement.due_cents), currency)
    if statement.due_cents > 0:
        words = _("{partner} pays us {sum}")
    elif statement.due_cents < 0:
        words = _("We pay {partner} {sum}")
    else:
        words = _("Nothing is to be paid between us and {partner}")
    return format_html(words, partner=partner.name, sum=sum_due)


@require_safe
@permission(Permission.SEE_ACCOUNTS)
@asks_password_again
def partner_statement_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The statement as CSV, or with `?of=postings` every posting under the partner's own reference. No customers."""
    partner = get_object_or_404(Partner.objects.for_staff(person(request)), pk=pk)
    record_export(what="partner statement", filters=request.GET, by=person(request))
    month = month_asked(request)
    name = f"statement-{partner.code}-{month:%Y-%m}"
    if request.GET.get("of") == "postings":
        header = ["reference", "date", "what", "points", "cents_for_a_point", "cents"]
        rows: Iterator[list[Any]] = (
            [one.reference, one.day.isoformat(), one.did.value, one.points, one.rate, one.cents]
            for one in activity_of(partner, month)
        )
        return csv_response(f"{name}-postings.csv", header, rows)
    statement = statements([partner.pk], month)[partner.pk]
    lines = [
        [line.did.value, line.postings, line.points, line.rate, f"{line.due_cents / 100:.2f}"]
        for line in statement.lines
    ]
    total = ["to_invoice", "", "", "", f"{statement.due_cents / 100:.2f}"]
    return csv_response(f"{name}.csv", ["what", "postings", "points", "cents_for_a_point", "amount"], [*lines, total])

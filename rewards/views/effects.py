"""What offers changed: one offer over its runs, and all offers together against the hold-out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.context import company_of
from loyaltycrm.core.knobs import value
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.charts import Intervals, intervals
from loyaltycrm.lib.exports import csv_response
from rewards.effects.report import (
    Compared,
    Effect,
    HoldOutEffect,
    Verdict,
    effects_of_offers,
    effects_of_runs,
    hold_out_course,
    hold_out_effect,
)
from rewards.effects.words import finding, hold_out_finding, per_hundred, range_of_money, range_of_visits
from rewards.hold_out import hold_out_on
from rewards.knobs import EFFECT_DAYS, HOLD_OUT_PERCENT
from rewards.models import HoldOut, Offer, Run
from rewards.results import RunFigures, figures_of

RUNS_SHOWN = 24
COLUMNS = [
    "households", "control_households", "came", "control_came", "visits", "control_visits", "visits_difference",
    "visits_low", "visits_high", "visits_smallest_visible", "net", "control_net", "net_difference", "net_low",
    "net_high",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison as the table shows it: its name, the counts of the two groups, and the figures in words."""

    label: str
    households: int
    control_households: int
    cells: Sequence[str]
    cost_cents: int


def _cells(found: Compared | None, currency: str) -> list[str]:
    if found is None:
        return [_("Too few")] + [""] * 7
    return [
        formats.percent(found.came.treated_mean),
        formats.percent(found.came.control_mean),
        per_hundred(found.visits.treated_mean),
        per_hundred(found.visits.control_mean),
        range_of_visits(found.visits),
        formats.money(round(found.net_cents.treated_mean), currency),
        formats.money(round(found.net_cents.control_mean), currency),
        range_of_money(found.net_cents, currency),
    ]


def _chart(rows: Sequence[tuple[str, Compared | None]]) -> Intervals | None:
    """Visits per 100 households, one line for each comparison there is."""
    drawn = [
        (label, range_of_visits(found.visits), found.visits.low, found.visits.difference, found.visits.high)
        for label, found in rows
        if found is not None
    ]
    return intervals(drawn) if drawn else None


def _measured(request: HttpRequest, pk: int) -> tuple[Offer, Effect, list[tuple[Run, Effect]]]:
    offer = get_object_or_404(Offer.objects.for_staff(person(request)), pk=pk)
    runs = list(Run.objects.filter(offer=offer, planned_at__isnull=False).order_by("-scheduled_for", "-pk"))
    effects = effects_of_runs(runs)
    return offer, effects_of_offers([offer.pk])[offer.pk], [(run, effects[run.pk]) for run in runs]


@require_safe
@permission(Permission.MANAGE_OFFERS)
def offer_results(request: HttpRequest, pk: int) -> HttpResponse:
    """What one offer changed: codes used and visits that would not have been, side by side."""
    offer, pooled, runs = _measured(request, pk)
    company = company_of(request)
    shown = runs[:RUNS_SHOWN]
    days = {run.pk: formats.short_date(run.valid_from) for run, _effect in shown}
    figures = figures_of([run.pk for run, _effect in runs])
    all_runs = _("All runs")
    context = {
        "offer": offer,
        "effect": pooled,
        "finding": finding(pooled),
        "is_told": pooled.verdict in (Verdict.MORE, Verdict.LESS),
        "sent": sum(one.sent for one in figures.values()),
        "redeemed": sum(one.redeemed for one in figures.values()),
        "chart": _chart([(all_runs, pooled.compared), *((days[run.pk], one.compared) for run, one in shown)]),
        "rows": [
            Row(all_runs, pooled.households, pooled.control_households, _cells(pooled.compared, company.currency),
                pooled.cost_cents),
            *(
                Row(days[run.pk], one.households, one.control_households, _cells(one.compared, company.currency),
                    one.cost_cents)
                for run, one in shown
            ),
        ],
        "days": value(EFFECT_DAYS),
        "view": "table" if request.GET.get("view") == "table" else "chart",
    }  # fmt: skip
    return render(request, "rewards/staff/offer_results.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def offer_results_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The comparison of every run as a CSV file: per household, money in the currency, times in UTC."""
    offer, pooled, runs = _measured(request, pk)
    figures = figures_of([run.pk for run, _effect in runs])
    record_export(what="results of an offer", filters={"offer": str(offer.pk)}, by=person(request))
    header = ["run", "planned_at", "verdict", "days", "sent", "codes_used", "cost", *COLUMNS]
    return csv_response(f"offer-{offer.pk}-results.csv", header, list(_result_rows(pooled, runs, figures)))


def _result_rows(
    pooled: Effect, runs: Sequence[tuple[Run, Effect]], figures: dict[int, RunFigures]
) -> Iterator[list[Any]]:
    sent, used = sum(one.sent for one in figures.values()), sum(one.redeemed for one in figures.values())
    yield ["all", "", pooled.verdict.value, pooled.days, sent, used, _money(pooled.cost_cents), *_numbers(pooled)]
    for run, one in runs:
        own = figures[run.pk]
        planned = f"{run.planned_at:%Y-%m-%dT%H:%M:%SZ}" if run.planned_at else ""
        yield [run.pk, planned, one.verdict.value, one.days, own.sent, own.redeemed, _money(one.cost_cents),
               *_numbers(one)]  # fmt: skip


def _numbers(effect: Effect | HoldOutEffect) -> list[Any]:
    control = effect.control_households if isinstance(effect, Effect) else effect.held_out_households
    if effect.compared is None:
        return [effect.households, control, *[""] * (len(COLUMNS) - 2)]
    came, visits, net = effect.compared.came, effect.compared.visits, effect.compared.net_cents
    shares = [came.treated_mean, came.control_mean, visits.treated_mean, visits.control_mean, visits.difference,
              visits.low, visits.high, visits.smallest]  # fmt: skip
    amounts = [net.treated_mean, net.control_mean, net.difference, net.low, net.high]
    return [effect.households, control, *(f"{one:.4f}" for one in shares), *(_money(one) for one in amounts)]


def _money(cents: float) -> str:
    return f"{cents / 100:.2f}"


@require_safe
@permission(Permission.MANAGE_OFFERS)
def hold_out(request: HttpRequest) -> HttpResponse:
    """Everybody against those who get no offers for a year: what all offers together are worth."""
    company = company_of(request)
    draws = list(HoldOut.objects.order_by("-starts_on"))
    chosen = next((one for one in draws if str(one.pk) == request.GET.get("draw")), draws[0] if draws else None)
    course = hold_out_course(chosen) if chosen else []
    newest = hold_out_effect(chosen) if chosen else HoldOutEffect(None, 0, 0, 0, None)
    labels = [formats.short_date(one.through) if one.through else "" for one in course]
    places = chosen.places if chosen else None
    context = {
        "draws": draws,
        "chosen": chosen,
        "stands": hold_out_on(company.today()),
        "percent": value(HOLD_OUT_PERCENT),
        "held": places.filter(is_held_out=True).count() if places is not None else 0,
        "placed": places.count() if places is not None else 0,
        "effect": newest,
        "finding": hold_out_finding(newest),
        "chart": _chart([(label, one.compared) for label, one in zip(labels, course, strict=True)]),
        "rows": [
            Row(label, one.households, one.held_out_households, _cells(one.compared, company.currency), one.cost_cents)
            for label, one in zip(labels, course, strict=True)
        ],
        "view": "table" if request.GET.get("view") == "table" else "chart",
    }
    return render(request, "rewards/staff/hold_out.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def hold_out_export(request: HttpRequest) -> StreamingHttpResponse:
    """Every comparison of every draw as a CSV file: per household, money in the currency."""
    record_export(what="hold-out", filters=request.GET, by=person(request))
    header = ["first_day", "last_day", "percent", "through", "cost", *COLUMNS]
    rows = [
        [drawn.starts_on, drawn.through, drawn.percent, one.through, _money(one.cost_cents), *_numbers(one)]
        for drawn in HoldOut.objects.order_by("starts_on")
        for one in reversed(hold_out_course(drawn))
    ]
    return csv_response("hold-out.csv", header, rows)

"""The catalogue of rewards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_filters
import django_tables2 as tables
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm, one_time_key
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.actions.catalogue import add_reward, edit_reward, offer_reward_again, stop_reward
from rewards.benefits import BenefitKind
from rewards.benefits.words import gives_in_words
from rewards.forms import RewardForm
from rewards.models import Reward
from rewards.views.kinds import choose_kind, kind_asked
from rewards.views.staff import CompanyTable, chip, person, posted, try_it


class RewardFilter(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(
        label=_lazy("Benefit"),
        field_name="benefit__kind",
        choices=BenefitKind.choices,
        empty_label=_lazy("Every benefit"),
    )
    offered = django_filters.ChoiceFilter(
        label=_lazy("Offered"),
        field_name="is_active",
        choices=[("true", _lazy("Offered now")), ("false", _lazy("No longer offered"))],
        empty_label=_lazy("All rewards"),
        method="by_offered",
    )

    class Meta:
        model = Reward
        fields = ("kind", "offered")
        form = FilterForm

    def by_offered(self, rewards: QuerySet[Reward], _name: str, choice: str) -> QuerySet[Reward]:
        return rewards.filter(is_active=choice == "true")


class RewardTable(CompanyTable):
    name = tables.Column(
        verbose_name=_lazy("Reward"), linkify=("rewards:reward_edit", {"pk": tables.A("pk")}), order_by=("names", "pk")
    )
    benefit = tables.Column(verbose_name=_lazy("Benefit"), order_by=("benefit__kind", "pk"))
    points_cost = tables.Column(verbose_name=_lazy("Points"), attrs=NUMBER, order_by=("points_cost", "pk"))
    used_count = tables.Column(verbose_name=_lazy("Times used"), attrs=NUMBER, order_by=("used_count", "pk"))
    is_active = tables.Column(verbose_name=_lazy("Offered"), order_by=("is_active", "pk"))
    change = tables.TemplateColumn(
        template_name="rewards/staff/_cell_offered.html", verbose_name=_lazy("Change"), orderable=False
    )

    caption = _lazy("Rewards")

    class Meta:
        order_by = ("points_cost",)

    def render_points_cost(self, value: int) -> str:
        return formats.number(value)

    def render_benefit(self, record: Reward) -> str:
        return gives_in_words(record.benefit, self.company.currency)

    def render_used_count(self, value: int) -> str:
        return formats.number(value)

    def render_is_active(self, record: Reward) -> SafeString:
        return chip("ok", _("Offered now")) if record.is_active else chip("neutral", _("No longer offered"))


def _listed() -> QuerySet[Reward]:
    used = Count("vouchers__redemptions", filter=Q(vouchers__redemptions__undone_at__isnull=True))
    return Reward.objects.annotate(used_count=used).order_by("points_cost", "pk")


@require_safe
@permission(Permission.MANAGE_REWARDS)
def catalogue(request: HttpRequest) -> HttpResponse:
    """What points can be used for."""
    found = RewardFilter(request.GET, queryset=_listed(), request=request)
    narrowed = any(request.GET.get(name) for name in RewardFilter.get_filters())
    empty = None if narrowed else _("No rewards yet. Add the first thing that customers can get for points.")
    table = RewardTable(found.qs, empty_text=empty)
    show_page(request, table)
    export = f"{reverse('rewards:catalogue_export')}?{request.GET.urlencode()}"
    return render(request, "rewards/staff/catalogue.html", {"table": table, "filter": found, "export_url": export})


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def catalogue_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names."""
    rows = RewardFilter(request.GET, queryset=_listed(), request=request).qs
    record_export(what="rewards", filters=request.GET, by=person(request))
    header = ["reward", "name_en", "name_lv", "name_ru", "benefit", "points", "value", "offered", "times_used"]
    return csv_response("rewards.csv", header, _rows(rows))


def _rows(rows: QuerySet[Reward]) -> Iterator[list[Any]]:
    for reward in rows.iterator(chunk_size=2_000):
        yield [
            reward.key,
            *(reward.names.get(code, "") for code in ("en", "lv", "ru")),
            reward.benefit.kind.value,
            reward.points_cost,
            "" if reward.benefit.fixed_cents is None else f"{reward.benefit.fixed_cents / 100:.2f}",
            "yes" if reward.is_active else "no",
            reward.used_count,  # type: ignore[attr-defined]
        ]


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_REWARDS)
def reward_create(request: HttpRequest) -> HttpResponse:
    """The form of a new reward, once its kind is chosen."""
    kind = kind_asked(request)
    if kind is None:
        back = reverse("rewards:catalogue")
        return choose_kind(request, title=_("Add a reward"), back=back, back_label=_("Rewards"))
    form = RewardForm(request.POST or None, kind=kind)
    if request.method == "POST" and form.is_valid():
        try:
            once(
                scope=f"add reward:{person(request).pk}",
                key=one_time_key(request),
                content=posted(request),
                produce=lambda: {"reward": add_reward(content=form.content(), by=person(request)).pk},
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:catalogue")
    return render(request, "rewards/staff/reward_form.html", {"form": form, "reward": None})


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_REWARDS)
def reward_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a reward there is."""
    reward = get_object_or_404(Reward, pk=pk)
    kind = kind_asked(request, reward.benefit)
    if kind is None:
        back = reverse("rewards:reward_edit", args=[pk])
        return choose_kind(
            request, benefit=reward.benefit, title=_("Another benefit"), back=back, back_label=reward.name
        )
    form = RewardForm(request.POST or None, reward=reward, kind=kind)
    if request.method == "POST" and form.is_valid():
        try:
            edit_reward(reward=reward, content=form.content(), by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:catalogue")
    return render(request, "rewards/staff/reward_form.html", {"form": form, "reward": reward})


@require_POST
@permission(Permission.MANAGE_REWARDS)
def reward_stop(request: HttpRequest, pk: int) -> HttpResponse:
    reward = get_object_or_404(Reward, pk=pk)
    done = _("%(reward)s is no longer offered. Codes that customers have stay good.") % {"reward": reward.name}
    try_it(request, lambda: stop_reward(reward=reward, by=person(request)), done=done)
    return redirect("rewards:catalogue")


@require_POST
@permission(Permission.MANAGE_REWARDS)
def reward_offer_again(request: HttpRequest, pk: int) -> HttpResponse:
    reward = get_object_or_404(Reward, pk=pk)
    done = _("%(reward)s is offered again.") % {"reward": reward.name}
    try_it(request, lambda: offer_reward_again(reward=reward, by=person(request)), done=done)
    return redirect("rewards:catalogue")

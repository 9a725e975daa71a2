"""The list of imports, and sending a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import django_filters
import django_tables2 as tables
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.actions.import_files import PIECE_BYTES
from loyaltycrm.core.actions.import_jobs import send_import
from loyaltycrm.core.bodies import takes_files
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm, one_time_key
from loyaltycrm.core.models import ImportJob, ImportState
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from loyaltycrm.shop.actions.import_kinds import KINDS
from loyaltycrm.shop.forms.imports import SendForm

page = require_http_methods(["GET", "HEAD", "POST"])
CHIPS = {
    ImportState.UPLOADED: "warn",
    ImportState.TO_CHECK: "primary",
    ImportState.CHECKING: "primary",
    ImportState.READY: "warn",
    ImportState.TO_RUN: "primary",
    ImportState.RUNNING: "primary",
    ImportState.DONE: "ok",
    ImportState.STOPPED: "neutral",
    ImportState.FAILED: "danger",
}


class ImportFilter(django_filters.FilterSet):
    """Which imports are shown."""

    q = django_filters.CharFilter(
        label=gettext_lazy("Name of the file"), field_name="file_name", lookup_expr="icontains", max_length=100
    )
    kind = django_filters.ChoiceFilter(
        label=gettext_lazy("Contents"),
        choices=lambda: [(kind.key, kind.label) for kind in KINDS.values()],
        empty_label=gettext_lazy("All"),
    )
    state = django_filters.ChoiceFilter(
        label=gettext_lazy("State"), choices=ImportState.choices, empty_label=gettext_lazy("All")
    )

    class Meta:
        model = ImportJob
        fields = ("q", "kind", "state")
        form = FilterForm


class ImportTable(tables.Table):
    created_at = tables.Column(
        verbose_name=gettext_lazy("Sent"), order_by=("created_at", "pk"), attrs={"td": {"class": "nowrap"}}
    )
    file_name = tables.Column(verbose_name=gettext_lazy("File"), order_by=("file_name", "pk"))
    kind = tables.Column(verbose_name=gettext_lazy("Contents"), order_by=("kind", "pk"))
    state = tables.Column(verbose_name=gettext_lazy("State"), order_by=("state", "pk"))
    accepted = tables.Column(
        accessor="pk",
        verbose_name=gettext_lazy("Rows taken"),
        order_by=("result__counts__accepted", "pk"),
        attrs=NUMBER,
    )
    refused = tables.Column(
        accessor="pk", verbose_name=gettext_lazy("Not taken"), order_by=("result__counts__refused", "pk"), attrs=NUMBER
    )
    created_by = tables.Column(verbose_name=gettext_lazy("Sent by"), order_by=("created_by__name", "pk"))

    caption = gettext_lazy("Imports")

    class Meta:
        order_by = ("-created_at",)

    def render_created_at(self, value: datetime) -> str:
        return formats.date_and_time(value)

    def render_file_name(self, record: ImportJob) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("shop:import", args=[record.pk]), record.file_name)

    def render_kind(self, record: ImportJob) -> str:
        return kind_in_words(record)

    def render_state(self, record: ImportJob) -> str:
        return state_chip(record)

    def render_accepted(self, record: ImportJob) -> str:
        counts = counts_of(record)
        return formats.number(counts["accepted"]) if counts else formats.EN_DASH

    def render_refused(self, record: ImportJob) -> str:
        counts = counts_of(record)
        return formats.number(counts["refused"] + counts["conflicts"]) if counts else formats.EN_DASH


def counts_of(job: ImportJob) -> dict[str, int]:
    """What became of the rows of an import that ended; empty before."""
    return dict((job.result or {}).get("counts", {}))


def kind_in_words(job: ImportJob) -> str:
    """What the file holds."""
    kind = KINDS.get(job.kind)
    words = str(kind.label) if kind else job.kind
    return f"{words} · {job.of}" if job.of else words


def state_chip(job: ImportJob) -> str:
    """The state as a chip; of a file that is gone and was not imported, that it is."""
    if job.emptied_at and job.started_at is None:
        return render_to_string("components/chip.html", {"kind": "neutral", "text": _("Removed")})
    chip = {"kind": CHIPS[ImportState(job.state)], "text": job.get_state_display()}
    return render_to_string("components/chip.html", chip)


def _listed(request: HttpRequest) -> QuerySet[ImportJob]:
    return ImportJob.objects.for_staff(person(request)).select_related("created_by").order_by("-created_at", "-pk")


@require_safe
@permission(Permission.IMPORT)
def imports(request: HttpRequest) -> HttpResponse:
    """The files that were sent, the newest first."""
    found = ImportFilter(request.GET, queryset=_listed(request), request=request)
    narrowed = any(request.GET.get(name) for name in ImportFilter.get_filters())
    empty = None if narrowed else _("No file was sent yet. Send one, and see what it would bring before it does.")
    context = {
        "table": show_page(request, ImportTable(found.qs, empty_text=empty)),
        "filter": found,
        "export_url": f"{reverse('shop:imports_export')}?{request.GET.urlencode()}",
    }
    return render(request, "shop/imports/list.html", context)


@require_safe
@permission(Permission.IMPORT)
@asks_password_again
def imports_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and times in UTC."""
    found = ImportFilter(request.GET, queryset=_listed(request), request=request)
    record_export(what="imports", filters=request.GET, by=person(request))
    header = ["sent_at", "file", "holds", "of", "state", "read", "accepted", "unchanged", "refused", "conflicts"]
    return csv_response("imports.csv", [*header, "sent_by", "sha256", "ended_at"], _rows(found.qs))


def _rows(found: QuerySet[ImportJob]) -> Iterator[list[Any]]:
    for job in found.iterator(chunk_size=500):
        counts = counts_of(job)
        numbers = [counts.get(name, "") for name in ("read", "accepted", "unchanged", "refused", "conflicts")]
        about = [job.created_at.isoformat(), job.file_name, job.kind, job.of, job.state]
        yield [*about, *numbers, str(job.created_by), job.sha256, job.ended_at.isoformat() if job.ended_at else ""]


@page
@permission(Permission.IMPORT)
@takes_files(lambda: settings.IMPORT_LARGEST_MB)
def import_new(request: HttpRequest) -> HttpResponse:
    """Send a file."""
    by = person(request)
    form = SendForm(request.POST or None, request.FILES or None, by=by)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            answer = once(
                scope=f"send import:{by.pk}",
                key=one_time_key(request),
                content={"kind": form.cleaned_data["kind"], "of": form.of, "name": file.name, "size": file.size},
                produce=lambda: {
                    "import": send_import(
                        kind=form.cleaned_data["kind"],
                        of=form.of,
                        name=file.name,
                        blocks=file.chunks(PIECE_BYTES),
                        by=by,
                    ).pk
                },
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("shop:import_columns", pk=answer["import"])
    return render(request, "shop/imports/new.html", {"form": form})

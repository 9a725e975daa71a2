"""The programme as managers read it: what holds, what was and what will be, and files of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import django_tables2 as tables
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.actions.programme import draft_programme
from rewards.actions.programme_versions import earliest_start, version_on
from rewards.models import DraftStatus, ProgrammeDraft, ProgrammeVersion
from rewards.models.programme import CLOSED
from rewards.plain_words import programme_in_words
from rewards.programme import Programme
from rewards.programme_checks import WrongRules
from rewards.programme_files import programme_as_text, read_programme
from rewards.programme_forms.file import FileForm
from rewards.views.staff import PER_PAGE, CompanyTable, chip, person, posted

DRAFT_CHIPS = {
    DraftStatus.DRAFT: "neutral",
    DraftStatus.HANDED_IN: "warn",
    DraftStatus.DECLINED: "danger",
    DraftStatus.SIGNED: "ok",
    DraftStatus.WITHDRAWN: "neutral",
}
MOST_DRAFTS_SHOWN = 50


class VersionTable(CompanyTable):
    number = tables.Column(verbose_name=_lazy("Version"))
    starts_on = tables.Column(verbose_name=_lazy("Holds from"), order_by="number", empty_values=())
    held = tables.Column(verbose_name=_lazy("State"), accessor="pk", orderable=False)
    note = tables.Column(verbose_name=_lazy("What changed"), orderable=False, empty_values=())
    drafted_by = tables.Column(verbose_name=_lazy("Drafted by"), accessor="pk", orderable=False)
    signed_by = tables.Column(verbose_name=_lazy("Signed by"), orderable=False, empty_values=())
    signed_at = tables.Column(verbose_name=_lazy("Signed"), attrs={"td": {"class": "nowrap"}})

    caption = _lazy("Versions of the programme")

    class Meta:
        order_by = "-number"

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        self.today = today
        rows = ProgrammeVersion.objects.order_by("number").values_list("number", "starts_on")
        self.last_of_day = {starts_on: number for number, starts_on in rows}
        super().__init__(*args, **kwargs)

    def render_number(self, record: ProgrammeVersion) -> SafeString:
        words = _("Version %(number)s") % {"number": record.number}
        return format_html('<a href="{}">{}</a>', reverse("rewards:programme_version", args=[record.pk]), words)

    def render_starts_on(self, record: ProgrammeVersion) -> str:
        return formats.short_date(record.starts_on) if record.starts_on else _("the beginning")

    def render_held(self, record: ProgrammeVersion) -> SafeString:
        return chip(*state_of(record, self.last_of_day, self.today))

    def render_note(self, record: ProgrammeVersion) -> str:
        return record.note or "\u2014"

    def render_drafted_by(self, record: ProgrammeVersion) -> str:
        draft = getattr(record, "draft", None)
        return draft.drafted_by.name if draft and draft.drafted_by else "\u2014"

    def render_signed_by(self, record: ProgrammeVersion) -> str:
        return record.signed_by.name if record.signed_by else "\u2014"

    def render_signed_at(self, record: ProgrammeVersion) -> str:
        return formats.date_and_time(record.signed_at, zone=self.company.zone)


def state_of(version: ProgrammeVersion, last_of_day: dict[date | None, int], today: date) -> tuple[str, str]:
    """Whether a version held, holds, will hold or never did, as the kind and the words of a chip."""
    if last_of_day[version.starts_on] != version.number:
        return "neutral", _("Replaced before it began")
    begun = [day for day in last_of_day if day is None or day <= today]
    if version.starts_on is not None and version.starts_on > today:
        return "primary", _("Signed, still to come")
    newest = max(begun, key=lambda day: last_of_day[day])
    return ("ok", _("In force")) if version.starts_on == newest else ("neutral", _("Over"))


@require_safe
@permission(Permission.MANAGE_PROGRAMME)
def programme(request: HttpRequest) -> HttpResponse:
    """The rules in force today in sentences, the versions, and the drafts that are open."""
    company = Company.current()
    today = company.today()
    in_force = version_on(today)
    versions = ProgrammeVersion.objects.select_related("signed_by", "draft__drafted_by")
    table = VersionTable(versions, today=today)
    show_page(request, table, per_page=PER_PAGE)
    all_drafts = request.GET.get("drafts") == "all"
    drafts = ProgrammeDraft.objects.all() if all_drafts else ProgrammeDraft.objects.exclude(status__in=CLOSED)
    context = {
        "version": in_force,
        "sections": programme_in_words(as_programme(in_force), currency=company.currency),
        "table": table,
        "coming": ProgrammeVersion.objects.filter(starts_on__gt=today).order_by("-number").first(),
        "drafts": [
            (draft, DRAFT_CHIPS[DraftStatus(draft.status)])
            for draft in drafts.select_related("drafted_by").order_by("-changed_at", "-pk")[:MOST_DRAFTS_SHOWN]
        ],
        "all_drafts": all_drafts,
        "closed_drafts": ProgrammeDraft.objects.filter(status__in=CLOSED).exists(),
    }
    return render(request, "rewards/programme/programme.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def versions_export(request: HttpRequest) -> StreamingHttpResponse:
    """The list of versions as a CSV file, with stable English names and times in UTC."""
    record_export(what="programme versions", filters=request.GET, by=person(request))
    header = ["version", "starts_on", "replaced_before_it_began", "note", "drafted_by", "signed_by", "signed_at"]
    return csv_response("programme-versions.csv", header, _rows())


def _rows() -> Iterator[list[Any]]:
    versions = list(ProgrammeVersion.objects.select_related("signed_by", "draft__drafted_by").order_by("number"))
    last_of_day = {version.starts_on: version.number for version in versions}
    for version in versions:
        draft = getattr(version, "draft", None)
        yield [
            version.number,
            version.starts_on or "",
            "no" if last_of_day[version.starts_on] == version.number else "yes",
            version.note,
            draft.drafted_by.name if draft and draft.drafted_by else "",
            version.signed_by.name if version.signed_by else "",
            f"{version.signed_at:%Y-%m-%dT%H:%M:%SZ}",
        ]


@require_safe
@permission(Permission.MANAGE_PROGRAMME)
def version(request: HttpRequest, pk: int) -> HttpResponse:
    """One version in sentences, whether it holds or not."""
    company = Company.current()
    today = company.today()
    shown = get_object_or_404(ProgrammeVersion.objects.select_related("signed_by", "draft__drafted_by"), pk=pk)
    last_of_day = dict(ProgrammeVersion.objects.order_by("number").values_list("starts_on", "number"))
    kind, state = state_of(shown, last_of_day, today)
    context = {
        "version": shown,
        "draft": getattr(shown, "draft", None),
        "chip": kind,
        "state": state,
        "is_to_come": kind == "primary",
        "sections": programme_in_words(as_programme(shown), currency=company.currency),
    }
    return render(request, "rewards/programme/version.html", context)


@require_safe
@permission(Permission.MANAGE_PROGRAMME)
def version_export(request: HttpRequest, pk: int) -> HttpResponse:
    """The version as a file for another shop."""
    shown = get_object_or_404(ProgrammeVersion, pk=pk)
    return as_file(shown, f"programme-{shown.number}.json")


@require_POST
@permission(Permission.MANAGE_PROGRAMME)
def draft_create(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin a draft with the rules of a version. Of a version to come the day is kept, so that it can be replaced."""
    source = get_object_or_404(ProgrammeVersion, pk=pk)
    starts_on = source.starts_on if source.starts_on and source.starts_on >= earliest_start() else None
    made = once(
        scope=f"draft programme:{person(request).pk}",
        key=one_time_key(request),
        content=posted(request),
        produce=lambda: {"draft": draft_programme(based_on=source, starts_on=starts_on, by=person(request)).pk},
    )
    return redirect("rewards:programme_draft", made["draft"])


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_PROGRAMME)
def draft_import(request: HttpRequest) -> HttpResponse:
    """Begin a draft with the rules of a file."""
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            content = read_programme(form.cleaned_data["file"].read())
        except WrongRules as wrong:
            form.refuse_file(wrong)
        else:
            made = once(
                scope=f"import draft:{person(request).pk}",
                key=one_time_key(request),
                content=[content.rules, content.note],
                produce=lambda: {
                    "draft": draft_programme(
                        based_on=version_on(Company.current().today()),
                        rules=content.rules,
                        note=content.note,
                        by=person(request),
                    ).pk
                },
            )
            for remark in content.remarks:
                messages.warning(request, remark)
            return redirect("rewards:programme_draft", made["draft"])
    return render(request, "rewards/programme/import.html", {"form": form})


def as_programme(shown: ProgrammeVersion | ProgrammeDraft) -> Programme:
    """The rules of a version or a draft as the till would apply them."""
    number = shown.number if isinstance(shown, ProgrammeVersion) else 0
    return Programme(version_id=0, number=number, starts_on=shown.starts_on, rules=shown.rules)


def as_file(shown: ProgrammeVersion | ProgrammeDraft, name: str) -> HttpResponse:
    """A download of the rules."""
    text = programme_as_text(shown, currency=Company.current().currency)
    answer = HttpResponse(text, content_type="application/json; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer

"""The list of the programme's versions: which held when, who drafted and who signed them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import django_filters
import django_tables2 as tables
from django.db.models import Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_safe

from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.models import ProgrammeVersion
from rewards.views.staff import CompanyTable, chip, person

Versions = QuerySet[ProgrammeVersion]
_STATES: Final[dict[str, tuple[str, Any]]] = {
    "in_force": ("ok", _lazy("In force")),
    "coming": ("primary", _lazy("Signed, still to come")),
    "over": ("neutral", _lazy("Over")),
    "replaced": ("neutral", _lazy("Replaced before it began")),
}


class VersionTable(CompanyTable):
    number = tables.Column(verbose_name=_lazy("Version"))
    starts_on = tables.Column(verbose_name=_lazy("Holds from"), order_by="number", empty_values=())
    held = tables.Column(verbose_name=_lazy("State"), accessor="pk", orderable=False)
    note = tables.Column(verbose_name=_lazy("What changed"), order_by=("note", "number"), empty_values=())
    drafted_by = tables.Column(
        verbose_name=_lazy("Drafted by"), accessor="pk", order_by=("draft__drafted_by__name", "number")
    )
    signed_by = tables.Column(verbose_name=_lazy("Signed by"), order_by=("signed_by__name", "number"), empty_values=())
    signed_at = tables.Column(
        verbose_name=_lazy("Signed"), order_by=("signed_at", "number"), attrs={"td": {"class": "nowrap"}}
    )

    caption = _lazy("Versions of the programme")

    class Meta:
        order_by = "-number"

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        self.today = today
        self.last_of_day = last_of_each_day()
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


def last_of_each_day() -> dict[date | None, int]:
    """{start day: number of the last version signed for it}, which is the one that holds."""
    return dict(ProgrammeVersion.objects.order_by("number").values_list("starts_on", "number"))


def state_of(version: ProgrammeVersion, last_of_day: dict[date | None, int], today: date) -> tuple[str, str]:
    """Whether a version held, holds, will hold or never did, as the kind and the words of a chip."""
    kind, words = _STATES[_state(version, last_of_day, today)]
    return kind, str(words)


def _state(version: ProgrammeVersion, last_of_day: dict[date | None, int], today: date) -> str:
    if last_of_day[version.starts_on] != version.number:
        return "replaced"
    if version.starts_on is not None and version.starts_on > today:
        return "coming"
    begun = [day for day in last_of_day if day is None or day <= today]
    newest = max(begun, key=lambda day: last_of_day[day])
    return "in_force" if version.starts_on == newest else "over"


class VersionFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(
        label=_lazy("State"),
        choices=[(name, words) for name, (_kind, words) in _STATES.items()],
        empty_label=_lazy("Every state"),
        method="by_state",
    )
    q = django_filters.CharFilter(label=_lazy("What changed, or who"), method="by_words", max_length=100)

    class Meta:
        model = ProgrammeVersion
        fields = ("state", "q")
        form = FilterForm

    def by_state(self, versions: Versions, _name: str, state: str) -> Versions:
        last_of_day, today = last_of_each_day(), Company.current().today()
        wanted = [one.pk for one in ProgrammeVersion.objects.all() if _state(one, last_of_day, today) == state]
        return versions.filter(pk__in=wanted)

    def by_words(self, versions: Versions, _name: str, words: str) -> Versions:
        named = Q(note__icontains=words) | Q(signed_by__name__icontains=words)
        return versions.filter(named | Q(draft__drafted_by__name__icontains=words))


def versions_found(request: HttpRequest) -> VersionFilter:
    """The versions that the address asks for, newest first."""
    rows = ProgrammeVersion.objects.select_related("signed_by", "draft__drafted_by").order_by("-number")
    return VersionFilter(request.GET, queryset=rows, request=request)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def versions_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list of versions as a CSV file, with stable English names and times in UTC."""
    record_export(what="programme versions", filters=request.GET, by=person(request))
    header = ["version", "starts_on", "replaced_before_it_began", "note", "drafted_by", "signed_by", "signed_at"]
    return csv_response("programme-versions.csv", header, _rows(versions_found(request).qs))


def _rows(versions: Versions) -> Iterator[list[Any]]:
    last_of_day = last_of_each_day()
    for version in versions.order_by("number"):
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

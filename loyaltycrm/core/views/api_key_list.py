"""The list of connected tills, and the same as a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import django_filters
import django_tables2 as tables
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.api_keys import PREFIX, SHOWN
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.models import ApiKey, KeyKind, Scope, Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response

STATES = {"open": gettext_lazy("Open"), "ended": gettext_lazy("Ended"), "closed": gettext_lazy("Closed")}


class KeyFilter(django_filters.FilterSet):
    """Which tills are shown."""

    q = django_filters.CharFilter(label=gettext_lazy("Till or first signs of the key"), method="by_text", max_length=80)
    store = django_filters.ModelChoiceFilter(
        label=gettext_lazy("Store"), queryset=Store.objects.all(), empty_label=gettext_lazy("Any store")
    )
    kind = django_filters.ChoiceFilter(
        label=gettext_lazy("Used in"), choices=KeyKind.choices, empty_label=gettext_lazy("All")
    )
    scope = django_filters.ChoiceFilter(
        label=pgettext_lazy("what a key may", "May"),
        choices=Scope.choices,
        method="by_scope",
        empty_label=gettext_lazy("Anything"),
    )
    state = django_filters.ChoiceFilter(
        label=gettext_lazy("Key"), choices=list(STATES.items()), empty_label=gettext_lazy("All")
    )

    class Meta:
        model = ApiKey
        fields = ("q", "store", "kind", "scope", "state")
        form = FilterForm

    def by_text(self, keys: QuerySet[ApiKey], _name: str, text: str) -> QuerySet[ApiKey]:
        # Whoever finds a whole key may ask whose it is; only its first signs are kept.
        begins = Q(prefix__startswith=text[:SHOWN]) if text.startswith(PREFIX) else Q()
        return keys.filter(begins or Q(name__icontains=text))

    def by_scope(self, keys: QuerySet[ApiKey], _name: str, scope: str) -> QuerySet[ApiKey]:
        return keys.filter(scopes__contains=[scope])


class KeyTable(tables.Table):
    """The tills that are or were let in."""

    name = tables.Column(accessor="pk", verbose_name=gettext_lazy("Till"), order_by=("name", "pk"))
    store = tables.Column(verbose_name=gettext_lazy("Store"), order_by=("store__name", "name", "pk"))
    kind = tables.Column(verbose_name=gettext_lazy("Used in"), order_by=("kind", "name", "pk"))
    last_used_at = tables.Column(accessor="pk", verbose_name=gettext_lazy("Last used"), order_by=("last_used_at", "pk"))
    expires_at = tables.Column(accessor="pk", verbose_name=gettext_lazy("Ends"), order_by=("expires_at", "pk"))
    state = tables.Column(verbose_name=gettext_lazy("Key"), order_by=("state", "name", "pk"))

    caption = gettext_lazy("Connected tills")

    def render_name(self, record: ApiKey) -> str:
        return render_to_string("core/_cell_key.html", {"key": record})

    def render_kind(self, record: ApiKey) -> str:
        return str(record.get_kind_display())

    def render_last_used_at(self, record: ApiKey) -> str:
        return formats.date_and_time(record.last_used_at) if record.last_used_at else formats.EN_DASH

    def render_expires_at(self, record: ApiKey) -> str:
        return formats.date_and_time(record.expires_at) if record.expires_at else formats.EN_DASH

    def render_state(self, value: str) -> str:
        return str(STATES[value])


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_API_KEYS)
def keys(request: HttpRequest) -> HttpResponse:
    """Every till that is or was let in, the open ones first.

    The search is sent in a form and answered under an address that holds no more of a key than is kept of it.
    """
    asked = request.POST if request.method == "POST" else request.GET
    if request.method == "POST" or _names_a_key(asked.get("q", "")):
        return redirect(f"{reverse('core:api_keys')}?{_without_keys(asked).urlencode()}")
    found = KeyFilter(request.GET, queryset=_listed(), request=request)
    empty = None if request.GET else gettext("No till is connected yet. Make a key for the first one.")
    context = {
        "table": show_page(request, KeyTable(found.qs, empty_text=empty)),
        "filter": found,
        "export_url": f"{reverse('core:api_keys_export')}?{request.GET.urlencode()}",
    }
    return render(request, "core/api_keys.html", context)


@require_safe
@permission(Permission.MANAGE_API_KEYS)
@asks_password_again
def keys_export(request: HttpRequest) -> HttpResponseBase:
    """The same list as a CSV file, with stable English names and times in UTC. No secret is in it."""
    if _names_a_key(request.GET.get("q", "")):
        return redirect(f"{reverse('core:api_keys_export')}?{_without_keys(request.GET).urlencode()}")
    found = KeyFilter(request.GET, queryset=_listed(), request=request)
    record_export(what="keys of tills", filters=request.GET, by=person(request))
    header = ["name", "store", "used_in", "starts_with", "may", "only_used_by", "language", "state"]
    times = ["made_at", "made_by", "changed_at", "renewed_at", "ends_at", "last_used_at", "closed_at"]
    return csv_response("keys.csv", [*header, *times], _rows(found.qs))


def _names_a_key(text: str) -> bool:
    return text.strip().startswith(PREFIX) and len(text.strip()) > SHOWN


def _without_keys(asked: QueryDict) -> QueryDict:
    """What is asked for, but of a key only what is kept of it."""
    kept = QueryDict(mutable=True)
    for name, given in asked.lists():
        if name != "csrfmiddlewaretoken":
            kept.setlist(name, [text.strip()[:SHOWN] if _names_a_key(text) else text for text in given if text])
    return kept


def _listed() -> QuerySet[ApiKey]:
    keys = ApiKey.objects.select_related("store", "person", "created_by").with_state(timezone.now())
    return cast("QuerySet[ApiKey]", keys.order_by(F("revoked_at").asc(nulls_first=True), "store__name", "name", "pk"))


def _rows(keys: QuerySet[ApiKey]) -> Iterator[list[Any]]:
    for key in keys.iterator(chunk_size=500):
        yield [
            key.name,
            key.store.code,
            key.kind,
            key.prefix,
            " ".join(key.scopes),
            key.person.name if key.person else "",
            key.language,
            getattr(key, "state", ""),
            _utc(key.created_at),
            key.created_by.name if key.created_by else "",
            _utc(key.changed_at),
            _utc(key.rotated_at),
            _utc(key.expires_at),
            _utc(key.last_used_at),
            _utc(key.revoked_at),
        ]


def _utc(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""

"""The keys of connected tills: made, shown once, renewed, closed. Each asks for the password again."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, cast

import django_tables2 as tables
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.api_keys import make_api_key, revoke_api_key, rotate_api_key
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin, one_time_key
from loyaltycrm.core.models import ApiKey, Scope, Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.lib import formats

page = require_http_methods(["GET", "HEAD", "POST"])


class KeyForm(DeskFormMixin, forms.Form):
    """A till that is to be let in."""

    purpose = gettext_lazy("To connect this till")
    submit_label = gettext_lazy("Make the key")

    name = forms.CharField(label=gettext_lazy("Till"), max_length=80)
    store = forms.ModelChoiceField(label=gettext_lazy("Store"), queryset=Store.objects.none())
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("May"), choices=Scope.choices, widget=forms.CheckboxSelectMultiple
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=settings.LANGUAGES,
        help_text=gettext_lazy("In which the till is answered, unless it asks for another."),
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Good through"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Left empty it does not end by itself."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stores = cast("forms.ModelChoiceField[Store]", self.fields["store"])
        stores.queryset = Store.objects.filter(is_active=True)

    def wanted(self) -> dict[str, Any]:
        """The arguments of `make_api_key`: the key ends with its last day in the calendar of the store."""
        wanted = dict(self.cleaned_data)
        last_day = wanted.pop("expires_on")
        zone = wanted["store"].zone
        end = datetime.combine(last_day + timedelta(days=1), time(0), zone) if last_day else None
        return wanted | {"expires_at": end}


class RenewForm(DeskFormMixin, forms.Form):
    """For how long the key before stays good."""

    purpose = gettext_lazy("To renew this key")
    submit_label = gettext_lazy("Renew the key")

    hours = forms.TypedChoiceField(
        label=gettext_lazy("The key it has now stays good for"),
        coerce=int,
        choices=[
            (0, gettext_lazy("No longer")),
            (1, gettext_lazy("An hour")),
            (24, gettext_lazy("A day")),
            (168, gettext_lazy("A week")),
        ],
    )


class KeyTable(tables.Table):
    name = tables.Column(accessor="pk", verbose_name=gettext_lazy("Till"), order_by=("name", "pk"))
    store = tables.Column(verbose_name=gettext_lazy("Store"), order_by=("store__name", "pk"))
    last_used_at = tables.Column(accessor="pk", verbose_name=gettext_lazy("Last used"), order_by=("last_used_at", "pk"))
    state = tables.Column(accessor="is_open", verbose_name=gettext_lazy("Key"), orderable=False)

    caption = gettext_lazy("Connected tills")

    class Meta:
        empty_text = gettext_lazy("No till is connected yet.")

    def render_name(self, record: ApiKey) -> str:
        return render_to_string("core/_cell_key.html", {"key": record})

    def render_last_used_at(self, record: ApiKey) -> str:
        return formats.date_and_time(record.last_used_at) if record.last_used_at else formats.EN_DASH

    def render_state(self, value: bool) -> str:
        return _("Open") if value else _("Closed")


@require_safe
@permission(Permission.MANAGE_API_KEYS)
def keys(request: HttpRequest) -> HttpResponse:
    """Every till that is or was let in."""
    listed = ApiKey.objects.select_related("store").order_by("revoked_at", "store__name", "name", "pk")
    return render(request, "core/api_keys.html", {"table": show_page(request, KeyTable(listed))})


@page
@permission(Permission.MANAGE_API_KEYS)
@asks_password_again
def create(request: HttpRequest) -> HttpResponse:
    """Make a key; its secret is shown once."""
    form = KeyForm(request.POST or None, initial={"language": settings.LANGUAGE_CODE})
    if request.method == "POST" and form.is_valid():
        by = person(request)
        shown: list[str] = []

        def make() -> dict[str, Any]:
            made = make_api_key(**form.wanted(), by=by)
            shown.append(made.secret)
            return {"key": made.key.pk}

        content = request.POST.dict() | {"csrfmiddlewaretoken": "", "scopes": request.POST.getlist("scopes")}
        try:
            answer = once(scope=f"api_key.create:{by.pk}", key=one_time_key(request), content=content, produce=make)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return _shown_once(request, answer["key"], shown)
    return render(request, "core/api_key_create.html", {"form": form})


@page
@permission(Permission.MANAGE_API_KEYS)
@asks_password_again
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """One key: what it may do, its life, and renewing it."""
    key = get_object_or_404(ApiKey.objects.select_related("store", "created_by", "rotated_by", "revoked_by"), pk=pk)
    form = RenewForm(request.POST or None, initial={"hours": 24})
    if request.method == "POST" and form.is_valid():
        by = person(request)
        shown: list[str] = []

        def renew() -> dict[str, Any]:
            made = rotate_api_key(key=key, overlap=timedelta(hours=form.cleaned_data["hours"]), by=by)
            shown.append(made.secret)
            return {"key": made.key.pk}

        content = {"key": pk, "hours": form.cleaned_data["hours"]}
        try:
            answer = once(scope=f"api_key.renew:{by.pk}", key=one_time_key(request), content=content, produce=renew)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return _shown_once(request, answer["key"], shown)
    scopes = [label for value, label in Scope.choices if value in key.scopes]
    return render(request, "core/api_key.html", {"key": key, "form": form, "scopes": scopes})


@require_POST
@permission(Permission.MANAGE_API_KEYS)
@asks_password_again
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Let this till in no more."""
    key = revoke_api_key(key=get_object_or_404(ApiKey, pk=pk), by=person(request))
    messages.success(request, _("The key of %(till)s is closed.") % {"till": key.name})
    return redirect("core:api_key", pk=pk)


def _shown_once(request: HttpRequest, pk: int, shown: list[str]) -> HttpResponse:
    key = ApiKey.objects.select_related("store").get(pk=pk)
    response = render(request, "core/api_key_once.html", {"key": key, "secret": shown[0] if shown else ""})
    response["Cache-Control"] = "no-store"
    return response

"""The keys of connected tills: made, shown once, changed, renewed, closed. Each asks for the password again."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.api_keys import change_api_key, make_api_key, revoke_api_key, rotate_api_key
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin, not_too_late, offer_stores, one_time_key
from loyaltycrm.core.models import ApiKey, KeyKind, Scope, Store, User
from loyaltycrm.core.permissions import Permission, permission

page = require_http_methods(["GET", "HEAD", "POST"])


class KeyForm(DeskFormMixin, forms.Form):
    """A till that is to be let in, and what it may do."""

    purpose = gettext_lazy("To connect this till")
    submit_label = gettext_lazy("Make the key")

    name = forms.CharField(label=gettext_lazy("Till"), max_length=80)
    store = forms.ModelChoiceField(label=gettext_lazy("Store"), queryset=Store.objects.none())
    kind = forms.ChoiceField(
        label=gettext_lazy("Used in"),
        choices=KeyKind.choices,
        widget=forms.RadioSelect,
        help_text=gettext_lazy("Visits and consents that come through it are shown as coming from there."),
    )
    scopes = forms.MultipleChoiceField(
        label=pgettext_lazy("what a key may", "May"), choices=Scope.choices, widget=forms.CheckboxSelectMultiple
    )
    person = forms.ModelChoiceField(
        label=gettext_lazy("Only used by"),
        queryset=User.objects.none(),
        required=False,
        empty_label=gettext_lazy("Several people"),
        help_text=gettext_lazy("One person's own till. It then refunds and voids nothing on that person's own points."),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=settings.LANGUAGES,
        help_text=gettext_lazy("In which the till is answered, unless it asks for another."),
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Good through"),
        required=False,
        validators=[not_too_late],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Left empty it does not end by itself."),
    )

    def __init__(self, *args: Any, key: ApiKey | None = None, **kwargs: Any) -> None:
        """`key`: the one to change, whose store and person can be kept though closed since."""
        super().__init__(*args, **kwargs)
        people = cast("forms.ModelChoiceField[User]", self.fields["person"])
        offer_stores(self, Store.objects.filter(Q(is_active=True) | Q(pk=key.store_id if key else None)))
        people.queryset = User.objects.filter(Q(is_active=True) | Q(pk=key.person_id if key else None)).order_by("name")

    def wanted(self) -> dict[str, Any]:
        """The arguments of `make_api_key`: the key ends with its last day in the calendar of the store."""
        wanted = dict(self.cleaned_data)
        last_day = wanted.pop("expires_on")
        zone = wanted["store"].zone
        end = datetime.combine(last_day + timedelta(days=1), time(0), zone) if last_day else None
        return wanted | {"expires_at": end}


class ChangedKeyForm(KeyForm):
    """What a till that is let in may do from now on."""

    purpose = gettext_lazy("To change this key")
    submit_label = gettext_lazy("Save the key")


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


@page
@permission(Permission.MANAGE_API_KEYS)
@asks_password_again
def create(request: HttpRequest) -> HttpResponse:
    """Make a key; its secret is shown once."""
    form = KeyForm(request.POST or None, initial={"language": settings.LANGUAGE_CODE, "kind": KeyKind.TILL})
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
    key = get_object_or_404(
        ApiKey.objects.select_related("store", "person", "created_by", "rotated_by", "revoked_by", "changed_by"), pk=pk
    )
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


@page
@permission(Permission.MANAGE_API_KEYS)
@asks_password_again
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what a till may do, where it stands and until when; its secret stays."""
    key = get_object_or_404(ApiKey.objects.select_related("store", "person"), pk=pk)
    form = ChangedKeyForm(request.POST or None, initial=_as_it_is(key), key=key)
    if request.method == "POST" and form.is_valid():
        try:
            change_api_key(key=key, **form.wanted(), by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("core:api_key", pk=pk)
    return render(request, "core/api_key_edit.html", {"form": form, "key": key})


@require_POST
@permission(Permission.MANAGE_API_KEYS)
@asks_password_again
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Let this till in no more."""
    key = revoke_api_key(key=get_object_or_404(ApiKey, pk=pk), by=person(request))
    messages.success(request, _("The key of %(till)s is closed.") % {"till": key.name})
    return redirect("core:api_key", pk=pk)


def _as_it_is(key: ApiKey) -> dict[str, Any]:
    last = key.expires_at - timedelta(microseconds=1) if key.expires_at else None
    return {
        "name": key.name,
        "store": key.store,
        "kind": key.kind,
        "scopes": key.scopes,
        "person": key.person,
        "language": key.language,
        "expires_on": last.astimezone(key.store.zone).date() if last else None,
    }


def _shown_once(request: HttpRequest, pk: int, shown: list[str]) -> HttpResponse:
    key = ApiKey.objects.select_related("store").get(pk=pk)
    response = render(request, "core/api_key_once.html", {"key": key, "secret": shown[0] if shown else ""})
    response["Cache-Control"] = "no-store"
    return response

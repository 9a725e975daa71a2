"""What a manager may set: every programme setting with its default, bounds and history, and the stores."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from loyaltycrm.core import knobs
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.actions.stores import add_store, change_store
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin
from loyaltycrm.core.models import Company, KnobValue, Store, WebhookEndpoint, WebhookState
from loyaltycrm.core.permissions import Permission, allowed, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.time_zones import known_zones

page = require_http_methods(["GET", "HEAD", "POST"])
_NUMBER = re.compile(r"[-−]?[0-9]{1,12}(?:[.,][0-9]{1,6})?")


class NumberField(forms.Field):
    """A number in plain digits, whole where the setting is; comma and point are the same sign."""

    def __init__(self, *, whole: bool, **kwargs: Any) -> None:
        self.whole = whole
        widget = forms.TextInput(attrs={"inputmode": "numeric" if whole else "decimal", "autocomplete": "off"})
        super().__init__(widget=widget, **kwargs)

    def to_python(self, value: Any) -> int | float | None:
        text = str(value or "").strip()
        if not text:
            return None
        if not _NUMBER.fullmatch(text) or (self.whole and not re.fullmatch(r"[-−]?[0-9]+", text)):
            example = "12" if self.whole else formats.decimal_number(Decimal("2.5"))
            raise ValidationError(_("Enter a number, for example %(example)s") % {"example": example})
        plain = text.replace(",", ".").replace(formats.MINUS, "-")
        return int(plain) if self.whole else float(plain)


class KnobForm(DeskFormMixin, forms.Form):
    """The value of one setting."""

    purpose = gettext_lazy("To change this setting")
    submit_label = gettext_lazy("Save setting")

    def __init__(self, *args: Any, knob: knobs.Knob, value: Any, **kwargs: Any) -> None:
        self.knob = knob
        self.base_fields = {"value": _field(knob, value)}  # type: ignore[misc]
        super().__init__(*args, **kwargs)

    def new_value(self) -> Any:
        value = self.cleaned_data["value"]
        return value == "yes" if self.knob.kind is bool else value


def _field(knob: knobs.Knob, value: Any) -> forms.Field:
    """The field in which a setting of this kind is typed."""
    if knob.kind is bool:
        choices = [("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))]
        initial = "yes" if value else "no"
        return forms.ChoiceField(label=knob.label, choices=choices, widget=forms.RadioSelect, initial=initial)
    if knob.kind is str:
        return forms.CharField(label=knob.label, max_length=200, initial=value)
    whole = knob.kind is int
    return NumberField(
        label=knob.label,
        whole=whole,
        initial=str(value) if whole else formats.decimal_number(value, _places(value)),
        error_messages={"required": gettext_lazy("Enter a number")},
    )


@cache
def time_zones() -> list[tuple[str, str]]:
    """The time zones to choose from: UTC, and every place."""
    names = sorted(name for name in known_zones() if "/" in name and not name.startswith("Etc/"))
    return [(name, name) for name in ["UTC", *names]]


class StoreForm(DeskFormMixin, forms.Form):
    """A store and its calendar."""

    purpose = gettext_lazy("To save this store")
    submit_label = gettext_lazy("Save store")

    code = forms.CharField(
        label=gettext_lazy("Code"), max_length=40, help_text=gettext_lazy("What your tills and files call this store.")
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=time_zones,
        help_text=gettext_lazy("Its calendar decides on which day a visit counts."),
    )
    is_active = forms.BooleanField(label=gettext_lazy("Open: visits can be saved here"), required=False, initial=True)

    def __init__(self, *args: Any, is_new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["is_active" if is_new else "code"]


@require_safe
@permission(Permission.CHANGE_SETTINGS)
def index(request: HttpRequest) -> HttpResponse:
    """Everything that can be set, under its heading, with what holds now."""
    values = knobs.values()
    changed = set(KnobValue.objects.values_list("key", flat=True))
    rows = [(knob, shown_value(knob, values[knob.key]), knob.key in changed) for knob in knobs.REGISTRY.values()]
    headings = list(dict.fromkeys(str(knob.group or _("Other")) for knob, _value, _changed in rows))
    rows.sort(key=lambda row: headings.index(str(row[0].group or _("Other"))))
    groups = [(name, list(found)) for name, found in groupby(rows, key=lambda row: str(row[0].group or _("Other")))]
    stores = Store.objects.for_staff(person(request)).order_by("name", "pk")
    off = WebhookEndpoint.objects.kept().filter(state=WebhookState.OFF).order_by("name", "pk")
    switched_off = off if allowed(person(request), Permission.MANAGE_WEBHOOKS) else []
    context = {"groups": groups, "stores": stores, "switched_off": switched_off}
    return render(request, "core/settings.html", context)


@page
@permission(Permission.CHANGE_SETTINGS)
def knob(request: HttpRequest, key: str) -> HttpResponse:
    """One setting: what holds, the default, the bounds, and every value it ever had."""
    setting = knobs.REGISTRY.get(key)
    if setting is None:
        raise Http404
    holds = knobs.value(setting)
    form = KnobForm(request.POST or None, knob=setting, value=holds)
    if request.method == "POST" and form.is_valid():
        try:
            set_knob(key=key, new=form.new_value(), by=person(request))
        except Refused as refusal:
            form.add_error("value", str(refusal.message))
        else:
            messages.success(request, _("Saved. It holds from now on."))
            return redirect("core:settings")
    history = [
        (row, shown_value(setting, row.value))
        for row in KnobValue.objects.filter(key=key).select_related("set_by").order_by("-set_at", "-pk")[:100]
    ]
    context = {
        "form": form,
        "knob": setting,
        "holds": shown_value(setting, holds),
        "default": shown_value(setting, setting.default),
        "minimum": None if setting.minimum is None else shown_value(setting, setting.minimum),
        "maximum": None if setting.maximum is None else shown_value(setting, setting.maximum),
        "history": history,
    }
    return render(request, "core/knob.html", context)


@page
@permission(Permission.CHANGE_SETTINGS)
def store_create(request: HttpRequest) -> HttpResponse:
    """Open a store. A manager who opens one works for it."""
    form = StoreForm(request.POST or None, is_new=True, initial={"time_zone": Company.current().time_zone})
    if request.method == "POST" and form.is_valid():
        try:
            store = add_store(**form.cleaned_data, by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("%(store)s is open.") % {"store": store.name})
            return redirect("core:settings")
    return render(request, "core/store.html", {"form": form})


@page
@permission(Permission.CHANGE_SETTINGS)
def store_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename a store of this person's, close or reopen it, or correct its time zone."""
    store = get_object_or_404(Store.objects.for_staff(person(request)), pk=pk)
    initial = {"name": store.name, "time_zone": store.time_zone, "is_active": store.is_active}
    form = StoreForm(request.POST or None, is_new=False, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            change_store(store=store, **form.cleaned_data, by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("core:settings")
    return render(request, "core/store.html", {"form": form, "store": store})


def shown_value(setting: knobs.Knob, value: Any) -> str:
    """A setting's value as people read it, with its unit."""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, str):
        return value
    text = formats.number(value) if setting.kind is int else formats.decimal_number(value, _places(value))
    match setting.unit:
        case "":
            return text
        case "%":
            return formats.percent(value / 100)
        case "points":
            return formats.points(value)
        case unit:
            return (_counted(value)[unit] % {"count": text}).replace(" ", formats.NBSP)


def _counted(count: int) -> dict[str, str]:
    return {
        "attempts": ngettext("%(count)s attempt", "%(count)s attempts", count),
        "days": ngettext("%(count)s day", "%(count)s days", count),
        "hours": ngettext("%(count)s hour", "%(count)s hours", count),
        "minutes": ngettext("%(count)s minute", "%(count)s minutes", count),
        "months": ngettext("%(count)s month", "%(count)s months", count),
        "visits": ngettext("%(count)s visit", "%(count)s visits", count),
    }


def _places(value: float) -> int:
    return max(1, len(f"{Decimal(str(value)).normalize():f}".partition(".")[2]))

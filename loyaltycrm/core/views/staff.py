"""Who works here: adding people, changing what they may do, closing accounts. Each asks for the password again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import django_filters
import django_tables2 as tables
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core import own_customers
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions import staff
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin, FilterForm, one_time_key
from loyaltycrm.core.models import Role, Store, User
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response

page = require_http_methods(["GET", "HEAD", "POST"])
STATES = [("open", gettext_lazy("Open")), ("closed", gettext_lazy("Closed"))]


class PersonForm(DeskFormMixin, forms.Form):
    """What a person is called and may do."""

    purpose = gettext_lazy("To save this person")
    submit_label = gettext_lazy("Save person")

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, widget=forms.RadioSelect)
    stores = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Stores"),
        queryset=Store.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=gettext_lazy("Tickets, staff and till pages of other stores are not theirs. Admins see all stores."),
    )

    customer_number = forms.CharField(
        label=gettext_lazy("Own customer number"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("The number or card they buy with, if they do. Nobody gives points to themselves."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ModelMultipleChoiceField[Store]", self.fields["stores"]).queryset = Store.objects.all()


class NewPersonForm(PersonForm):
    """A person who gets an account."""

    purpose = gettext_lazy("To add this person")
    submit_label = gettext_lazy("Add person")

    email = forms.EmailField(label=gettext_lazy("Email"), max_length=254)

    field_order = ("name", "email", "role", "stores", "customer_number")


class PersonFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(label=gettext_lazy("Name or email"), method="by_text", max_length=100)
    role = django_filters.ChoiceFilter(
        label=gettext_lazy("Role"), choices=Role.choices, empty_label=gettext_lazy("All roles")
    )
    store = django_filters.ModelChoiceFilter(
        label=gettext_lazy("Store"),
        field_name="stores",
        queryset=lambda request: Store.objects.for_staff(request.user),
        empty_label=gettext_lazy("Any store"),
    )
    state = django_filters.ChoiceFilter(
        label=gettext_lazy("Account"), method="by_state", choices=STATES, empty_label=gettext_lazy("All")
    )

    class Meta:
        model = User
        fields = ("q", "role", "store", "state")
        form = FilterForm

    def by_text(self, people: QuerySet[User], _name: str, text: str) -> QuerySet[User]:
        return people.filter(Q(name__icontains=text) | Q(email__icontains=text))

    def by_state(self, people: QuerySet[User], _name: str, state: str) -> QuerySet[User]:
        return people.filter(is_active=state == "open")


class PersonTable(tables.Table):
    name = tables.Column(accessor="pk", verbose_name=gettext_lazy("Name"), order_by=("name", "pk"))
    email = tables.Column(verbose_name=gettext_lazy("Email"))
    role = tables.Column(verbose_name=gettext_lazy("Role"), order_by=("role", "name", "pk"))
    stores = tables.Column(accessor="pk", verbose_name=gettext_lazy("Stores"), orderable=False)
    second_step = tables.Column(accessor="has_second_step", verbose_name=gettext_lazy("Second step"), orderable=False)
    last_login = tables.Column(accessor="pk", verbose_name=gettext_lazy("Last login"), order_by=("last_login", "pk"))
    state = tables.Column(accessor="is_active", verbose_name=gettext_lazy("Account"), order_by=("is_active", "name"))

    caption = gettext_lazy("Staff")

    def render_name(self, record: User) -> str:
        return render_to_string("core/_cell_person.html", {"person": record})

    def render_role(self, record: User) -> str:
        return str(record.get_role_display())

    def render_stores(self, record: User) -> str:
        if record.sees_all_stores:
            return _("All stores")
        return ", ".join(store.name for store in record.stores.all()) or formats.EN_DASH

    def render_second_step(self, value: bool) -> str:
        return _("Yes") if value else _("No")

    def render_last_login(self, record: User) -> str:
        return formats.date_and_time(record.last_login) if record.last_login else formats.EN_DASH

    def render_state(self, value: bool) -> str:
        return _("Open") if value else _("Closed")


@require_safe
@permission(Permission.MANAGE_STAFF)
def people(request: HttpRequest) -> HttpResponse:
    """Everybody with an account."""
    found = PersonFilter(request.GET, queryset=_listed(), request=request)
    table = show_page(request, PersonTable(found.qs))
    context = {
        "table": table,
        "filter": found,
        "export_url": f"{reverse('core:staff_export')}?{request.GET.urlencode()}",
    }
    return render(request, "core/staff.html", context)


@require_safe
@permission(Permission.MANAGE_STAFF)
@asks_password_again
def people_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and times in UTC."""
    found = PersonFilter(request.GET, queryset=_listed(), request=request)
    record_export(what="staff", filters=request.GET, by=person(request))
    header = ["name", "email", "role", "stores", "second_step", "last_login", "account"]
    return csv_response("staff.csv", header, _rows(found.qs))


@page
@permission(Permission.MANAGE_STAFF)
@asks_password_again
def create(request: HttpRequest) -> HttpResponse:
    """Give a person an account; the first password is shown once, to be handed over."""
    form = NewPersonForm(request.POST or None, initial={"role": Role.TILL})
    if request.method == "POST" and form.is_valid():
        password = staff.initial_password()
        by = person(request)
        shown: list[str] = []

        def add() -> dict[str, Any]:
            added = staff.add_person(**form.cleaned_data, password=password, by=by)
            shown.append(password)
            return {"person": added.pk}

        content = request.POST.dict() | {"csrfmiddlewaretoken": "", "stores": request.POST.getlist("stores")}
        try:
            answer = once(scope=f"staff.create:{by.pk}", key=one_time_key(request), content=content, produce=add)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return _password_page(request, User.objects.get(pk=answer["person"]), shown[0] if shown else "")
    return render(request, "core/person_create.html", {"form": form})


@page
@permission(Permission.MANAGE_STAFF)
@asks_password_again
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a person's name, role and stores."""
    who = get_object_or_404(_listed(), pk=pk)
    initial = {
        "name": who.name,
        "role": who.role,
        "stores": who.stores.all(),
        "customer_number": own_customers.number_of(who.customer_id),
    }
    form = PersonForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            staff.change_person(person=who, **form.cleaned_data, by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("core:staff")
    return render(request, "core/person.html", {"form": form, "who": who})


@require_POST
@permission(Permission.MANAGE_STAFF)
@asks_password_again
def disable(request: HttpRequest, pk: int) -> HttpResponse:
    """Close an account; its sessions end."""
    who = get_object_or_404(User, pk=pk)
    try:
        staff.disable_person(person=who, by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, _("The account of %(name)s is closed.") % {"name": who})
    return redirect("core:person", pk=pk)


@require_POST
@permission(Permission.MANAGE_STAFF)
@asks_password_again
def enable(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a closed account again."""
    who = get_object_or_404(User, pk=pk)
    staff.enable_person(person=who, by=person(request))
    messages.success(request, _("The account of %(name)s is open.") % {"name": who})
    return redirect("core:person", pk=pk)


@require_POST
@permission(Permission.MANAGE_STAFF)
@asks_password_again
def renew_password(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a new password, shown once; the person is logged out everywhere."""
    who = get_object_or_404(User, pk=pk)
    return _password_page(request, who, staff.renew_password(person=who, by=person(request)))


@require_POST
@permission(Permission.MANAGE_STAFF)
@asks_password_again
def remove_second_step(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget the second step of a person who lost the phone; the person sets up a new one at the next login."""
    who = get_object_or_404(User, pk=pk)
    staff.remove_second_step(person=who, by=person(request))
    if who.pk == person(request).pk:
        logout(request)
        return redirect("account_login")
    messages.success(request, _("%(name)s sets up a new second step at the next login.") % {"name": who})
    return redirect("core:person", pk=pk)


def _listed() -> QuerySet[User]:
    second_step = Authenticator.objects.filter(user=OuterRef("pk"))
    people = User.objects.annotate(has_second_step=Exists(second_step)).prefetch_related("stores")
    return cast("QuerySet[User]", people.order_by("name", "pk"))


def _rows(people: QuerySet[User]) -> Iterator[list[Any]]:
    for who in people.iterator(chunk_size=500):
        yield [
            who.name,
            who.email,
            who.role,
            " ".join(store.code for store in who.stores.all()),
            "yes" if getattr(who, "has_second_step", False) else "no",
            who.last_login.strftime("%Y-%m-%dT%H:%M:%SZ") if who.last_login else "",
            "open" if who.is_active else "closed",
        ]


def _password_page(request: HttpRequest, who: User, password: str) -> HttpResponse:
    response = render(request, "core/password_once.html", {"who": who, "password": password})
    response["Cache-Control"] = "no-store"
    return response

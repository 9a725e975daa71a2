"""The project's addresses and a few pages that show every component, for tests only."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

import django_tables2 as tables
from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template import Engine, engines
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from loyaltycrm.core.forms import AmountField, DeskFormMixin, PointsField
from loyaltycrm.core.permissions import public
from loyaltycrm.lib import charts

SPECIMENS = Path(__file__).parent / "specimens"
CUSTOMERS = [("Anna Bērziņa", "4821"), ("Bernards Liepa", "4830"), ("Ieva Bērza", "1148")]
posted: list[dict[str, str]] = []


class SpecimenForm(DeskFormMixin, forms.Form):
    purpose = "To schedule this offer"
    name = forms.CharField(label="Name", max_length=20)
    amount = AmountField(label="Amount paid", help_text="As on the receipt.")
    points = PointsField(label="Points", required=False)
    email = forms.EmailField(label="Email")
    store = forms.ChoiceField(label="Store", choices=[("", "Choose"), ("1", "Centrs")])
    how = forms.ChoiceField(
        label="How do we put it right?", widget=forms.RadioSelect, choices=[("words", "Words only"), ("gift", "Gift")]
    )
    agreed = forms.BooleanField(label="Agreed to offers by email", required=False)
    note = forms.CharField(label="Note", widget=forms.Textarea(attrs={"rows": 2}), required=False)


class FilterForm(forms.Form):
    q = forms.CharField(label="Search", required=False)
    group = forms.ChoiceField(label="Group", required=False, choices=[("", "All"), ("loyal", "Loyal, not regular")])


class SpecimenTable(tables.Table):
    name = tables.Column(verbose_name="Customer")
    points = tables.Column(verbose_name="Points", attrs={"td": {"class": "number"}, "th": {"class": "number"}})
    store = tables.Column(verbose_name="Store", orderable=False)

    class Meta:
        caption = "Customers"
        sequence: ClassVar[list[str]] = ["name", "points", "store"]


def specimen_table(rows: list[dict[str, Any]], empty_text: str = "") -> tables.Table:
    table = SpecimenTable(rows, order_by="-points", empty_text=empty_text)
    table.caption = "Customers"
    return table


def render(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    template = engines["django"].from_string((SPECIMENS / f"{name}.html").read_text())
    return HttpResponse(template.render(context, request))


@public("a test's page")
def desk(request: HttpRequest) -> HttpResponse:
    today, now = date(2026, 7, 14), timezone.now()
    form = SpecimenForm(request.GET if "failed" in request.GET else None)
    table = specimen_table([{"name": f"Customer {n}", "points": n * 100, "store": "Centrs"} for n in range(30)])
    table.paginate(page=request.GET.get("page", 1), per_page=5)
    visits = [
        (today - timedelta(days=days), 400 + days * 31 % 2600) for days in (*range(0, 150, 6), *range(170, 360, 7))
    ]
    counts = {(column, row): (column * 7 + row * 11) % 40 for column in range(12) for row in range(10)}
    messages.success(request, "The visit is saved.")
    context = {
        "today": today,
        "now": now,
        "form": form,
        "filter": FilterForm(request.GET or None),
        "table": table,
        "empty_table": specimen_table([], "No customers yet. The first one appears here when you add it."),
        "page": Paginator(range(200), 10).page(5),
        "groups": ["regular_loyal", "regular", "loyal", "neither", "unknown"],
        "kinds": ["ok", "warn", "danger", "primary", "neutral"],
        "steps": range(1, 7),
        "line": charts.sparkline([3, 5, 4, 6, 8, 7, 9]),
        "strip": charts.visits_strip(visits, first=today - timedelta(days=364), last=today),
        "bubbles": charts.group_bubbles(counts, regular_from=6, loyal_from=6),
        "bars": charts.bars([4, 7, 5], ["Apr", "May", "Jun"], ["€4", "€7", "€5"], unfinished_last=True),
        "opened_at": now - timedelta(days=1),
        "deadlines": [
            ("late", now - timedelta(hours=3)),
            ("soon", now + timedelta(hours=2, minutes=28, seconds=30)),
            ("left", now + timedelta(days=3)),
        ],
        "nav_badges": {"tickets": "2 late"},
    }
    return render(request, "desk", context)


@public("a test's page")
def till(request: HttpRequest) -> HttpResponse:
    return render(request, "till", {"query": request.GET.get("q", ""), **found(request)})


@public("a test's page")
def find(request: HttpRequest) -> HttpResponse:
    return render(request, "matches", {"query": request.GET.get("q", ""), **found(request)})


def found(request: HttpRequest) -> dict[str, Any]:
    query = request.GET.get("q", "")
    template = Engine.get_default().from_string((SPECIMENS / "matches.html").read_text())
    matches = [one for one in CUSTOMERS if all(word in " ".join(one).lower() for word in query.lower().split())]
    opens = "/specimens/public/?customer=card" if query == "00421187" else ""
    return {"matches": matches, "matches_template": template, "opens": opens}


@public("a test's page")
def public_page(request: HttpRequest) -> HttpResponse:
    return render(request, "public", {"form": SpecimenForm(request.GET if "failed" in request.GET else None)})


@csrf_exempt
@public("a test's page")
def slow(request: HttpRequest) -> HttpResponse:
    posted.append(request.POST.dict())
    return HttpResponse(status=204)


urlpatterns = [
    path("specimens/desk/", desk),
    path("specimens/till/", till),
    path("specimens/find/", find),
    path("specimens/public/", public_page),
    path("specimens/slow/", slow),
    path("", include("loyaltycrm.urls")),
]

"""The reports: one card for each, shown to whom it is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from loyaltycrm.core.access import person
from loyaltycrm.core.permissions import Permission, allowed, permission


@dataclass(frozen=True, slots=True)
class Report:
    """One report: its name, the question it answers, the page and who may open it."""

    name: Any
    question: Any
    view_name: str
    needed: Permission

    @property
    def url(self) -> str:
        return reverse(self.view_name)


REPORTS = (
    Report(
        _("Books of points"),
        _("How many points are outstanding on a day, what are they worth, and when do they end?"),
        "rewards:books",
        Permission.SEE_ACCOUNTS,
    ),
    Report(
        _("Movement of a month"),
        _("How did the balance get from the opening to the closing one, by kind of posting and by day?"),
        "rewards:movement",
        Permission.SEE_ACCOUNTS,
    ),
    Report(
        _("Expected breakage"),
        _("What share of the points is never used, learnt from our own history?"),
        "rewards:breakage",
        Permission.SEE_ACCOUNTS,
    ),
    Report(
        _("Partners"),
        _("What did customers earn and use at partners, and what is to be invoiced?"),
        "rewards:partners",
        Permission.SEE_ACCOUNTS,
    ),
    Report(
        _("Hold-out"),
        _("What are all offers together worth, against those who get none for a year?"),
        "rewards:hold_out",
        Permission.MANAGE_OFFERS,
    ),
    Report(
        _("Expected value"),
        _("What will customers bring in the next 12 months, and how right was that before?"),
        "customers:value",
        Permission.SEE_REPORTS,
    ),
    Report(
        _("Customers at risk"),
        _("Who stays away longer than usual, and what is to be done?"),
        "shop:at_risk",
        Permission.SEE_CUSTOMERS,
    ),
    Report(
        _("Memberships"),
        _("Who is a member, and whose membership ends soon?"),
        "shop:members",
        Permission.SEE_CUSTOMERS,
    ),
    Report(
        _("Promises"),
        _("What do we owe customers for their tier, and did we keep it?"),
        "rewards:promises",
        Permission.SEE_CUSTOMERS,
    ),
)


@require_safe
@permission(Permission.SEE_REPORTS)
def reports(request: HttpRequest) -> HttpResponse:
    """All reports that this person may open."""
    shown = [report for report in REPORTS if allowed(person(request), report.needed)]
    return render(request, "shop/reports.html", {"reports": shown})

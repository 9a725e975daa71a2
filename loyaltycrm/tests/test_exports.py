"""Every list that leaves as a file: only with the password just typed, and written down."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from loyaltycrm.core.checks import routes
from loyaltycrm.core.models import AuditEvent, User

pytestmark = pytest.mark.django_db

LISTS = {
    "shop:overview_export": "overview",
    "shop:customers_export": "customers",
    "shop:at_risk_export": "customers at risk",
    "shop:duplicates_export": "possible duplicates",
    "customers:segments_export": "segments",
    "rewards:offers_export": "offers",
    "rewards:hold_out_export": "hold-out",
    "rewards:catalogue_export": "rewards",
    "rewards:approvals_export": "adjustments",
    "rewards:promises_export": "promises",
    "shop:members_export": "memberships",
    "rewards:books_export": "books of points",
    "rewards:ending_export": "points by end",
    "rewards:movement_export": "movement of points",
    "rewards:breakage_export": "expected breakage",
    "rewards:partners_export": "partners",
    "rewards:programme_export": "programme versions",
    "feedback:tickets_export": "tickets",
    "core:staff_export": "staff",
    "core:api_keys_export": "keys of tills",
    "core:tills_export": "tills",
    "rewards:unusual_export": "unusual use",
    "shop:imports_export": "imports",
    "rewards:reasons_export": "reasons of adjustments",
    "core:webhooks_export": "webhook receivers",
    "core:webhook_log_export": "webhook log",
}
OF_ONE = {
    "shop:lots_export": [1],
    "shop:held_export": [1],
    "rewards:run_export": [1],
    "rewards:offer_results_export": [1],
    "rewards:partner_statement_export": [1],
}


def test_no_export_is_left_out() -> None:
    known = {reverse(name, args=OF_ONE.get(name)).replace("/1/", "/<int:pk>/") for name in (*LISTS, *OF_ONE)}
    assert {f"/{route}" for route, _view in routes() if "/export" in route} == known


@pytest.mark.parametrize("name", [*LISTS, *OF_ONE])
def test_the_password_is_asked_for_again(name: str, admin: User) -> None:
    client = Client()
    client.force_login(admin)
    answer = client.get(reverse(name, args=OF_ONE.get(name)))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert not AuditEvent.objects.filter(action="export").exists()


@pytest.mark.parametrize(("name", "what"), LISTS.items())
def test_an_export_is_written_down(name: str, what: str, admin: User, signed_in: Callable[[User], Client]) -> None:
    assert signed_in(admin).get(reverse(name), {"q": "anna@example.com"}).status_code == 200
    (event,) = AuditEvent.objects.filter(action="export")
    assert (event.by, event.data) == (admin, {"what": what, "filters": ["q"]})

"""A manager sets how long tickets may take; it holds for those opened from then on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from customers.models import Customer
from feedback.actions.deadlines import set_deadline
from feedback.models import DeadlinePolicy, TicketKind
from feedback.tests.stories import complain
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User

pytestmark = pytest.mark.django_db


def policies() -> dict[tuple[str, str], int]:
    return {(row.kind, row.tier): row.hours for row in DeadlinePolicy.objects.all()}


def as_typed(hours: dict[tuple[str, str], int]) -> dict[str, str]:
    """The page's form as it stands before anyone types."""
    return {
        f"{kind}-{tier}": str(hours.get((kind, tier), ""))
        for kind in TicketKind.values
        for tier in ("", "silver", "gold")
    }


def test_a_change_holds_for_tickets_opened_from_then_on(anna: Customer, barona_iela: Store, dace: User) -> None:
    before = complain(anna, barona_iela)

    set_deadline(kind="complaint", tier="gold", hours=3, by=dace)

    after = complain(anna, barona_iela)
    before.refresh_from_db()
    assert before.due_at - before.opened_at == timedelta(hours=24)
    assert after.due_at - after.opened_at == timedelta(hours=3)
    row = AuditEvent.objects.get(action="set deadline")
    assert (row.by, row.data) == (dace, {"kind": "complaint", "tier": "gold", "before": 24, "after": 3})


def test_a_tier_can_lose_its_own_time_but_everyone_else_cannot(anna: Customer, barona_iela: Store, dace: User) -> None:
    set_deadline(kind="complaint", tier="gold", hours=None, by=dace)
    ticket = complain(anna, barona_iela)
    assert ticket.due_at - ticket.opened_at == timedelta(hours=48)

    before = policies()
    wrong: tuple[tuple[Any, Any, Any], ...] = (
        ("complaint", "", None), ("complaint", "", 0), ("complaint", "", 8785), ("threat", "", 5),
    )  # fmt: skip
    for kind, tier, hours in wrong:
        with pytest.raises(Refused):
            set_deadline(kind=kind, tier=tier, hours=hours, by=dace)
    assert policies() == before


def test_the_page_saves_all_or_nothing(signed_in: Callable[[User], Client], dace: User, liga: User) -> None:
    desk, before = signed_in(dace), policies()
    page = unescape(desk.get("/tickets/deadlines/").content.decode())
    assert 'name="complaint-gold" id="id_complaint-gold" value="24"' in page
    assert signed_in(liga).get("/tickets/deadlines/").status_code == 403

    for wrong in ("", "0", "8785", "1_0", "٣", "2.5", "x"):
        typed = {**as_typed(before), "question-gold": "12", "complaint-": wrong}
        page = unescape(desk.post("/tickets/deadlines/", typed).content.decode())
        assert "To save the deadlines, fix 1 thing" in page, wrong
        assert policies() == before, wrong

    assert desk.post("/tickets/deadlines/", as_typed(before)).status_code == 302
    assert not AuditEvent.objects.filter(action="set deadline").exists()

    typed = {**as_typed(before), "question-gold": "12", "praise-silver": "60", "complaint-silver": ""}
    assert desk.post("/tickets/deadlines/", typed).status_code == 302
    expected = {**before, ("question", "gold"): 12, ("praise", "silver"): 60}
    del expected["complaint", "silver"]
    assert policies() == expected

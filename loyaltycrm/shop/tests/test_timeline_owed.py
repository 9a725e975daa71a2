"""Memberships and promises stand in the customer's timeline, each step of them on its day."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from customers.models import Customer, Membership
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.queries.timeline import timeline
from rewards.actions.earning import record_visit
from rewards.actions.memberships import cancel_membership, sell_membership
from rewards.actions.programme_versions import add_version
from rewards.actions.promises import keep_promise
from rewards.models import Promise
from rewards.tests.rules import SHIPPED

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def promising() -> None:
    rules = deepcopy(SHIPPED)
    rules["tiers"]["levels"][1]["privileges"] = [
        {"kind": "gift", "names": {"en": name}, "within_days": days} for name, days in (("Coffee", 10), ("Cake", 40))
    ]
    rules["membership"] = {"names": {"en": "Rye club"}, "price_cents": 20_00, "days": 365}
    add_version(rules=rules, starts_on=date(2026, 1, 1), note="", by=None)


def told(customer: Customer, user: User, kind: str) -> list[tuple[str, str, str]]:
    shown = timeline(customer, user=user, kind=kind)
    found = [(f"{day.day:%d.%m.}", one.title, one.detail) for day in shown.days for one in day.entries]
    assert shown.counts[kind] == len(found)
    return found


@pytest.mark.usefixtures("promising")
def test_promises_made_kept_and_broken(nameless: Customer, barona_iela: Store, admin: User) -> None:
    with time_machine.travel(START, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=1_000_00, by=None)
        clock.shift(timedelta(days=4))
        keep_promise(promise=Promise.objects.get(names__en="Coffee"), by=admin)
        assert told(nameless, admin, "promises") == [
            ("06.03.", "Promise kept: Coffee", admin.name),
            ("02.03.", "Promised: Cake", "to be kept by: 11 April 2026"),
            ("02.03.", "Promised: Coffee", "to be kept by: 12 March 2026"),
        ]
        clock.shift(timedelta(days=60))
        assert told(nameless, admin, "promises")[0] == (
            "12.04.",
            "Promise not kept in time: Cake",
            "to be kept by: 11 April 2026",
        )


@pytest.mark.usefixtures("promising")
def test_memberships_sold_and_cancelled(
    nameless: Customer, barona_iela: Store, admin: User, dace: User, martins: User
) -> None:
    with time_machine.travel(START, tick=False) as clock:
        sold = sell_membership(customer=nameless, store=barona_iela, key="k", by=dace)
        clock.shift(timedelta(days=3))
        cancel_membership(membership=Membership.objects.get(), refunded_cents=5_00, note="moved away", by=admin)
    assert sold is not None
    assert told(nameless, admin, "memberships") == [
        ("05.03.", "Membership cancelled: Rye club", f"€5.00 given back · moved away · {admin.name}"),
        ("02.03.", "Membership: Rye club", f"2 March 2026 – 1 March 2027 · €20.00 · {barona_iela.name} · {dace.name}"),
    ]
    assert [(title, detail) for _day, title, detail in told(nameless, martins, "memberships")] == [
        ("Membership cancelled, another store", ""),
        ("Membership, another store", ""),
    ]

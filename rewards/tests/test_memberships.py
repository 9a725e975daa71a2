"""Memberships: sold once, renewed without a gap, undone, cancelled; the dates alone decide whether one holds."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction

from customers.models import Customer, Membership, Signal
from loyaltycrm.core.actions.idempotency import KeyReused
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, IdempotencyRecord, Store, User
from rewards.actions.memberships import cancel_membership, renew_membership, sell_membership, undo_membership
from rewards.actions.programme_versions import add_version
from rewards.tests.rules import SHIPPED

pytestmark = pytest.mark.django_db
TODAY = date(2026, 7, 14)
CLUB = {"names": {"en": "Rye club"}, "price_cents": 20_00, "days": 365}


@pytest.fixture(autouse=True)
def tuesday() -> Iterator[time_machine.Traveller]:
    with time_machine.travel("2026-07-14T11:32:00+00:00", tick=False) as clock:
        yield clock


@pytest.fixture
def club() -> None:
    """A year's membership for €20.00 is part of the programme since 1 July 2026."""
    with_rules(membership=CLUB)


def with_rules(starts_on: date = date(2026, 7, 1), **parts: Any) -> None:
    add_version(rules={**deepcopy(SHIPPED), **parts}, starts_on=starts_on, note="", by=None)


def counts() -> tuple[int, ...]:
    return (
        Membership.objects.count(),
        Membership.objects.filter(cancelled_at__isnull=False).count(),
        Signal.objects.filter(withdrawn_at__isnull=True).count(),
        *(model.objects.count() for model in (AuditEvent, IdempotencyRecord)),
    )


def holds(customer: Customer, day: date) -> bool:
    return Membership.objects.filter(customer=customer).in_force_on(day).exists()


@pytest.mark.usefixtures("club")
def test_a_membership_holds_from_its_first_day_through_its_last(
    nameless: Customer, barona_iela: Store, liga: User
) -> None:
    sold = sell_membership(customer=nameless, store=barona_iela, key="k", by=liga)
    assert (sold.starts_on, sold.ends_on, sold.price_cents, sold.name) == (TODAY, date(2027, 7, 13), 20_00, "Rye club")
    assert [holds(nameless, TODAY + timedelta(days=days)) for days in (-1, 0, 364, 365)] == [False, True, True, False]
    signal = Signal.objects.get(customer=nameless)
    assert (signal.kind, signal.source, signal.occurred_on) == ("stays", "membership", TODAY)
    assert signal.strength == 1
    assert AuditEvent.objects.filter(action="sell membership", subject_id=sold.pk, by=liga).count() == 1


def test_the_day_is_the_stores(nameless: Customer, barona_iela: Store, tuesday: time_machine.Traveller) -> None:
    with_rules(membership=CLUB)
    tuesday.move_to(datetime.fromisoformat("2026-07-14T21:30:00+00:00"))  # 00:30 of the 15th in Riga
    assert sell_membership(customer=nameless, store=barona_iela, key="k", by=None).starts_on == date(2026, 7, 15)


@pytest.mark.usefixtures("club")
def test_sent_again_it_is_the_same_membership(nameless: Customer, olga: Customer, barona_iela: Store) -> None:
    first = sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    before = counts()
    assert sell_membership(customer=nameless, store=barona_iela, key="k", by=None) == first
    with pytest.raises(KeyReused):
        sell_membership(customer=olga, store=barona_iela, key="k", by=None)
    with pytest.raises(KeyReused):
        renew_membership(customer=nameless, store=barona_iela, key="k", by=None)
    with pytest.raises(Refused, match="holds already"):
        sell_membership(customer=nameless, store=barona_iela, key="other", by=None)
    assert counts() == before


def test_without_terms_none_is_sold_and_those_sold_go_on(
    nameless: Customer, olga: Customer, barona_iela: Store, tuesday: time_machine.Traveller
) -> None:
    with pytest.raises(Refused, match="no membership"):
        sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    assert counts()[0] == 0
    with_rules(membership=CLUB)
    with_rules(starts_on=date(2026, 8, 1))
    sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    tuesday.shift(timedelta(days=30))
    assert holds(nameless, date(2026, 8, 13))
    for sell in (sell_membership, renew_membership):
        with pytest.raises(Refused, match="no membership"):
            sell(customer=olga, store=barona_iela, key="k2", by=None)


@pytest.mark.usefixtures("club")
def test_a_renewal_follows_without_a_gap_and_once(
    nameless: Customer, barona_iela: Store, tuesday: time_machine.Traveller
) -> None:
    with pytest.raises(Refused, match="No membership holds"):
        renew_membership(customer=nameless, store=barona_iela, key="k0", by=None)
    sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    tuesday.shift(timedelta(days=360))
    renewed = renew_membership(customer=nameless, store=barona_iela, key="k2", by=None)
    assert (renewed.starts_on, renewed.ends_on) == (date(2027, 7, 14), date(2028, 7, 12))
    before = counts()
    with pytest.raises(Refused, match="renewed already"):
        renew_membership(customer=nameless, store=barona_iela, key="k3", by=None)
    assert counts() == before
    assert all(holds(nameless, TODAY + timedelta(days=days)) for days in range(730))
    assert not holds(nameless, TODAY + timedelta(days=730))


@pytest.mark.usefixtures("club")
def test_after_its_end_it_is_sold_anew(nameless: Customer, barona_iela: Store, tuesday: time_machine.Traveller) -> None:
    sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    tuesday.shift(timedelta(days=365))
    with pytest.raises(Refused, match="No membership holds"):
        renew_membership(customer=nameless, store=barona_iela, key="k2", by=None)
    again = sell_membership(customer=nameless, store=barona_iela, key="k3", by=None)
    assert again.starts_on == date(2027, 7, 14)


@pytest.mark.usefixtures("club")
def test_undone_in_time_it_never_held(nameless: Customer, barona_iela: Store, liga: User) -> None:
    sold = sell_membership(customer=nameless, store=barona_iela, key="k", by=liga)
    undone = undo_membership(membership=sold, by=liga)
    assert (holds(nameless, TODAY), undone.refunded_cents, undone.last_day < undone.starts_on) == (False, 20_00, True)
    assert not Signal.objects.filter(withdrawn_at__isnull=True).exists()
    before = counts()
    assert undo_membership(membership=sold, by=liga) == undone
    assert counts() == before
    again = sell_membership(customer=nameless, store=barona_iela, key="k2", by=liga)
    assert (again.starts_on, holds(nameless, TODAY)) == (TODAY, True)


@pytest.mark.usefixtures("club")
def test_the_time_to_undo_ends(
    nameless: Customer, barona_iela: Store, liga: User, tuesday: time_machine.Traveller
) -> None:
    sold = sell_membership(customer=nameless, store=barona_iela, key="k", by=liga)
    tuesday.shift(timedelta(minutes=15, seconds=1))
    before = counts()
    with pytest.raises(Refused, match="over"):
        undo_membership(membership=sold, by=liga)
    assert counts() == before


@pytest.mark.usefixtures("club")
def test_cancelled_today_is_its_last_day(
    nameless: Customer, barona_iela: Store, dace: User, tuesday: time_machine.Traveller
) -> None:
    sold = sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    tuesday.shift(timedelta(days=10))
    before = counts()
    wrongs: tuple[dict[str, Any], ...] = ({"refunded_cents": 20_01}, {"refunded_cents": -1}, {"note": "  "})
    for wrong in wrongs:
        with pytest.raises(Refused):
            cancel_membership(membership=sold, **{"refunded_cents": 0, "note": "Moves away", **wrong}, by=dace)
    assert counts() == before
    cancelled = cancel_membership(membership=sold, refunded_cents=19_00, note="Moves away", by=dace)
    assert (cancelled.last_day, cancelled.refunded_cents) == (date(2026, 7, 24), 19_00)
    assert [holds(nameless, date(2026, 7, day)) for day in (14, 24, 25)] == [True, True, False]
    before = counts()
    assert cancel_membership(membership=sold, refunded_cents=5, note="Again", by=dace) == cancelled
    assert counts() == before


@pytest.mark.usefixtures("club")
def test_nobody_gives_back_the_price_of_the_own_membership(
    nameless: Customer, barona_iela: Store, dace: User, admin: User
) -> None:
    sold = sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    dace.customer_id = nameless.pk
    dace.save()
    before = counts()
    with pytest.raises(Refused, match="your own account"):
        cancel_membership(membership=sold, refunded_cents=20_00, note="Moves away", by=dace)
    assert counts() == before
    assert cancel_membership(membership=sold, refunded_cents=20_00, note="Moves away", by=admin).refunded_cents == 20_00


@pytest.mark.usefixtures("club")
def test_a_renewal_cancelled_before_it_begins_never_holds(nameless: Customer, barona_iela: Store, dace: User) -> None:
    sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    renewed = renew_membership(customer=nameless, store=barona_iela, key="k2", by=None)
    cancel_membership(membership=renewed, refunded_cents=20_00, note="Too early", by=dace)
    assert (holds(nameless, renewed.starts_on), holds(nameless, TODAY)) == (False, True)
    again = renew_membership(customer=nameless, store=barona_iela, key="k3", by=None)
    assert again.starts_on == renewed.starts_on


@pytest.mark.usefixtures("club")
def test_one_that_is_over_is_not_cancelled(
    nameless: Customer, barona_iela: Store, dace: User, tuesday: time_machine.Traveller
) -> None:
    sold = sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    tuesday.shift(timedelta(days=365))
    before = counts()
    with pytest.raises(Refused, match="over"):
        cancel_membership(membership=sold, refunded_cents=0, note="Late", by=dace)
    assert counts() == before


def test_a_free_membership_says_less_about_staying(nameless: Customer, barona_iela: Store) -> None:
    with_rules(membership={**CLUB, "price_cents": 0})
    sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    assert Signal.objects.get(customer=nameless).strength == 0.5


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("ends_after_it_starts", {"ends_on": TODAY - timedelta(days=1)}),
        ("gives_back_no_more_than_its_price", {"price_cents": -1}),
        (
            "gives_back_no_more_than_its_price",
            {"refunded_cents": 20_01, "cancelled_from": TODAY, "cancelled_at": "2026-07-14T11:00Z"},
        ),
        ("cancelled_with_time_and_day", {"cancelled_from": TODAY}),
        ("cancelled_with_time_and_day", {"refunded_cents": 1}),
        (
            "cancelled_with_time_and_day",
            {"cancelled_from": TODAY - timedelta(days=1), "cancelled_at": "2026-07-14T11:00Z"},
        ),
    ],
)
def test_the_database_refuses_what_cannot_be(nameless: Customer, constraint: str, wrong: dict[str, Any]) -> None:
    row = {
        "customer": nameless,
        "names": {"en": "Rye club"},
        "starts_on": TODAY,
        "ends_on": TODAY,
        "price_cents": 20_00,
        "sold_at": "2026-07-14T11:00Z",
    }
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Membership.objects.create(**{**row, **wrong})
    Membership.objects.create(**row)
    with pytest.raises(IntegrityError, match="one_starts_on_a_day"), transaction.atomic():
        Membership.objects.create(**row)

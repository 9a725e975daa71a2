"""Send windows: each mail leaves in the hours of its reader's store, on days of clock changes too."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.actions.stores import add_store
from loyaltycrm.core.models import Store
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.deliveries import claim
from rewards.actions.planning import plan_run
from rewards.actions.runs import start_run
from rewards.actions.sending import send_batch
from rewards.actions.sweeping import runs_to_send, sweep
from rewards.models import Delivery, DeliveryStatus, Run
from rewards.tests.audiences import active_offer, add_reader, open_shop, planned_run
from rewards.windows import SendWindow, closed_zones

RIGA = ZoneInfo("Europe/Riga")
DAYTIME = SendWindow(9, 20)


def test_the_first_and_the_last_moment() -> None:
    """In July 09:00 in Riga is 06:00 UTC."""
    opens, closes = datetime(2026, 7, 6, 6, tzinfo=UTC), datetime(2026, 7, 6, 17, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert [DAYTIME.is_open(at, RIGA) for at in (opens - second, opens, closes - second, closes)] == [
        False, True, True, False,
    ]  # fmt: skip
    assert DAYTIME.opening(opens - second, RIGA) == opens
    assert DAYTIME.opening(opens, RIGA) == opens
    assert DAYTIME.opening(closes, RIGA) == opens + timedelta(days=1)


@pytest.mark.parametrize(
    ("evening", "morning"),
    [
        (datetime(2026, 3, 28, 18, 30, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC)),
        (datetime(2026, 10, 24, 18, 30, tzinfo=UTC), datetime(2026, 10, 25, 7, tzinfo=UTC)),
        (datetime(2028, 2, 28, 18, 30, tzinfo=UTC), datetime(2028, 2, 29, 7, tzinfo=UTC)),
        (datetime(2026, 12, 31, 18, 30, tzinfo=UTC), datetime(2027, 1, 1, 7, tzinfo=UTC)),
    ],
)
def test_the_morning_after_is_nine_o_clock_whatever_the_night_was(evening: datetime, morning: datetime) -> None:
    assert DAYTIME.opening(evening, RIGA) == morning
    assert morning.astimezone(RIGA).time() == time(9)


@pytest.mark.parametrize("name", ["Europe/Riga", "America/New_York", "Australia/Lord_Howe", "America/Santiago"])
@pytest.mark.parametrize("window", [DAYTIME, SendWindow(0, 24), SendWindow(3, 13), SendWindow(2, 24)])
def test_at_any_moment_of_years_the_next_opening_is_open_and_within_a_day(window: SendWindow, name: str) -> None:
    zone, now, end = ZoneInfo(name), datetime(2027, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
    while now < end:
        opening = window.opening(now, zone)
        assert now <= opening <= now + timedelta(hours=25)
        assert window.is_open(opening, zone)
        assert opening == now or not window.is_open(opening - timedelta(minutes=1), zone)
        now += timedelta(hours=7, minutes=13)


@pytest.fixture
def stores(mailbox: MailServer, db: None) -> dict[str, Store]:
    open_shop()
    set_knob(key="send_from_hour", new=9, by=None)
    set_knob(key="send_until_hour", new=20, by=None)
    zones = {"Riga": "Europe/Riga", "New York": "America/New_York", "Tokyo": "Asia/Tokyo"}
    return {name: add_store(code=name[:2], name=name, time_zone=zone, by=None) for name, zone in zones.items()}


def run_of(stores: dict[str, Store], at: datetime) -> Run:
    """One reader of each store and one of none, planned at that moment."""
    with time_machine.travel(at - timedelta(days=1)):
        for number, store in enumerate(stores.values()):
            add_reader(number, home_store=store)
        add_reader(9)
        offer = active_offer()
    with time_machine.travel(at):
        run = start_run(offer=offer, by=None)
        assert plan_run(run_id=run.pk)
    return run


def opens_at(run: Run) -> dict[str, datetime]:
    waiting = run.deliveries.exclude(next_at__isnull=True).values_list("customer__external_id", "next_at")
    return {number: at for number, at in waiting if at is not None}


# The database's own clock does not travel, so these moments lie in its past, and an opening after them may as well.
NOON = datetime(2025, 7, 7, 9, 0, tzinfo=UTC)
"""12:00 in Riga, 05:00 in New York, 18:00 in Tokyo."""


def test_each_reader_waits_for_the_hours_of_their_own_store(stores: dict[str, Store], mailbox: MailServer) -> None:
    with time_machine.travel(NOON):
        assert closed_zones(timezone.now()) == {"America/New_York": datetime(2025, 7, 7, 13, tzinfo=UTC)}
    run = run_of(stores, NOON)
    with time_machine.travel(NOON):
        closed = closed_zones(timezone.now())
        claimed = claim(run=run, token=uuid.uuid4(), limit=10, closed=closed)
    assert {delivery.customer.external_id for delivery in claimed} == {"R-0", "R-2", "R-9"}


def test_mails_outside_the_hours_wait_for_the_next_opening(stores: dict[str, Store], mailbox: MailServer) -> None:
    """At 23:00 UTC in July it is 02:00 in Riga, 19:00 in New York, 08:00 in Tokyo."""
    night = timezone.now().replace(year=timezone.now().year + 1, month=7, day=6, hour=23, minute=0, second=0)
    run = run_of(stores, night)
    due = opens_at(run)
    assert due["R-0"] == due["R-9"] == night.replace(day=7, hour=6, microsecond=0)
    assert due["R-2"] == night.replace(day=7, hour=0, microsecond=0)
    assert due["R-1"] < timezone.now() + timedelta(minutes=1), "It may leave at once."
    with time_machine.travel(night):
        assert runs_to_send() == {run.pk: 1}
        assert send_batch(run_id=run.pk).sent == 1
        sweep()
        assert runs_to_send() == {}
    run.refresh_from_db()
    assert run.status == "sending"
    assert [mail.recipients[0] for mail in mailbox.received] == ["reader1@example.com"]


def test_what_becomes_due_in_the_night_waits_too(stores: dict[str, Store], mailbox: MailServer) -> None:
    """A mail that was put off at 19:59, or a run that is let go on at night, does not leave at night."""
    day = timezone.now().replace(year=timezone.now().year + 1, month=7, day=6, hour=9, minute=0, second=0)
    run = run_of({"Riga": stores["Riga"]}, day)
    assert all(at < timezone.now() + timedelta(minutes=1) for at in opens_at(run).values())
    night = day.replace(hour=18)
    with time_machine.travel(night):
        assert send_batch(run_id=run.pk).sent == 0
        sweep()
    assert set(opens_at(run).values()) == {night.replace(day=7, hour=6, microsecond=0)}
    assert mailbox.received == []
    Delivery.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    with time_machine.travel(night.replace(day=7, hour=6, minute=30)):
        assert send_batch(run_id=run.pk).sent == 2


def test_day_and_night_is_no_window_at_all(stores: dict[str, Store]) -> None:
    set_knob(key="send_from_hour", new=0, by=None)
    set_knob(key="send_until_hour", new=24, by=None)
    for hour in range(24):
        assert closed_zones(datetime(2026, 7, 6, hour, tzinfo=UTC)) == {}
    add_reader(1)
    assert planned_run().deliveries.filter(status=DeliveryStatus.PENDING).exists()

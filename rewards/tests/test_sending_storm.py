"""Runs that are sent while everything dies: workers, their processes, beats, Redis, PostgreSQL, the mail server."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random

import pytest
from django.utils import timezone

from customers.models import Channel, ConsentEvent, Customer, Purpose, Segment
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.local.postgres import Postgres
from loyaltycrm.local.redis import Redis
from rewards.actions.runs import start_run
from rewards.models import Delivery, DeliveryReason, DeliveryStatus, Run, RunStatus, VoucherStatus
from rewards.results import figures_of
from rewards.tests.audiences import active_offer, open_shop
from rewards.tests.storm import PLAN_LABELS, SEND_LABELS, Storm

CONTROL_PERCENT = 10
MAY_HAVE_ARRIVED = {DeliveryStatus.SENT, DeliveryStatus.UNKNOWN}
ENDED = MAY_HAVE_ARRIVED | {
    DeliveryStatus.FAILED, DeliveryStatus.CONTROL, DeliveryStatus.SUPPRESSED, DeliveryStatus.CANCELLED,
}  # fmt: skip


def says_no(number: int) -> bool:
    return number % 100 == 0


def has_no_address_alone(number: int) -> bool:
    """Whether the reader before has the same address, and gets the mail."""
    return number % 50 == 7


def readers(count: int, *, language: str) -> dict[int, int]:
    """So many customers who read this language: {number: id}."""
    addresses = [f"{language}{number - has_no_address_alone(number)}@example.com" for number in range(count)]
    people = Customer.objects.bulk_create(
        (
            Customer(
                external_id=f"{language}-{number}",
                first_name=f"Reader{number}",
                email=address,
                email_key=address,
                language=language,
                joined_on="2025-01-01",
            )
            for number, address in enumerate(addresses)
        ),
        batch_size=5_000,
    )
    month_ago = timezone.now() - timedelta(days=30)
    ConsentEvent.objects.bulk_create(
        (
            ConsentEvent(
                customer=one, purpose=Purpose.OFFERS, channel=Channel.EMAIL, given=not says_no(number),
                source=ConsentEvent.Source.TILL, occurred_at=month_ago,
            )
            for number, one in enumerate(people)
        ),
        batch_size=5_000,
    )  # fmt: skip
    return {number: one.pk for number, one in enumerate(people)}


def begun(
    people: int, doomed: int, programs: Programs, mailbox: MailServer, redis: Redis, postgres: Postgres,
    *, seed: int, pace: float,
) -> Storm:  # fmt: skip
    """A run for so many readers, and one for others that will be cancelled."""
    open_shop()
    set_knob(key="hold_out_percent", new=0, by=None)
    runs, asked_of = [], {}
    for language, count in (("en", people), ("lv", doomed)):
        numbers = readers(count, language=language)
        asked = {"language": {"op": "any", "values": [language]}}
        segment = Segment.objects.create(name=language, definition=asked, is_shared=True)
        runs.append(start_run(offer=active_offer(segment=segment, control_percent=CONTROL_PERCENT), by=None))
        asked_of[runs[-1].pk] = numbers
    return Storm(runs[0], runs[1], asked_of, programs, mailbox, redis, postgres, Random(seed), pace)


def assert_kept(storm: Storm) -> None:
    """The promises: nothing twice, nobody skipped in silence, nothing unwanted, no more unknown than was done to it."""
    arrived = storm.arrived()
    assert set(arrived) <= set(storm.letters), "A mail came that was never planned."
    assert max(arrived.values()) == 1, [message_id for message_id, count in arrived.items() if count > 1]
    readers_of_run = Counter(storm.letters[message_id][:2] for message_id in arrived)
    addresses_of_run = Counter((storm.letters[message_id][0], mail.recipients) for message_id, mail in storm.mails())
    assert max(readers_of_run.values()) == max(addresses_of_run.values()) == 1
    assert all(mail.recipients == (storm.letters[key][2],) for key, mail in storm.mails())
    for run in (storm.run, storm.doomed):
        assert_everyone_has_an_end(run, storm.people[run.pk], arrived)
    assert_nothing_unwanted(storm)
    unknown = Delivery.objects.filter(status=DeliveryStatus.UNKNOWN).count()
    assert unknown <= storm.may_be_unknown, (unknown, storm.may_be_unknown)
    assert storm.done["workers that ended by themselves"] <= storm.kills["redis"]
    refused = Delivery.objects.filter(status=DeliveryStatus.FAILED, reason=DeliveryReason.REFUSED).count()
    assert refused <= storm.done["refused for good"]


def assert_everyone_has_an_end(run: Run, people: dict[int, int], arrived: Counter[str]) -> None:
    """Each customer of the audience has one place with one end, which is what came of it on the wire; all add up."""
    run.refresh_from_db()
    places = list(run.deliveries.select_related("voucher"))
    audience = len(people)
    assert sorted(place.customer_id for place in places) == sorted(people.values())
    assert run.audience_count == audience
    assert sum(figures_of([run.pk])[run.pk].by_status.values()) == audience
    assert {place.status for place in places} <= ENDED
    for place in places:
        came = arrived[place.message_id] if place.message_id else 0
        if place.status != DeliveryStatus.UNKNOWN:
            assert came == (place.status == DeliveryStatus.SENT), (place.pk, place.status, came)
        assert bool(place.reason) == (place.status in {DeliveryStatus.SUPPRESSED, DeliveryStatus.FAILED}), place.pk
        if place.voucher is not None:
            is_good = place.voucher.status == VoucherStatus.ISSUED
            assert is_good == (place.status in MAY_HAVE_ARRIVED), (place.pk, place.status, place.voucher.status)
    of = {reason: {place.customer_id for place in places if place.reason == reason} for reason in DeliveryReason}
    assert of[DeliveryReason.NO_CONSENT] == {pk for number, pk in people.items() if says_no(number)}
    assert of[DeliveryReason.SHARED_ADDRESS] == {pk for number, pk in people.items() if has_no_address_alone(number)}
    could_get_it = audience - len(of[DeliveryReason.NO_CONSENT]) - len(of[DeliveryReason.SHARED_ADDRESS])
    control = sum(place.status == DeliveryStatus.CONTROL for place in places)
    assert control == (2 * could_get_it * CONTROL_PERCENT + 100) // 200


def assert_nothing_unwanted(storm: Storm) -> None:
    """Whoever unsubscribed or was erased before their mail left did not get it, nor did those of the cancelled run."""
    ends = {place.customer_id: place for place in storm.run.deliveries.all()}
    for pk in storm.unsubscribed:
        assert ends[pk].status in {DeliveryStatus.SUPPRESSED, DeliveryStatus.FAILED}, ends[pk]
    for pk in storm.erased:
        assert ends[pk].status == DeliveryStatus.CANCELLED, ends[pk]
    left_out = {pk for pk, place in ends.items() if place.reason == DeliveryReason.UNSUBSCRIBED}
    assert left_out <= storm.unsubscribed | storm.unsubscribed_late
    assert {pk for pk, place in ends.items() if place.status == DeliveryStatus.CANCELLED} == storm.erased
    assert storm.unsubscribed
    assert storm.erased
    assert storm.run.status == RunStatus.DONE
    assert storm.doomed.status == RunStatus.CANCELLED
    assert storm.doomed.deliveries.filter(status=DeliveryStatus.CANCELLED).exists()


@pytest.mark.faults
@pytest.mark.long
def test_a_run_in_a_storm(
    crashable_postgres: Postgres, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    storm = begun(300, 100, programs, mailbox, redis_server, crashable_postgres, seed=7, pace=1.0)
    storm.all_run()
    storm.planned()
    strikes: tuple[Callable[[], object], ...] = (
        storm.kill_child, storm.empty_redis, storm.kill_beat, storm.kill_redis, storm.kill_postgres, storm.kill_worker,
        partial(storm.crash_at, "send.answered"),
    )  # fmt: skip
    for number, strike in enumerate(strikes):
        storm.progress_to(len(mailbox.received) + 20)
        storm.unsubscribe_one()
        storm.erase_one()
        if number == 0:
            storm.cancel_the_doomed()
            storm.take_a_mail_each(0.4)
            storm.bad_manners()
        strike()
        storm.all_run()
        told(storm.figures())
    storm.blow_over()
    told(storm.figures())
    assert_kept(storm)


@pytest.mark.soak
@pytest.mark.timeout(8 * 3_600)
def test_a_storm_of_a_hundred_kills_over_twenty_thousand_readers(
    crashable_postgres: Postgres, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    """STORM_READERS and STORM_KILLS make it shorter or longer. The kills are shared among worker, process of its pool,
    beat, Redis, PostgreSQL, and the steps of sending; each figure is told."""
    people, kills = int(os.environ.get("STORM_READERS", "20000")), int(os.environ.get("STORM_KILLS", "100"))
    doomed = max(people // 10, 60)
    storm = begun(people - doomed, doomed, programs, mailbox, redis_server, crashable_postgres, seed=11, pace=0.1)
    share = -(-kills // 6)
    kinds = (storm.kill_worker, storm.kill_child, storm.kill_beat, storm.kill_redis, storm.kill_postgres)
    strikes: list[Callable[[], object]] = [kill for kill in kinds for _time in range(share)]
    strikes += [partial(storm.crash_at, label) for label in itertools.islice(itertools.cycle(SEND_LABELS), share)]
    storm.dice.shuffle(strikes)
    storm.all_run()
    for label in PLAN_LABELS:
        storm.crash_at(label)
    storm.planned()
    mails = len(storm.letters)
    for number, strike in enumerate(strikes):
        wanted = mails * 4 // 5 * number // len(strikes)
        storm.progress_to(max(wanted, len(mailbox.received) + 3))
        storm.keep_pace(wanted + 50)
        storm.unsubscribe_one()
        if number % 2:
            storm.erase_one()
        if number == len(strikes) // 8:
            storm.cancel_the_doomed()
        for every, what in ((8, storm.bad_manners), (10, storm.empty_redis), (25, storm.silence)):
            if number % every == every - 1:
                what()
        if strike in kinds and number // 30 > storm.done["pauses"]:
            with storm.paused():
                strike()
                storm.all_run()
                storm.stand_still()
        else:
            strike()
            storm.all_run()
        told(f"{number + 1} of {len(strikes)}: {storm.figures()}")
    storm.blow_over()
    told(f"{people} readers, {storm.figures()}")
    assert_kept(storm)
    assert all(storm.kills[kind] >= share for kind in ("worker", "pool child", "beat", "redis", "postgres"))
    assert all(storm.kills[f"at {label}"] for label in (*PLAN_LABELS, *SEND_LABELS))
    assert sum(storm.kills.values()) >= kills


def told(line: str) -> None:
    print(f"{timezone.now():%H:%M:%S} {line}", flush=True)  # noqa: T201 - the figures of a long run

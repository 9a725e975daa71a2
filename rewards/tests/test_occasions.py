"""Offers that answer an event: whom it happened to, each time once, on the day or so many days before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import md5
from unittest.mock import Mock

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from customers.actions.classifying import classify
from customers.actions.own_pages import make_page_link
from customers.actions.referrals import record_referral
from customers.actions.signals import record_signal, withdraw_signal
from customers.models import Customer, EvidenceKind, Referral, Signal, Visit
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.actions.merging import merge_customers
from rewards.actions.earning import record_visit, undo_visit
from rewards.actions.offers import create_offer
from rewards.actions.planning import plan_run
from rewards.actions.referrals import settle_referrals
from rewards.actions.runs import start_due_runs, start_run
from rewards.actions.tiers import review_due_tiers
from rewards.models import Delivery, DeliveryReason, DeliveryStatus, Offer, OfferEvent, Run, RunStatus, Schedule
from rewards.occasions import happened
from rewards.tests.audiences import active_offer, add_reader, content, make_loyal, open_shop, planned_run

pytestmark = pytest.mark.django_db
NOON = datetime(2027, 3, 10, 10, 0, tzinfo=UTC)
"""12:00 in Riga, a Wednesday."""


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()
    set_knob(key="offer_gap_days", new=0, by=None)


def answers(event: OfferEvent, **changes: object) -> Offer:
    return active_offer(schedule=Schedule.EVENT, day=0, event=event, **changes)


def day_s_run(at: datetime) -> dict[str, str]:
    """What the run of a day says: {customer's number: name of the event}; 12:00, two hours after its time."""
    with time_machine.travel(at):
        (run,) = start_due_runs()
        assert start_due_runs() == []
        assert plan_run(run_id=run.pk)
    return {
        number: occasion.split(":", 2)[2].rpartition(":")[0]
        for number, occasion in run.deliveries.values_list("customer__external_id", "occasion")
    }


def buys(customer: Customer, store: Store, at: datetime, cents: int = 2_000) -> None:
    record_visit(customer=customer, store=store, net_cents=cents, occurred_at=at, by=None)


def test_a_birthday_is_answered_once_on_its_day_or_soon_after() -> None:
    with time_machine.travel(NOON):
        add_reader(1, birthday=date(1990, 3, 11))
        add_reader(2, birthday=date(1985, 3, 12))
        add_reader(3, birthday=date(1985, 3, 9))  # the day before the offer was there
        add_reader(4)
        answers(OfferEvent.BIRTHDAY)
    assert day_s_run(NOON + timedelta(days=1)) == {"R-1": "birthday:2027"}
    # Two days without a beat: whoever had it meanwhile is answered, and nobody twice.
    assert day_s_run(NOON + timedelta(days=4)) == {"R-2": "birthday:2027"}
    assert day_s_run(NOON + timedelta(days=5)) == {}
    assert day_s_run(NOON + timedelta(days=367)) == {"R-1": "birthday:2028", "R-3": "birthday:2028"}


def test_an_event_older_than_the_window_passes() -> None:
    with time_machine.travel(NOON):
        add_reader(1, birthday=date(1990, 3, 11))
        answers(OfferEvent.BIRTHDAY)
    assert day_s_run(NOON + timedelta(days=5)) == {}


@pytest.mark.parametrize(
    ("day", "found"),
    [
        (datetime(2027, 2, 28, 10, tzinfo=UTC), {"R-29": "birthday:2027", "R-28": "birthday:2027"}),
        (datetime(2028, 2, 28, 10, tzinfo=UTC), {"R-28": "birthday:2028"}),
        (datetime(2028, 2, 29, 10, tzinfo=UTC), {"R-29": "birthday:2028"}),
    ],
)
def test_whoever_was_born_on_a_leap_day_has_a_birthday_each_year(day: datetime, found: dict[str, str]) -> None:
    with time_machine.travel(day - timedelta(hours=10)):
        add_reader(29, birthday=date(1996, 2, 29))
        add_reader(28, birthday=date(1996, 2, 28))
        answers(OfferEvent.BIRTHDAY)
    assert day_s_run(day) == found


def test_a_birthday_may_be_answered_days_before_across_the_new_year() -> None:
    with time_machine.travel(datetime(2027, 12, 20, tzinfo=UTC)):
        add_reader(1, birthday=date(1990, 1, 2))
        answers(OfferEvent.BIRTHDAY, event_days=7)
    assert day_s_run(datetime(2027, 12, 25, 10, tzinfo=UTC)) == {}
    assert day_s_run(datetime(2027, 12, 26, 10, tzinfo=UTC)) == {"R-1": "birthday:2028"}


def test_rising_and_falling_are_answered_apart(barona_iela: Store) -> None:
    """1,000.00 in a year is silver: Reader1 rises by one large visit and falls a year after it."""
    with time_machine.travel(NOON):
        anyone = add_reader(1)
        add_reader(2)
        up, down = answers(OfferEvent.TIER_UP), answers(OfferEvent.TIER_DOWN)
        buys(anyone, barona_iela, NOON, 100_000)
        assert happened(up, today=date(2027, 3, 10)) == {anyone.pk: f"offer:{up.pk}:tier:2027-03-10:{anyone.pk}"}
        assert happened(down, today=date(2027, 3, 10)) == {}
    year_on = NOON + timedelta(days=366)
    with time_machine.travel(year_on):
        review_due_tiers()
        assert list(happened(down, today=date(2028, 3, 10)) or {}) == [anyone.pk]
        assert happened(up, today=date(2028, 3, 10)) == {}


def test_each_absence_is_answered_once_when_it_begins(barona_iela: Store) -> None:
    """Every ten days: late after 15. Whoever was late before the offer was there is no news."""
    with time_machine.travel(NOON):
        comes, gone = add_reader(1), add_reader(2)
        for days in (40, 30, 20):
            buys(gone, barona_iela, NOON - timedelta(days=days))
        for days in (33, 23, 13):
            buys(comes, barona_iela, NOON - timedelta(days=days))
        answers(OfferEvent.LATE)
    for days in (1, 2):
        with time_machine.travel(NOON + timedelta(days=days)):
            classify()
        assert day_s_run(NOON + timedelta(days=days)) == ({} if days == 1 else {"R-1": "late:2027-02-25"})
    assert day_s_run(NOON + timedelta(days=3)) == {}


def test_points_about_to_lapse_are_told_so_many_days_before(barona_iela: Store) -> None:
    """Points of 10 March 2027 live 365 days, to 8 March 2028; a week before is 1 March."""
    with time_machine.travel(NOON):
        saver = add_reader(1)
        add_reader(2)
        buys(saver, barona_iela, NOON)
        buys(saver, barona_iela, NOON + timedelta(seconds=1))
    with time_machine.travel(datetime(2028, 2, 20, tzinfo=UTC)):
        make_loyal([saver])
        answers(OfferEvent.LAPSING, event_days=7)
    assert day_s_run(datetime(2028, 2, 29, 10, tzinfo=UTC)) == {}
    assert day_s_run(datetime(2028, 3, 1, 10, tzinfo=UTC)) == {"R-1": "lapsing:2028-03-08"}
    assert day_s_run(datetime(2028, 3, 2, 10, tzinfo=UTC)) == {}


def answered_survey(customer: Customer, number: int, strength: float) -> Signal:
    return record_signal(
        customer=customer,
        kind=EvidenceKind.SAYS,
        source=Signal.Source.SURVEY,
        strength=strength,
        occurred_on=date(2027, 3, 10),
        reference=f"survey:{number}",
    )


def test_a_good_answer_is_thanked_and_a_middling_or_withdrawn_one_is_not() -> None:
    """A rating of 9 has the strength (9 − 5) / 5 = 0.8, one of 8 only 0.6."""
    with time_machine.travel(NOON - timedelta(hours=5)):
        for number in range(3):
            answered_survey(add_reader(number), number, (0.8, 0.6, 1)[number])
        withdraw_signal(reference="survey:2")
        answers(OfferEvent.GOOD_ANSWER)
    signal = Signal.objects.get(reference="survey:0")
    assert day_s_run(NOON) == {"R-0": f"answer:{signal.pk}"}


def test_an_event_narrows_the_audience_and_leaves_nobody_out_in_silence() -> None:
    with time_machine.travel(NOON):
        add_reader(1, birthday=date(1990, 3, 10))
        add_reader(2, birthday=date(1990, 3, 10), loyal=False)
        add_reader(3, birthday=date(1990, 3, 10), consents=False)
        offer = answers(OfferEvent.BIRTHDAY)
        run = start_run(offer=offer, by=None)
        assert plan_run(run_id=run.pk)
    assert set(run.deliveries.values_list("customer__external_id", "status", "reason")) == {
        ("R-1", DeliveryStatus.PENDING, ""),
        ("R-3", DeliveryStatus.SUPPRESSED, DeliveryReason.NO_CONSENT),
    }


def test_an_answer_is_the_survivor_s_after_a_merge(dace: User) -> None:
    with time_machine.travel(NOON):
        answered = add_reader(1, birthday=date(1990, 3, 10))
        offer = answers(OfferEvent.BIRTHDAY)
        run = start_run(offer=offer, by=None)
        assert plan_run(run_id=run.pk)
        twin = add_reader(2, birthday=date(1990, 3, 10))
        assert list(happened(offer, today=date(2027, 3, 11)) or {}) == [twin.pk]
        merge_customers(survivor=twin, merged=answered, reason="The same person", by=dace)
        assert happened(offer, today=date(2027, 3, 11)) == {}


def test_the_database_refuses_a_second_answer_to_one_event() -> None:
    with time_machine.travel(NOON):
        add_reader(1, birthday=date(1990, 3, 10))
        offer = answers(OfferEvent.BIRTHDAY)
        run = start_run(offer=offer, by=None)
        assert plan_run(run_id=run.pk)
    place = Delivery.objects.get()
    other = planned_run(name="Another")
    with pytest.raises(IntegrityError, match="rewards_delivery_answers_an_event_once"), transaction.atomic():
        Delivery.objects.filter(run=other).update(occasion=place.occasion)


def test_of_few_each_household_is_drawn_by_itself() -> None:
    """Ten days of one birthday each: rounded, half of one would be nobody or everybody on every day."""
    with time_machine.travel(NOON):
        for number in range(40):
            add_reader(number, birthday=date(1990, 3, 11) + timedelta(days=number % 10))
        answers(OfferEvent.BIRTHDAY, control_percent=25)
    for days in range(1, 11):
        day_s_run(NOON + timedelta(days=days))
    assert Delivery.objects.count() == 40
    for run in Run.objects.all():
        for place in run.deliveries.all():
            drawn = int(md5(f"{run.seed}:{place.household}".encode()).hexdigest()[:8], 16)
            assert (place.status == DeliveryStatus.CONTROL) is (drawn < 0.25 * 2**32)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event": ""}, "event"),
        ({"event": "full_moon"}, "event"),
        ({"event": "late", "event_days": 3}, "event_days"),
        ({"event": "birthday", "event_days": 91}, "event_days"),
        ({"schedule": Schedule.WEEKLY, "event": "birthday"}, "event"),
        ({"schedule": Schedule.ONCE}, "once_on"),
        ({"event": "late", "once_on": date(2027, 1, 1)}, "once_on"),
        ({"event": "late", "priority": 0}, "priority"),
        ({"event": "late", "most_mails": 0}, "most_mails"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_at_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as refusal:
        create_offer(content=content(**{"schedule": Schedule.EVENT, "day": 0, **changes}), by=None)
    assert refusal.value.field == field
    assert not Offer.objects.filter(name="Thanks").exists()


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"schedule": "event"}, "rewards_offer_event_fits_schedule"),
        ({"event": "late"}, "rewards_offer_event_fits_schedule"),
        ({"event": "late", "schedule": "event", "event_days": 1}, "rewards_offer_looks_ahead_where_it_can"),
        ({"schedule": "once"}, "rewards_offer_once_has_day"),
        ({"schedule": "monthly", "day": 29}, "rewards_offer_day_fits_schedule"),
        ({"priority": 10}, "rewards_offer_priority_from_1_to_9"),
        ({"most_mails": 0}, "rewards_offer_most_mails_positive"),
    ],
)
def test_the_database_refuses_it_too(changes: dict[str, object], constraint: str) -> None:
    offer = create_offer(content=content(), by=None)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Offer.objects.filter(pk=offer.pk).update(**changes)


def test_the_offer_of_higher_priority_chooses_its_readers_first() -> None:
    add_reader(1)
    low = start_run(offer=active_offer(name="Low", priority=4), by=None)
    high = start_run(offer=active_offer(name="High", priority=6), by=None)
    set_knob(key="offer_gap_days", new=14, by=None)
    assert plan_run(run_id=low.pk) is False, "It waits although its message came first."
    assert plan_run(run_id=high.pk)
    assert plan_run(run_id=low.pk)
    assert list(Delivery.objects.order_by("run__offer__priority").values_list("status", "reason")) == [
        (DeliveryStatus.SUPPRESSED, DeliveryReason.FREQUENCY),
        (DeliveryStatus.PENDING, ""),
    ]


def _fails(run: Run) -> None:
    raise ZeroDivisionError


def _takes_too_long(run: Run) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 1")
        cursor.execute("SELECT pg_sleep(60)")


def _is_out_of_time(run: Run) -> None:
    raise SoftTimeLimitExceeded


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (_fails, "ZeroDivisionError"),
        (_takes_too_long, "statement timeout"),
        (_is_out_of_time, "SoftTimeLimitExceeded"),
    ],
)
def test_a_run_that_cannot_be_planned_stands_still_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, trouble: Callable[[Run], None], said: str
) -> None:
    add_reader(1)
    low = start_run(offer=active_offer(name="Low", priority=4), by=None)
    high = start_run(offer=active_offer(name="High", priority=6), by=None)
    with monkeypatch.context() as patch:
        patch.setattr("rewards.actions.planning._keep_limit", trouble)
        assert plan_run(run_id=high.pk) is False
    high.refresh_from_db()
    assert high.status == RunStatus.PAUSED
    assert said in high.note
    assert not high.deliveries.exists()
    assert plan_run(run_id=low.pk)


def test_a_lost_connection_is_no_reason_to_stop_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next minute tries again."""
    add_reader(1)
    run = start_run(offer=active_offer(), by=None)
    with monkeypatch.context() as patch:
        patch.setattr("rewards.actions.planning._keep_limit", Mock(side_effect=OperationalError("the server is gone")))
        with pytest.raises(OperationalError, match="the server is gone"):
            plan_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.PLANNED
    assert plan_run(run_id=run.pk)


def test_no_more_mails_than_the_offer_allows_over_all_its_runs() -> None:
    for number in range(5):
        add_reader(number)
    run = planned_run(most_mails=3)
    assert run.deliveries.filter(status=DeliveryStatus.PENDING).count() == 3
    assert run.deliveries.filter(Q(voucher=None), reason=DeliveryReason.LIMIT).count() == 2
    run.deliveries.filter(status=DeliveryStatus.PENDING).update(
        status=DeliveryStatus.SENT, sent_at=timezone.now() - timedelta(days=1)
    )
    run.occurrence = "another day"
    run.save()
    again = start_run(offer=run.offer, by=None)
    assert plan_run(run_id=again.pk)
    assert set(again.deliveries.values_list("status", "reason")) == {(DeliveryStatus.SUPPRESSED, DeliveryReason.LIMIT)}


def test_the_most_mails_cut_whole_households_as_the_control_group_does() -> None:
    """Ten couples and six mails: three couples get them, and no household is larger or smaller than those compared."""
    for number in range(20):
        add_reader(number, phone=f"+371 2612 48{number // 2:02d}")
    run = planned_run(most_mails=6)
    of_households: dict[int, list[str]] = {}
    for household, status in run.deliveries.values_list("household", "status"):
        of_households.setdefault(household, []).append(status)
    assert sorted(of_households.values()) == [["pending"] * 2] * 3 + [["suppressed"] * 2] * 7


def brought_by(referrer: Customer) -> tuple[Customer, Referral]:
    """A friend whom somebody brought, and the referral that waits for the first visit."""
    make_page_link(customer=referrer, by=None)
    friend = add_reader(2)
    return friend, record_referral(friend=friend, code=referrer.invitation.code, by=None)


@pytest.mark.parametrize(
    ("event", "answered"),
    [
        (OfferEvent.REFERRAL, {"R-1", "R-2"}),
        (OfferEvent.BROUGHT, {"R-1"}),
        (OfferEvent.WAS_BROUGHT, {"R-2"}),
    ],
)
def test_a_completed_referral_is_answered_once_for_whom_the_offer_names(
    event: OfferEvent, answered: set[str], barona_iela: Store
) -> None:
    with time_machine.travel(NOON):
        friend, referral = brought_by(add_reader(1))
        answers(event)
    assert day_s_run(NOON + timedelta(days=1)) == {}, "The friend has not paid for anything yet."
    with time_machine.travel(NOON + timedelta(days=2)):
        buys(friend, barona_iela, NOON + timedelta(days=2))
        settle_referrals()
    assert day_s_run(NOON + timedelta(days=2)) == dict.fromkeys(answered, f"referral:{referral.pk}")
    assert day_s_run(NOON + timedelta(days=3)) == {}


def test_a_referral_that_was_taken_back_is_answered_to_nobody(barona_iela: Store) -> None:
    with time_machine.travel(NOON):
        friend, _referral = brought_by(add_reader(1))
        offer = answers(OfferEvent.REFERRAL)
        buys(friend, barona_iela, NOON)
        settle_referrals()
        assert len(happened(offer, today=date(2027, 3, 10)) or {}) == 2
        undo_visit(visit=Visit.objects.get(), by=None)
        settle_referrals()
        assert happened(offer, today=date(2027, 3, 10)) == {}

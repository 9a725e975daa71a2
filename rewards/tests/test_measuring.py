"""A run is measured by what its households did afterwards: each in the group it was drawn into, whatever came of it."""

from __future__ import annotations

import itertools
import random
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from scipy import stats

from customers.actions.classifying import classify
from customers.actions.visits import insert_refund
from customers.models import Customer, Visit
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import Company, Store
from rewards.actions.earning import record_visit, undo_visit
from rewards.actions.measuring import SETTLING_DAYS, measure_runs
from rewards.audience import PLACES, place_parameters
from rewards.effects.report import Verdict, effects_of_offers, effects_of_runs, strata_of
from rewards.effects.statistics import Arm, Pair, compare
from rewards.knobs import EFFECT_DAYS
from rewards.models import Delivery, DeliveryStatus, MeasuredArm, Run
from rewards.models.offer import flagged_loyal
from rewards.tests.audiences import add_reader, open_shop, planned_run

pytestmark = pytest.mark.django_db
_receipts = itertools.count(1)


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    """A summer's noon: no clock changes between a run and its last day."""
    with time_machine.travel(datetime(2026, 7, 15, 9, tzinfo=UTC), tick=False):
        yield


def buy(customer: Customer, store: Store, cents: int, *, run: Run, day: int) -> Visit:
    """A sale so many days after the run, at noon of the run's clock."""
    assert run.planned_at
    return record_visit(
        customer=customer,
        store=store,
        net_cents=cents,
        receipt_id=f"M{next(_receipts):06d}",
        occurred_at=run.planned_at + timedelta(days=day, minutes=1 if day >= 0 else -1),
        by=None,
    ).visit


def run_of_the_past(readers: Iterable[int] = (), **changes: Any) -> Run:
    """A run that was planned and sent 40 days ago, to these readers and whoever was there before."""
    at = timezone.now() - timedelta(days=40)
    with time_machine.travel(at, tick=False):
        for number in readers:
            add_reader(number)
        run = planned_run(**changes)
    Delivery.objects.filter(run=run, status=DeliveryStatus.PENDING).update(status=DeliveryStatus.SENT, sent_at=at)
    return run


def arms_of(run: Run) -> dict[bool, MeasuredArm]:
    return {arm.is_treated: arm for arm in MeasuredArm.objects.filter(run=run)}


@pytest.fixture
def run(barona_iela: Store) -> Run:
    """24 readers of whom 6 are control."""
    open_shop()
    return run_of_the_past(range(24), control_percent=25)


def test_what_counts(run: Run, barona_iela: Store) -> None:
    """Sales from the first to the last day; what came before or after, was undone or given back does not count."""
    treated = [place.customer for place in run.deliveries.filter(status=DeliveryStatus.SENT).order_by("pk")]
    buy(treated[0], barona_iela, 10_00, run=run, day=0)
    buy(treated[0], barona_iela, 5_00, run=run, day=27)
    buy(treated[1], barona_iela, 99_00, run=run, day=-1)
    buy(treated[2], barona_iela, 99_00, run=run, day=28)
    undo_visit(visit=buy(treated[3], barona_iela, 99_00, run=run, day=1), by=None)
    whole = buy(treated[4], barona_iela, 99_00, run=run, day=1)
    insert_refund(visit=whole, store=barona_iela, net_cents=99_00, receipt_id="B1", by=None)
    part = buy(treated[5], barona_iela, 20_00, run=run, day=2)
    insert_refund(visit=part, store=barona_iela, net_cents=8_00, receipt_id="B2", by=None)
    buy(treated[6], barona_iela, 0, run=run, day=3)
    control = run.deliveries.filter(status=DeliveryStatus.CONTROL)
    buy(control[0].customer, barona_iela, 7_00, run=run, day=4)

    assert measure_runs() == 1
    arms = arms_of(run)
    mailed, unmailed = arms[True], arms[False]
    assert (mailed.households, mailed.came, mailed.visits, mailed.visits_squares) == (18, 3, 4, 6)
    assert (mailed.net_cents, int(mailed.net_cents_squares)) == (27_00, 1500**2 + 1200**2)
    assert (unmailed.households, unmailed.came, unmailed.visits, unmailed.visits_squares) == (6, 1, 1, 1)
    assert (unmailed.net_cents, int(unmailed.net_cents_squares)) == (700, 700**2)


def test_a_household_counts_where_it_was_drawn_whatever_became_of_its_mail(run: Run) -> None:
    """Unsubscribed, refused, still unknown: each was offered something; who was left out of the plan was not drawn."""
    mailed = run.deliveries.filter(status=DeliveryStatus.SENT)
    for place, status in zip(mailed, ("suppressed", "failed", "unknown", "too_late", "cancelled"), strict=False):
        Delivery.objects.filter(pk=place.pk).update(status=status, reason="unsubscribed")
    add_reader(99, consents=False)
    measure_runs()
    assert {one: arm.households for one, arm in arms_of(run).items()} == {True: 18, False: 6}


def test_a_household_is_one_with_all_of_its_members(barona_iela: Store) -> None:
    """Ten couples share an address each: one of the two gets the mail, and what the other buys counts as well."""
    open_shop()
    with time_machine.travel(timezone.now() - timedelta(days=41), tick=False):
        for number in range(20):
            add_reader(number, email=f"couple{number // 2}@example.com")
    run = run_of_the_past(control_percent=50)
    assert run.deliveries.filter(reason="shared_address").count() == 10
    for place in run.deliveries.filter(reason="shared_address"):
        buy(place.customer, barona_iela, 5_00, run=run, day=2)
    measure_runs()
    assert {one: (arm.households, arm.visits) for one, arm in arms_of(run).items()} == {True: (5, 5), False: (5, 5)}


def test_it_is_measured_when_its_days_are_over_and_again_until_late_receipts_are_in(
    run: Run, barona_iela: Store
) -> None:
    over = run.valid_from + timedelta(days=28)
    assert measure_runs(today=over - timedelta(days=1)) == 0
    assert measure_runs(today=over) == 1
    buy(run.deliveries.filter(status="sent")[0].customer, barona_iela, 5_00, run=run, day=3)
    assert measure_runs(today=over + timedelta(days=SETTLING_DAYS - 1)) == 1
    assert arms_of(run)[True].visits == 1
    assert measure_runs(today=over + timedelta(days=SETTLING_DAYS)) == 0


def test_another_number_of_days_measures_again(run: Run, barona_iela: Store) -> None:
    buy(run.deliveries.filter(status="sent")[0].customer, barona_iela, 5_00, run=run, day=20)
    measure_runs()
    set_knob(key=EFFECT_DAYS.key, new=14, by=None)
    late = Company.current().today() + timedelta(days=100)
    assert measure_runs(today=late) == 1
    assert (arms_of(run)[True].days, arms_of(run)[True].visits) == (14, 0)
    assert measure_runs(today=late) == 0


def test_a_run_without_control_or_without_a_mail_is_not_measured() -> None:
    open_shop()
    run_of_the_past([1], control_percent=0, name="Nobody left out")
    stopped = run_of_the_past(range(2, 6), control_percent=50, name="Stopped")
    Delivery.objects.filter(run=stopped, status="sent").update(status="cancelled")
    assert measure_runs() == 0


def test_a_run_in_which_nobody_was_is_neither_measured_every_night_nor_waited_for() -> None:
    """Most days have no birthday: their runs are empty, and nothing will ever be known of them."""
    open_shop()
    empty = run_of_the_past(control_percent=25)
    assert measure_runs() == 0
    over = timezone.now() - timedelta(days=40) + timedelta(days=28)
    with time_machine.travel(over, tick=False):
        waited_for = effects_of_runs([empty])[empty.pk]
        assert (waited_for.verdict, waited_for.told_on) == (Verdict.TOO_EARLY, empty.valid_from + timedelta(days=28))
    with time_machine.travel(over + timedelta(days=1), tick=False):
        past = effects_of_runs([empty])[empty.pk]
        assert (past.verdict, past.told_on) == (Verdict.TOO_FEW, None)


def test_a_run_with_nobody_but_control_is_measured(barona_iela: Store) -> None:
    """Small runs of a month are compared together: the control of a day on which nobody else was counts there."""
    open_shop()
    only = run_of_the_past([1], control_percent=25)
    only.deliveries.update(status=DeliveryStatus.CONTROL, message_id="", voucher=None)
    assert measure_runs() == 1
    assert {one: arm.households for one, arm in arms_of(only).items()} == {False: 1}


def test_the_sums_agree_with_the_t_test_on_the_plain_visits(run: Run, barona_iela: Store) -> None:
    """An independent way: each household's visits counted in Python, and scipy's own test."""
    dice = random.Random(7)
    second = run_of_the_past(range(100, 140), control_percent=50, name="Another")
    for place in second.deliveries.filter(status__in=["sent", "control"]):
        for _visit in range(dice.choice([0, 0, 1, 2, 5])):
            buy(place.customer, barona_iela, dice.randint(1_00, 60_00), run=second, day=dice.randint(0, 27))
    measure_runs()
    found = effects_of_runs([second])[second.pk].compared
    assert found is not None
    for outcome, of in (("visits", len), ("net_cents", sum)):
        by_group: dict[str, list[int]] = defaultdict(list)
        for place in second.deliveries.filter(status__in=["sent", "control"]):
            bought = list(Visit.objects.filter(customer=place.customer).values_list("net_cents", flat=True))
            by_group[place.status].append(of(bought))
        theirs = stats.ttest_ind(by_group["sent"], by_group["control"], equal_var=False).confidence_interval(0.95)
        ours = getattr(found, outcome)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
        assert ours.difference == pytest.approx(
            statistics.mean(by_group["sent"]) - statistics.mean(by_group["control"])
        )


def test_the_draw_itself_claims_an_effect_of_nothing_in_5_of_100_cases(barona_iela: Store) -> None:
    """40 customers who come as they come; 100 seeds draw a control group, and what differs is luck alone."""
    open_shop()
    dice = random.Random(11)
    visits = {add_reader(number).pk: int(dice.expovariate(0.4)) for number in range(40)}
    classify()
    parameters = place_parameters(
        audience=flagged_loyal(), languages=["en"], seed=0, control_percent=50, today=Company.current().today()
    )
    claimed = 0
    with connection.cursor() as cursor:
        for seed in range(100):
            cursor.execute(PLACES, parameters | {"seed": str(seed)})
            rows = [(row[0], row[-1]) for row in cursor.fetchall()]
            sides = {status: [visits[pk] for pk, own in rows if own == status] for status in ("pending", "control")}
            mailed, control = (Arm(len(own), sum(own), sum(n * n for n in own)) for own in sides.values())
            found = compare([Pair(mailed, control)])
            assert found is not None
            claimed += found.is_told
    low, high = stats.binom.interval(0.9999, 100, 0.05)
    assert low <= claimed <= high


def test_verdicts(run: Run, barona_iela: Store) -> None:
    """Six in control are too few, whatever the others do; a large offer tells more visits, or fewer."""
    with time_machine.travel(timezone.now() - timedelta(days=20), tick=False):
        assert effects_of_offers([run.offer_id])[run.offer_id].verdict == Verdict.TOO_EARLY
    measure_runs()
    assert effects_of_offers([run.offer_id])[run.offer_id].verdict == Verdict.TOO_FEW
    good = run_of_the_past(range(100, 150), control_percent=40, name="Good")
    places = list(good.deliveries.filter(status__in=["sent", "control"]))
    for number, place in enumerate(places):
        if place.status == "sent" and number % 3:
            buy(place.customer, barona_iela, 10_00, run=good, day=3)
    measure_runs()
    told = effects_of_offers([good.offer_id])[good.offer_id]
    assert told.verdict == Verdict.MORE
    assert told.compared is not None
    assert told.compared.visits.control_mean == 0
    assert told.extra_visits == pytest.approx(told.compared.visits.treated_mean * told.households)


def test_small_runs_of_a_month_are_compared_together() -> None:
    """Three days of a birthday offer: 2 and 0, 3 and 1, 0 and 1 households; other months and shares stand apart."""

    def day(pk: int, on: date, percent: int, *households: int) -> tuple[Run, dict[bool, MeasuredArm]]:
        arms = {
            is_treated: MeasuredArm(households=count, came=1, visits=count, visits_squares=count, net_cents=100,
                                    net_cents_squares=10_000)
            for is_treated, count in zip((True, False), households, strict=True) if count
        }  # fmt: skip
        return Run(pk=pk, valid_from=on, control_percent=percent), arms

    strata = strata_of(
        [
            day(1, date(2026, 3, 1), 10, 2, 0),
            day(2, date(2026, 3, 2), 10, 3, 1),
            day(3, date(2026, 3, 3), 10, 0, 1),
            day(4, date(2026, 3, 4), 20, 4, 1),
            day(5, date(2026, 4, 1), 10, 5, 1),
            day(6, date(2026, 3, 5), 10, 60, 20),
        ]
    )
    assert sorted((treated.households, control.households) for treated, control in strata) == [
        (4, 1),
        (5, 1),
        (5, 2),
        (60, 20),
    ]


def test_the_database_refuses_sums_that_cannot_be(run: Run) -> None:
    sums = {"through": run.valid_from, "days": 1, "visits": 1, "visits_squares": 1, "net_cents": 1,
            "net_cents_squares": 1}  # fmt: skip
    for wrong in ({"households": 0, "came": 0}, {"households": 1, "came": 2}, {"households": 5, "came": 2}):
        with pytest.raises(IntegrityError), transaction.atomic():
            MeasuredArm.objects.create(run=run, is_treated=True, **(sums | wrong))
    MeasuredArm.objects.create(run=run, is_treated=True, households=1, came=1, **sums)
    with pytest.raises(IntegrityError, match="rewards_arm_once_a_run"), transaction.atomic():
        MeasuredArm.objects.create(run=run, is_treated=True, households=1, came=1, **sums)

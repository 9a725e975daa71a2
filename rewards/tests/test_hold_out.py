"""The hold-out: a share of households gets no offers for a year, drawn once, kept whatever the household becomes."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction

from customers.actions.households import link_household
from customers.models import Customer
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import AuditEvent, Company, Store, User
from loyaltycrm.shop.actions.merging import merge_customers
from rewards.actions.earning import record_visit
from rewards.actions.hold_outs import keep_hold_out, measure_hold_out, place_newcomers
from rewards.effects.report import hold_out_effect
from rewards.hold_out import held_out_through
from rewards.knobs import HOLD_OUT_PERCENT
from rewards.models import Delivery, DeliveryStatus, HoldOut, HoldOutArm, HoldOutPlace
from rewards.queries import balance_of
from rewards.results import figures_of
from rewards.tests.audiences import add_reader, make_loyal, open_shop, planned_run

pytestmark = pytest.mark.django_db
TODAY = date(2026, 7, 15)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    open_shop()
    with time_machine.travel(datetime(2026, 7, 15, 9, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def draw(percent: int = 20, *, seed: int | None = None) -> HoldOut:
    """A draw whatever the number of households; with a seed of the test's own, by a second placing."""
    set_knob(key=HOLD_OUT_PERCENT.key, new=percent, by=None)
    if seed is not None:
        HoldOut.objects.create(starts_on=TODAY, through=date(2027, 7, 14), percent=percent, seed=seed)
    standing = keep_hold_out(fewest=0)
    assert standing is not None
    return standing


def held(hold_out: HoldOut) -> set[int]:
    return set(hold_out.places.filter(is_held_out=True).values_list("customer", flat=True))


def is_drawn(seed: int, customer: Customer, percent: int = 20) -> bool:
    """The rule, read anew."""
    digits = hashlib.md5(f"{seed}:{customer.pk}".encode(), usedforsecurity=False).hexdigest()[:8]
    return int(digits, 16) / 2**32 < percent / 100


def seed_that_holds(customer: Customer, *, but: Sequence[Customer] = (), percent: int = 20) -> int:
    """The first seed by which this customer's household is held out and the others' are not."""
    return next(
        seed
        for seed in itertools.count()
        if is_drawn(seed, customer, percent) and not any(is_drawn(seed, one, percent) for one in but)
    )


def test_households_are_drawn_by_the_seed_as_written_down() -> None:
    readers = [add_reader(number, phone=f"+371 2612 48{number // 2:02d}") for number in range(24)]

    def written_down(seed: int) -> set[int]:
        expected = set()
        for first, second in zip(readers[::2], readers[1::2], strict=True):
            digits = hashlib.md5(f"{seed}:{first.pk}".encode(), usedforsecurity=False).hexdigest()[:8]
            if int(digits, 16) < 0.2 * 2**32:
                expected |= {first.pk, second.pk}
        return expected

    # One by which somebody is held out, whatever numbers the readers have.
    seed = next(seed for seed in range(42, 1_000) if written_down(seed))
    standing = draw(seed=seed)
    assert held(standing) == written_down(seed) != set()
    assert standing.places.count() == 24
    assert set(standing.places.values_list("household", flat=True)) == {one.pk for one in readers[::2]}


def test_it_lasts_a_year_and_is_drawn_anew_then(clock: time_machine.Traveller) -> None:
    add_reader(1)
    first = draw()
    assert (first.starts_on, first.through) == (TODAY, date(2027, 7, 14))
    assert keep_hold_out(fewest=0) == first
    clock.move_to(datetime(2027, 7, 14, 12, tzinfo=UTC))
    assert keep_hold_out(fewest=0) == first
    clock.move_to(datetime(2027, 7, 15, 12, tzinfo=UTC))
    second = keep_hold_out(fewest=0)
    assert second is not None
    assert second != first
    assert second.seed != first.seed
    assert AuditEvent.objects.filter(action="draw hold-out").count() == 2


def test_a_year_from_a_leap_day_ends_on_the_28th_of_february(clock: time_machine.Traveller) -> None:
    clock.move_to(datetime(2028, 2, 29, 12, tzinfo=UTC))
    add_reader(1)
    assert draw().through == date(2029, 2, 28)


def test_a_shop_too_small_to_learn_from_it_holds_nobody_out() -> None:
    """20 % of 99 reachable households are less than the 20 that a comparison needs."""
    for number in range(5):
        add_reader(number, consents=number > 0)
    set_knob(key=HOLD_OUT_PERCENT.key, new=20, by=None)
    assert keep_hold_out() is None
    assert keep_hold_out(fewest=1) is None
    assert HoldOut.objects.count() == HoldOutPlace.objects.count() == 0
    add_reader(5)
    assert keep_hold_out(fewest=1) is not None


def test_whoever_is_held_out_gets_no_offer_but_points_as_ever(barona_iela: Store) -> None:
    one, other = add_reader(1), add_reader(2)
    draw(seed=seed_that_holds(one, but=[other]))
    run = planned_run(control_percent=0)
    assert Delivery.objects.get(run=run, customer=one).status == DeliveryStatus.HELD_OUT
    assert Delivery.objects.get(run=run, customer=other).status == DeliveryStatus.PENDING
    figures = figures_of([run.pk])[run.pk]
    assert (figures.audience, figures.to_mail) == (2, 1)
    record_visit(customer=one, store=barona_iela, net_cents=50_00, by=None)
    assert balance_of(one, TODAY).available == 50
    assert held_out_through(one, TODAY) == date(2027, 7, 14)
    assert held_out_through(other, TODAY) is None


def test_whoever_could_not_be_mailed_anyway_is_left_out_for_that_reason() -> None:
    one = add_reader(1, consents=False)
    draw(seed=seed_that_holds(one))
    place = Delivery.objects.get(run=planned_run(control_percent=0), customer=one)
    assert (place.status, place.reason) == (DeliveryStatus.SUPPRESSED, "no_consent")


def test_the_control_group_is_drawn_from_the_others() -> None:
    """Of ten households one is held out: half of the other nine is control."""
    readers = [add_reader(number) for number in range(10)]
    seed = seed_that_holds(readers[0], but=readers[1:], percent=5)
    draw(5, seed=seed)
    run = planned_run(control_percent=50)
    figures = figures_of([run.pk])[run.pk]
    assert figures.by_status["held_out"] == 1
    assert figures.control in (4, 5)
    assert figures.control + figures.to_mail == 9


def test_being_held_out_is_no_contact(clock: time_machine.Traveller) -> None:
    """When the year is over, an offer of yesterday that never came keeps nobody waiting."""
    one = add_reader(1)
    draw(seed=seed_that_holds(one))
    clock.move_to(datetime(2027, 7, 14, 9, tzinfo=UTC))
    make_loyal([one])
    assert Delivery.objects.get(run=planned_run(control_percent=0), customer=one).status == DeliveryStatus.HELD_OUT
    clock.move_to(datetime(2027, 7, 15, 9, tzinfo=UTC))
    assert Delivery.objects.get(run=planned_run(control_percent=0), customer=one).status == DeliveryStatus.PENDING


def test_who_joins_later_is_drawn_then_and_a_member_of_a_household_goes_with_it() -> None:
    one, other = add_reader(1, phone="+371 2612 4801"), add_reader(2, phone="+371 2612 4802")
    standing = draw(seed=seed_that_holds(one, but=[other]))
    child, guest = add_reader(3, phone="+371 2612 4801"), add_reader(4, phone="+371 2612 4802")
    assert place_newcomers(today=TODAY + timedelta(days=9)) == 2
    assert place_newcomers(today=TODAY + timedelta(days=9)) == 0
    places = {place.customer_id: place for place in standing.places.all()}
    assert (places[child.pk].is_held_out, places[child.pk].household) == (True, one.pk)
    assert (places[guest.pk].is_held_out, places[guest.pk].household) == (False, other.pk)
    assert places[child.pk].placed_on == TODAY + timedelta(days=9)


def test_planning_places_whoever_joined_since_the_night() -> None:
    one = add_reader(1, phone="+371 2612 4801")
    draw(seed=seed_that_holds(one))
    child = add_reader(2, phone="+371 2612 4801", email="child@example.com")
    run = planned_run(control_percent=0)
    assert Delivery.objects.get(run=run, customer=child).status == DeliveryStatus.HELD_OUT
    assert HoldOutPlace.objects.get(customer=child).is_held_out


def test_two_households_that_become_one_are_held_out_if_either_was(dace: User) -> None:
    one, other = add_reader(1), add_reader(2)
    standing = draw(seed=seed_that_holds(one, but=[other]))
    before = list(standing.places.order_by("pk").values())
    link_household(customer=one, other=other, reason="Married", by=dace)
    run = planned_run(control_percent=0)
    assert set(run.deliveries.values_list("status", flat=True)) == {DeliveryStatus.HELD_OUT}
    assert held_out_through(other, TODAY) == standing.through
    assert list(standing.places.order_by("pk").values()) == before


def test_a_profile_merged_into_another_takes_the_hold_out_along(dace: User) -> None:
    one, other = add_reader(1), add_reader(2)
    standing = draw(seed=seed_that_holds(one, but=[other]))
    merge_customers(survivor=other, merged=one, reason="One person", by=dace)
    run = planned_run(control_percent=0)
    assert Delivery.objects.get(run=run).status == DeliveryStatus.HELD_OUT
    assert held_out_through(other, TODAY) == standing.through


def test_the_setting_0_ends_it_at_once_and_it_may_begin_again(clock: time_machine.Traveller) -> None:
    one = add_reader(1)
    standing = draw(seed=seed_that_holds(one))
    clock.shift(timedelta(days=3))
    set_knob(key=HOLD_OUT_PERCENT.key, new=0, by=None)
    assert held_out_through(one, Company.current().today()) is None
    assert Delivery.objects.get(run=planned_run(control_percent=0), customer=one).status == DeliveryStatus.PENDING
    assert keep_hold_out(fewest=0) is None
    standing.refresh_from_db()
    assert standing.through == TODAY + timedelta(days=2)
    set_knob(key=HOLD_OUT_PERCENT.key, new=10, by=None)
    again = keep_hold_out(fewest=0)
    assert again is not None
    assert (again.pk != standing.pk, again.percent, again.starts_on) == (True, 10, TODAY + timedelta(days=3))


def test_it_is_measured_at_each_months_end_by_those_whom_offers_reach(
    clock: time_machine.Traveller, barona_iela: Store
) -> None:
    """Held out: one household of two. The rest: one of one, and one that never agreed, which is left aside."""
    mother, son = (add_reader(number, phone="+371 2612 4801") for number in (1, 2))
    free, silent = add_reader(3), add_reader(4, consents=False)
    standing = draw(seed=seed_that_holds(mother, but=[free, silent]))
    clock.move_to(datetime(2026, 10, 2, 9, tzinfo=UTC))
    for who, day, cents in ((mother, (7, 14), 9_900), (mother, (7, 15), 1_000), (son, (8, 31), 500),
                            (son, (9, 1), 700), (free, (8, 1), 2_000), (silent, (8, 2), 9_900)):  # fmt: skip
        record_visit(
            customer=who,
            store=barona_iela,
            net_cents=cents,
            receipt_id=f"{who.pk}-{day}",
            occurred_at=datetime(2026, *day, 9, tzinfo=UTC),
            by=None,
        )
    assert measure_hold_out(today=date(2026, 8, 5)) == 0
    assert measure_hold_out(today=date(2026, 9, 5)) == 1
    assert measure_hold_out(today=date(2026, 9, 30)) == 0
    assert measure_hold_out(today=date(2026, 10, 1)) == 1
    rows = HoldOutArm.objects.order_by("through", "is_treated").values_list(
        "through", "is_treated", "households", "came", "visits", "visits_squares", "net_cents"
    )
    assert list(rows) == [
        (date(2026, 8, 31), False, 1, 1, 2, 4, 1_500),
        (date(2026, 8, 31), True, 1, 1, 1, 1, 2_000),
        (date(2026, 9, 30), False, 1, 1, 3, 9, 2_200),
        (date(2026, 9, 30), True, 1, 1, 1, 1, 2_000),
    ]
    assert hold_out_effect(standing).compared is None


def test_its_last_day_is_measured_too(clock: time_machine.Traveller) -> None:
    one = add_reader(1)
    draw(seed=seed_that_holds(one))
    clock.move_to(datetime(2027, 7, 20, 9, tzinfo=UTC))
    measure_hold_out()
    assert set(HoldOutArm.objects.values_list("through", flat=True)) == {date(2027, 7, 14)}


def test_the_database_refuses_draws_and_places_that_cannot_be() -> None:
    one = add_reader(1)
    good = {"starts_on": TODAY, "through": TODAY, "percent": 5, "seed": 1}
    for wrong in ({"percent": 0}, {"percent": 51}, {"through": TODAY - timedelta(days=1)}):
        with pytest.raises(IntegrityError), transaction.atomic():
            HoldOut.objects.create(**(good | wrong))
    standing = HoldOut.objects.create(**good)
    with pytest.raises(IntegrityError, match="one_draw_a_day"), transaction.atomic():
        HoldOut.objects.create(**good)
    place = {"hold_out": standing, "customer": one, "household": one.pk, "is_held_out": True, "could_get": True}
    HoldOutPlace.objects.create(**place, placed_on=TODAY)
    with pytest.raises(IntegrityError, match="place_once"), transaction.atomic():
        HoldOutPlace.objects.create(**place, placed_on=TODAY)

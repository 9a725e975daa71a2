"""Random shops: the one set-based pass against the plain calculator, and a night's pass against a full one."""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from customers.actions.classifying import classify
from customers.models import Classification, Customer, LoyaltyFlag, Refund, Signal, Visit
from customers.tests.facts import ShopOfFacts

FIRST, LAST = date(2021, 1, 1), date(2024, 7, 10)
PRODUCTS = [(f"P{number}", f"C{number % 3}", 100 + 37 * number) for number in range(20)]


def one_of(chance: random.Random, first: date, last: date) -> date:
    return first + timedelta(days=chance.randrange((last - first).days + 1))


def random_shop(seed: int, *, customers: int, visits: int, with_lines: bool) -> ShopOfFacts:
    chance, shop = random.Random(seed), ShopOfFacts()
    names = [f"K{number}" for number in range(customers)]
    for name in names:
        shop.customer(name)
        shop.customer(f"{name}-nobody")
    for _number in range(visits):
        name = chance.choice(names[: 1 + chance.randrange(len(names))])
        gross = chance.choice([0, 1, 990, 2_000, 10_050])
        net = gross - chance.choice([0, 0, gross // 10, gross // 3])
        recent = chance.random() < 0.6
        day = one_of(chance, date(2024, 1, 1) if recent else FIRST, LAST)
        visit = shop.bought(
            name, day, gross=gross, net=net, store=chance.choice("ABC"), anonymous=chance.random() < 0.05
        )
        if with_lines and gross and chance.random() < 0.7:
            some = chance.sample(PRODUCTS, chance.randrange(1, 4))
            shop.lines(
                visit, *((p, c, chance.choice([1, 2]), price + chance.randrange(-30, 31)) for p, c, price in some)
            )
        if net > 1 and chance.random() < 0.15:
            part = chance.choice([net, net, net // 2])
            shop.gave_back(visit, min(LAST, day + timedelta(days=chance.randrange(40))), part)
        elif chance.random() < 0.05:
            shop.undid(visit)
    for name in names:
        for kind in ("says", "brings", "pays", "stays"):
            if chance.random() < 0.3:
                shop.sign(name, kind, one_of(chance, FIRST, LAST), chance.choice([-1, -0.4, 0, 0.25, 1]))
        if chance.random() < 0.2:
            first = one_of(chance, FIRST, LAST)
            shop.flagged(name, first, first + timedelta(days=chance.randrange(90)), loyal=chance.random() < 0.5)
    return shop


def as_decided(name: str) -> dict[str, Any]:
    row = Classification.objects.get(customer__external_id=name)
    fields = ("regular", "repeat_days", "months_in_row", "score", "loyal", "thin", "group")
    return {field: getattr(row, field) for field in fields}


@pytest.mark.django_db
@pytest.mark.parametrize(("seed", "with_lines"), [(1, False), (2, True), (3, True)])
def test_the_pass_and_the_plain_calculator_agree(seed: int, with_lines: bool) -> None:
    shop = random_shop(seed, customers=6, visits=150, with_lines=with_lines)
    groups = set()
    for day in (date(2020, 12, 31), date(2022, 3, 1), date(2024, 2, 29), date(2024, 6, 30), LAST):
        classify(as_of=day)
        for name in Customer.objects.values_list("external_id", flat=True):
            expected = asdict(shop.plain.result(name, day))
            assert as_decided(name) == expected, (name, day)
            groups.add(expected["group"])
    assert {"regular", "neither", "unknown"} <= groups


def all_rows() -> dict[int, dict[str, Any]]:
    left_out = {"as_of", "run_id"}
    return {
        row["customer_id"]: {name: value for name, value in row.items() if name not in left_out}
        for row in Classification.objects.values()
    }


@pytest.mark.django_db
def test_a_nights_pass_over_the_due_ends_where_a_full_pass_ends() -> None:
    shop = random_shop(5, customers=12, visits=200, with_lines=True)
    move_recording_back()
    day, looked_at = date(2024, 6, 19), []
    classify(as_of=day)
    chance = random.Random(6)
    while day < LAST:
        day += timedelta(days=1)
        if chance.random() < 0.3:
            # Within the month: the stores' norms are measured by full passes and hold for a month.
            visit = shop.bought(f"K{chance.randrange(12)}", day.replace(day=1 + chance.randrange(day.day)), store="A")
            if chance.random() < 0.4:
                shop.gave_back(visit, day, 90_00)
            elif chance.random() < 0.4:
                shop.undid(visit)
        run = classify(as_of=day, only_due=True)
        move_recording_back()
        assert run.is_full == (day.day == 1)
        looked_at.append(run.customers)
        found = all_rows()
        with transaction.atomic():
            classify(as_of=day)
            assert found == all_rows(), day
            transaction.set_rollback(True)
    assert min(looked_at) < Customer.objects.count() / 4


def move_recording_back() -> None:
    """Facts recorded long ago: only their days, and what moves by itself, can make a customer due."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    for model in (Visit, Refund, Signal):
        model.objects.update(recorded_at=long_ago)
    Visit.objects.filter(voided_at__isnull=False).update(voided_at=long_ago)
    LoyaltyFlag.objects.update(set_at=long_ago)

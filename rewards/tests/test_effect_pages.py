"""What worked: the pages and files say what was measured, and nothing that was not."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from customers.models import Customer
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import User
from rewards.knobs import HOLD_OUT_PERCENT
from rewards.models import HoldOut, HoldOutArm, HoldOutPlace, MeasuredArm, Run
from rewards.tests.audiences import active_offer, add_reader, open_shop, planned_run

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]


def arm(households: int, came: int, spent: int) -> dict[str, Any]:
    """So many households of whom `came` came once and spent this much, in cents."""
    return {
        "households": households,
        "came": came,
        "visits": came,
        "visits_squares": came,
        "net_cents": came * spent,
        "net_cents_squares": came * spent**2,
    }


def measured(run: Run, treated: dict[str, Any], control: dict[str, Any]) -> None:
    for is_treated, sums in ((True, treated), (False, control)):
        MeasuredArm.objects.create(run=run, is_treated=is_treated, through=run.good_through, days=28, **sums)


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.fixture
def run() -> Run:
    open_shop()
    add_reader(1)
    return planned_run(control_percent=20)


def test_more_visits_are_said_with_their_range_and_cost(run: Run, dace: User, signed_in: SignedIn) -> None:
    """400 offered, 200 came; 400 of control, 100 came. The difference is 25 per 100.

    The variances are 0.25 and 0.1875, times 400/399: the standard error is √(0.4375/399) = 0.033113; with 782 degrees
    of freedom t is 1.96300: 25 less and plus 6.5.
    """
    measured(run, arm(400, 200, 10_00), arm(400, 100, 8_00))
    shown = page(signed_in(dace), f"/offers/{run.offer_id}/results/")
    assert "25.0 more visits per 100 households (+18.5 to +31.5)" in shown
    assert "chart-interval" in shown
    assert "Extra visits" in shown
    table = page(signed_in(dace), f"/offers/{run.offer_id}/results/?view=table")
    assert "50%" in table
    assert "25%" in table
    assert "€5.00" in table
    assert "€2.00" in table


@pytest.mark.parametrize(
    ("treated", "control", "sentence"),
    [
        (arm(400, 100, 100), arm(400, 200, 100), "25.0 fewer visits per 100 households (−31.5 to −18.5)"),
        (arm(400, 100, 100), arm(40, 9, 100), "Too few people to tell: only"),
        (arm(400, 400, 100), arm(19, 0, 100), "Too few people to tell: 20 households are needed in each group"),
    ],
)
def test_what_cannot_be_told_is_not_claimed(
    treated: dict[str, Any], control: dict[str, Any], sentence: str, run: Run, dace: User, signed_in: SignedIn
) -> None:
    measured(run, treated, control)
    shown = page(signed_in(dace), f"/offers/{run.offer_id}/results/")
    assert sentence in shown
    assert "Extra visits" not in shown
    assert "more visits" not in shown


def test_it_is_too_early_while_visits_count(run: Run, dace: User, signed_in: SignedIn) -> None:
    shown = page(signed_in(dace), f"/offers/{run.offer_id}/results/")
    assert "Too early to tell." in shown
    assert "chart-interval" not in shown


def test_without_a_control_group_nothing_is_claimed(dace: User, signed_in: SignedIn) -> None:
    open_shop()
    add_reader(1)
    offer = planned_run(control_percent=0).offer
    shown = page(signed_in(dace), f"/offers/{offer.pk}/results/")
    assert "Without a control group no effect is claimed" in shown


def test_the_file_has_each_run_and_all_together(run: Run, admin: User, signed_in: SignedIn) -> None:
    measured(run, arm(400, 200, 10_00), arm(400, 100, 8_00))
    answer = signed_in(admin).get(f"/offers/{run.offer_id}/results/export/")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [row["run"] for row in rows] == ["all", str(run.pk)]
    assert {(row["verdict"], row["visits"], row["control_visits"], row["net"], row["control_net"]) for row in rows} == {
        ("more", "0.5000", "0.2500", "5.00", "2.00")
    }


def test_the_number_of_queries_does_not_grow_with_the_runs(
    run: Run, dace: User, signed_in: SignedIn, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    measured(run, arm(400, 200, 10_00), arm(400, 100, 8_00))
    browser = signed_in(dace)
    with CaptureQueriesContext(connection) as small:
        page(browser, f"/offers/{run.offer_id}/results/")
    for number in range(5):
        other = Run.objects.get(pk=run.pk)
        other.pk, other.occurrence = None, f"again:{number}"
        other.save()
        measured(other, arm(400, 200, 10_00), arm(400, 100, 8_00))
    with django_assert_max_num_queries(len(small)):
        page(browser, f"/offers/{run.offer_id}/results/")


def test_the_hold_out_is_empty_until_it_is_drawn(dace: User, signed_in: SignedIn) -> None:
    assert "Nobody is held out yet." in page(signed_in(dace), "/reports/hold-out/")
    set_knob(key=HOLD_OUT_PERCENT.key, new=0, by=None)
    assert "Nobody is held out: the share is set to 0." in page(signed_in(dace), "/reports/hold-out/")


def test_the_hold_out_says_the_return_of_all_offers(
    anna: Customer, dace: User, admin: User, signed_in: SignedIn
) -> None:
    """Others spend €5.00 a household, those held out €2.00: €3.00 times 400 households, and no code was used."""
    standing = HoldOut.objects.create(starts_on=date(2026, 1, 10), through=date(2027, 1, 9), percent=5, seed=1)
    HoldOutPlace.objects.create(
        hold_out=standing,
        customer=anna,
        household=anna.pk,
        is_held_out=True,
        could_get=True,
        placed_on=date(2026, 1, 10),
    )
    assert "Too early to tell." in page(signed_in(dace), "/reports/hold-out/")
    for is_treated, sums in ((True, arm(400, 200, 10_00)), (False, arm(400, 100, 8_00))):
        HoldOutArm.objects.create(hold_out=standing, is_treated=is_treated, through=date(2026, 2, 28), **sums)
    shown = page(signed_in(dace), "/reports/hold-out/")
    assert "25.0 more visits per 100 households (+18.5 to +31.5)" in shown
    assert "+€1,200.00" in shown
    answer = signed_in(admin).get("/reports/hold-out/export/")
    (row,) = csv.DictReader(io.StringIO(answer.getvalue().decode()))
    assert (row["through"], row["households"], row["net_difference"], row["cost"]) == (
        "2026-02-28",
        "400",
        "3.00",
        "0.00",
    )


def test_only_a_draw_there_is_is_shown(dace: User, signed_in: SignedIn) -> None:
    for year in (2024, 2025):
        HoldOut.objects.create(
            starts_on=date(year, 1, 1), through=date(year, 1, 1) + timedelta(days=364), percent=5, seed=1
        )
    older = HoldOut.objects.get(starts_on=date(2024, 1, 1))
    assert f'?draw={older.pk}" aria-current="true"' in page(signed_in(dace), f"/reports/hold-out/?draw={older.pk}")
    assert page(signed_in(dace), "/reports/hold-out/?draw=x")


def test_an_offer_without_runs_has_nothing_to_tell(dace: User, signed_in: SignedIn) -> None:
    open_shop()
    offer = active_offer()
    assert "Nothing was sent yet" in page(signed_in(dace), f"/offers/{offer.pk}/results/")

"""Limits of adjustments bind whoever could widen them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from customers.models import Customer
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from rewards.actions.adjusting import approve_adjustment
from rewards.tests.adjustments import adjust, second_manager

pytestmark = pytest.mark.django_db
WEDNESDAY = datetime(2026, 7, 15, 9, tzinfo=UTC)


@pytest.fixture
def ilona(barona_iela: Store) -> User:
    return second_manager()


def test_a_limit_that_one_raised_oneself_holds_from_the_next_day(
    nameless: Customer, olga: Customer, dace: User, ilona: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        set_knob(key="adjustment_cap_manager_points", new=1_000, by=None)
        set_knob(key="adjustment_approval_points", new=500, by=None)
        clock.shift(timedelta(days=1))
        for key in ("adjustment_cap_manager_points", "adjustment_approval_points"):
            set_knob(key=key, new=100_000, by=dace)
        with pytest.raises(Refused, match="left today"):
            adjust(nameless, 1_001, dace)
        assert adjust(nameless, 501, dace).status == "waiting"
        assert adjust(olga, 1_001, ilona).status == "posted"
        clock.shift(timedelta(days=1))
        assert adjust(nameless, 1_001, dace).status == "posted"
        set_knob(key="adjustment_approval_points", new=10, by=dace)
        assert adjust(olga, 11, dace).status == "waiting"


def test_the_only_manager_does_not_shorten_the_wait_of_what_waits(nameless: Customer, dace: User) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        asked = adjust(nameless, 1_001, dace)
        clock.shift(timedelta(minutes=1))
        set_knob(key="own_confirmation_hours", new=1, by=dace)
        clock.shift(timedelta(hours=2))
        with pytest.raises(Refused, match="confirm this yourself from"):
            approve_adjustment(adjustment=asked, by=dace)
        clock.shift(timedelta(hours=22))
        assert approve_adjustment(adjustment=asked, by=dace).is_own_confirmation

"""The night: done once, and right when it is repeated or late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from customers.models import Classification, Customer
from loyaltycrm.core.models import Store
from loyaltycrm.shop.actions.night import last_night, run_night
from rewards.actions.earning import record_visit
from rewards.models import Posting, TierStanding
from rewards.queries import tier_of

pytestmark = pytest.mark.django_db

NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)


def test_points_end_and_the_tier_falls_overnight(nameless: Customer, barona_iela: Store) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=1500_00, by=None)
        assert tier_of(nameless) == "silver"
        clock.shift(timedelta(days=365))
        outcome = run_night()
        assert outcome is not None
        assert outcome["lots_ended"] == 1
        assert tier_of(nameless) == "member"
        assert Posting.objects.filter(kind="expire", points=1500).count() == 1
        assert Classification.objects.get(customer=nameless).as_of.isoformat() == "2026-03-03"


def test_a_night_is_done_once_and_repeating_it_changes_nothing(nameless: Customer, barona_iela: Store) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=1500_00, by=None)
        clock.shift(timedelta(days=400))
        assert run_night() is not None
        before = (Posting.objects.count(), TierStanding.objects.get().tier)
        assert run_night() is None
        assert run_night(again=True) is not None
        assert (Posting.objects.count(), TierStanding.objects.get().tier) == before
        night = last_night()
        assert night is not None
        assert night.key == "2026-04-07"

"""A version that was signed after a customer's last review decides their tier from its first day on."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit
from rewards.actions.tiers import review_due_tiers
from rewards.models import ProgrammeVersion
from rewards.queries import tier_of
from rewards.tests.rules import SHIPPED

pytestmark = pytest.mark.django_db


def test_everybody_is_reviewed_when_a_version_begins(nameless: Customer, barona_iela: Store) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=60_00, by=None)
    assert tier_of(nameless) == "member"
    today = barona_iela.business_date()
    levels = [
        {"key": key, "names": {"en": key}, "threshold": cents} for key, cents in (("member", 0), ("silver", 50_00))
    ]
    rules = {**SHIPPED, "tiers": {**SHIPPED["tiers"], "levels": levels}}
    ProgrammeVersion.objects.create(number=2, starts_on=today + timedelta(days=2), rules=rules)
    with time_machine.travel(f"{today + timedelta(days=1)}T12:00:00Z"):
        assert review_due_tiers() == 0
        assert tier_of(nameless) == "member"
    with time_machine.travel(f"{today + timedelta(days=3)}T12:00:00Z"):
        assert review_due_tiers() == 1
        assert tier_of(nameless) == "silver"
        assert tier_of(nameless, today + timedelta(days=1)) == "member"
        assert tier_of(nameless, today + timedelta(days=2)) == "silver"
        assert review_due_tiers() == 0

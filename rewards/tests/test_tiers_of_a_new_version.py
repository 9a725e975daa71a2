"""A version that was signed after a customer's last review decides their tier from its first day on."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction

from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit
from rewards.actions.tiers import review_due_tiers
from rewards.ledger.audit import audit
from rewards.models import ProgrammeVersion, TierChange
from rewards.programme import FINGERPRINT, programmes_of, versions
from rewards.queries import tier_of
from rewards.tests.rules import SHIPPED, in_force, rules_of

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


def test_a_fall_names_the_tier_that_a_late_receipt_gave_before_it(nameless: Customer, barona_iela: Store) -> None:
    levels = [
        {"key": key, "names": {"en": key}, "threshold": cents}
        for key, cents in (("member", 0), ("silver", 100_00), ("gold", 250_00))
    ]
    kept = {"window": {"kind": "calendar_year"}, "review": "yearly", "levels": levels}
    in_force(rules_of(tiers=kept))
    sold_at = datetime(2026, 3, 16, 10, tzinfo=UTC)
    with time_machine.travel("2028-01-02T10:00:00Z"):
        for net_cents, before in ((100_00, "silver"), (150_00, "gold")):
            record_visit(customer=nameless, store=barona_iela, net_cents=net_cents, occurred_at=sold_at, by=None)
            fall = TierChange.objects.get(customer=nameless, on=date(2027, 12, 31))
            assert (fall.tier_before, fall.tier, fall.qualifying) == (before, "member", 0)
        assert list(audit()) == []


def test_versions_that_were_taken_back_are_not_remembered(barona_iela: Store) -> None:
    """Asked for by what was known before, while another one was being signed."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {FINGERPRINT}")
        known = cursor.fetchone()[0]
    versions._read_all.cache_clear()
    with suppress(ZeroDivisionError), transaction.atomic():
        ProgrammeVersion.objects.create(number=2, starts_on=date(2027, 1, 1), rules=SHIPPED)
        assert programmes_of(known).starts == [date(2027, 1, 1)]
        raise ZeroDivisionError
    assert programmes_of(known).starts == []

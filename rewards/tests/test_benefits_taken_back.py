"""The migration that made benefits one column goes back where nothing is lost, and stops where something would be."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection

from rewards.benefits import FreeItem, Gift, MoneyOff
from rewards.models import Reward


@pytest.mark.faults
def test_benefits_go_back_to_the_columns_they_came_from(committed_db: str) -> None:
    for key, benefit in (("a", FreeItem(worth_cents=250)), ("b", MoneyOff(value_cents=500)), ("c", Gift())):
        Reward.objects.create(key=key, names={"en": key}, points_cost=100, benefit=benefit)
    with pytest.raises(ProgrammingError, match="would be lost"):
        call_command("migrate", "rewards", "0017", verbosity=0)
    Reward.objects.filter(key="c").delete()
    before = list(Reward.objects.order_by("key").values_list("key", "benefit"))
    call_command("migrate", "rewards", "0017", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, kind, value_cents FROM rewards_reward ORDER BY key")
        assert cursor.fetchall() == [("a", "free_item", 250), ("b", "money_off", 500)]
    call_command("migrate", verbosity=0)
    assert list(Reward.objects.order_by("key").values_list("key", "benefit")) == before

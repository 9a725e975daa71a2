"""The catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, User
from rewards.actions.catalogue import RewardContent, add_reward, edit_reward, offer_reward_again, stop_reward
from rewards.benefits import FreeItem
from rewards.models import Reward

pytestmark = pytest.mark.django_db
Browser = Callable[[User], Client]


def coffee(**changes: Any) -> RewardContent:
    names = {"en": "Coffee", "lv": "Kafija", "ru": "Кофе"}
    return RewardContent(**{"names": names, "benefit": FreeItem(worth_cents=1_50), "points_cost": 120, **changes})


def typed(**changes: str) -> dict[str, str]:
    return {
        "name_en": "Coffee", "name_lv": "Kafija", "name_ru": "Кофе", "kind": "free_item", "points_cost": "120",
        "worth_cents": "1.50", "idempotency_key": str(uuid4()), **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"names": {"en": "Coffee", "lv": " ", "ru": "Кофе"}}, "name_lv"),
        ({"points_cost": 0}, "points_cost"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refusal:
        add_reward(content=coffee(**changes), by=None)
    assert refusal.value.field == field
    assert Reward.objects.count() == 0


def test_two_rewards_of_one_name_have_their_own_keys() -> None:
    keys = [add_reward(content=coffee(), by=None).key for _time in range(3)]
    assert keys == ["coffee", "coffee-2", "coffee-3"]
    assert add_reward(content=coffee(names={"en": "Кофе", "lv": "K", "ru": "К"}), by=None).key == "reward"


def test_a_change_is_logged_with_what_was_before(dace: User) -> None:
    reward = add_reward(content=coffee(), by=dace)
    edit_reward(reward=reward, content=coffee(points_cost=150), by=dace)
    assert AuditEvent.objects.get(action="edit reward").data == {
        "before": {"points_cost": 120},
        "after": {"points_cost": 150},
    }


def test_stopping_and_offering_again() -> None:
    reward = add_reward(content=coffee(), by=None)
    assert stop_reward(reward=reward, by=None).is_active is False
    assert stop_reward(reward=reward, by=None).is_active is False
    assert AuditEvent.objects.filter(action="stop reward").count() == 1
    assert offer_reward_again(reward=reward, by=None).is_active is True


def test_a_manager_adds_changes_and_stops_a_reward(signed_in: Browser, dace: User) -> None:
    browser = signed_in(dace)
    added = browser.post(reverse("rewards:reward_create"), typed())
    assert added.status_code == 302
    reward = Reward.objects.get()
    assert (reward.names["ru"], reward.points_cost, reward.benefit) == ("Кофе", 120, FreeItem(worth_cents=1_50))
    browser.post(reverse("rewards:reward_edit", args=[reward.pk]), typed(worth_cents="1,80"))
    browser.post(reverse("rewards:reward_stop", args=[reward.pk]))
    reward.refresh_from_db()
    assert (reward.benefit, reward.is_active) == (FreeItem(worth_cents=1_80), False)
    assert "No longer offered" in browser.get(reverse("rewards:catalogue")).content.decode()


def test_a_double_click_adds_one_reward(signed_in: Browser, dace: User) -> None:
    browser, form = signed_in(dace), typed()
    assert [browser.post(reverse("rewards:reward_create"), form).status_code for _click in range(2)] == [302, 302]
    assert Reward.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name_lv": ""}, "Fill in this field: Name in Latvian"),
        ({"points_cost": "1_000"}, "Enter a whole number, for example 200"),
        ({"points_cost": "٣"}, "Enter a whole number, for example 200"),
        ({"worth_cents": "many"}, "Enter an amount"),
        ({"worth_cents": ""}, "Enter what the benefit is worth, for example 3.00"),
        ({"kind": "house"}, "Choose one of the options shown"),
    ],
)
def test_a_mistake_is_said_and_nothing_is_added(
    signed_in: Browser, dace: User, changes: dict[str, str], said: str
) -> None:
    answer = signed_in(dace).post(reverse("rewards:reward_create"), typed(**changes))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count(said) == 2
    assert "<title>Error:" in page
    assert Reward.objects.count() == 0


def test_the_list_filters_sorts_pages_and_exports(signed_in: Browser, dace: User) -> None:
    for number in range(30):
        reward = add_reward(
            content=coffee(names={"en": f"R{number:02d}", "lv": "x", "ru": "y"}, points_cost=number + 1), by=None
        )
        if number % 2:
            stop_reward(reward=reward, by=None)
    browser, here = signed_in(dace), reverse("rewards:catalogue")
    assert rewards_on(browser.get(here)) == [f"R{n:02d}" for n in range(25)]
    assert rewards_on(browser.get(here, {"page": "2"})) == [f"R{n:02d}" for n in range(25, 30)]
    assert rewards_on(browser.get(here, {"sort": "-points_cost"}))[:2] == ["R29", "R28"]
    assert rewards_on(browser.get(here, {"offered": "false"})) == [f"R{n:02d}" for n in range(1, 30, 2)]
    export = b"".join(browser.get(reverse("rewards:catalogue_export"), {"offered": "true"}).streaming_content).decode()  # type: ignore[attr-defined]
    lines = export.splitlines()
    assert lines[0] == "reward,name_en,name_lv,name_ru,benefit,points,value,offered,times_used"
    assert len(lines) == 16
    assert lines[1] == "r00,R00,x,y,free_item,1,1.50,yes,0"


def rewards_on(answer: Any) -> list[str]:
    return [str(row.get_cell_value("name")) for row in answer.context["table"].paginated_rows]


@pytest.mark.parametrize(
    "query",
    [
        {"page": "-1"},
        {"page": "x"},
        {"page": "9" * 40},
        {"sort": "x"},
        {"sort": "-"},
        {"kind": "x"},
        {"offered": "maybe"},
    ],
)
def test_strange_addresses_show_a_page(signed_in: Browser, dace: User, query: dict[str, str]) -> None:
    add_reward(content=coffee(), by=None)
    assert signed_in(dace).get(reverse("rewards:catalogue"), query).status_code == 200


def test_the_list_takes_the_same_queries_for_any_length(signed_in: Browser, dace: User) -> None:
    browser = signed_in(dace)
    for number in range(2):
        add_reward(content=coffee(points_cost=number + 1), by=None)
    few = queries_of(browser)
    for number in range(2, 20):
        add_reward(content=coffee(points_cost=number + 1), by=None)
    assert queries_of(browser) == few


def queries_of(browser: Client) -> int:
    browser.get(reverse("rewards:catalogue"))
    with CaptureQueriesContext(connection) as queries:
        browser.get(reverse("rewards:catalogue"))
    return len(queries)


def test_no_such_reward_is_not_found(signed_in: Browser, dace: User) -> None:
    browser = signed_in(dace)
    for number in (1, 10**30):
        assert browser.get(f"/rewards/{number}/").status_code == 404
        assert browser.post(f"/rewards/{number}/stop/").status_code == 404

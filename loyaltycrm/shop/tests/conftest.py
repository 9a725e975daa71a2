"""What the tests of the till share: a Tuesday afternoon, a small catalogue, a customer's code."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from typing import Any, Protocol
from uuid import uuid4

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client

from customers.models import Customer
from loyaltycrm.core.actions.api_keys import make_api_key
from loyaltycrm.core.models import Scope, Store, User
from loyaltycrm.shop.tests.tills import MakeTill, Till
from rewards.actions.catalogue import RewardContent, add_reward
from rewards.benefits import Benefit, FreeItem, MoneyOff
from rewards.models import Reward, Voucher


class Answer(Protocol):
    """A page that came back."""

    content: bytes


@pytest.fixture
def tuesday() -> Iterator[time_machine.Traveller]:
    """It is 14:32 in Riga on Tuesday, 14 July 2026: no double points."""
    with time_machine.travel("2026-07-14T11:32:00+00:00", tick=True) as clock:
        yield clock


@pytest.fixture
def coffee() -> Reward:
    return _reward("Free coffee", 120)


@pytest.fixture
def breakfast() -> Reward:
    return _reward("Free breakfast", 500)


@pytest.fixture
def at_barona(liga: User, signed_in: Callable[[User], Client]) -> Client:
    """The browser of Līga's till at Barona iela."""
    return signed_in(liga)


@pytest.fixture
def till_of(admin: User) -> MakeTill:
    def make(store: Store, scopes: Collection[str] = Scope.values, **more: Any) -> Till:
        return Till(make_api_key(name="Till 1", store=store, scopes=scopes, by=admin, **more).secret)

    return make


@pytest.fixture
def till(till_of: MakeTill, barona_iela: Store) -> Till:
    return till_of(barona_iela)


def _reward(name: str, points: int) -> Reward:
    content = RewardContent(
        names={"en": name, "lv": f"{name} (lv)", "ru": f"{name} (ru)"},
        points_cost=points,
        benefit=FreeItem(worth_cents=300),
    )
    return add_reward(content=content, by=None)


def code_for(
    customer: Customer, store: Store, *, code: str = "RYE2LAVE", least_cents: int = 0, benefit: Benefit | None = None
) -> Voucher:
    """A code worth €3 that the customer got by mail, good for ten days."""
    today = store.business_date()
    return Voucher.objects.create(
        code=code,
        customer=customer,
        names={"en": "€3 off"},
        benefit=benefit or MoneyOff(value_cents=300, minimum_spend_cents=least_cents),
        valid_from=today,
        good_through=today + timedelta(days=9),
    )


def save(client: Client, customer: Customer, amount: str, *, key: str = "", **more: Any) -> HttpResponse:
    """Send the visit form."""
    values = {"amount": amount, "idempotency_key": key or str(uuid4()), **more}
    return client.post(f"/till/customers/{customer.pk}/save/", values)  # type: ignore[return-value]


def text_of(response: Answer) -> str:
    """What a person reads on a page: its text without tags, each blank once."""
    body = re.sub(r"<(script|style|head)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    plain = re.sub(r"<[^>]+>", " ", body).replace("&#x27;", "'").replace("&amp;", "&").replace("\xa0", " ")
    return re.sub(r"\s+", " ", plain)

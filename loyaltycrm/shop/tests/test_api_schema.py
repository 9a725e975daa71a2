"""The whole API under whatever its schema allows and does not allow: no 5xx, no answer that is not declared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from customers.models import Customer
from loyaltycrm.core.models import Scope, Store
from loyaltycrm.shop.api import PREFIX, api
from loyaltycrm.shop.tests.conftest import code_for
from loyaltycrm.shop.tests.tills import MakeTill, sale
from loyaltycrm.wsgi import application
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Reward

pytestmark = [pytest.mark.faults, pytest.mark.django_db]

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
# What is there to be met, so that a request gets past "not known".
KNOWN: dict[str, list[str]] = {
    "customer": ["A-1001", "A-1004"],
    "number": ["A-1001"],
    "receipt": ["R-1", "R-2"],
    "of_receipt": ["R-1", "R-2"],
    "of_store": ["BARONA", "CENTRS"],
    "reward": ["coffee"],
    "code": ["RYE2LAVE"],
    "card": ["0042 1187"],
    "language": ["lv"],
}


@contextmanager
def one_transaction() -> Iterator[None]:
    """Let requests through the plain WSGI application share the test's transaction, as those of Django's client do.

    Not while that client is used: it connects again what is disconnected here.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


def operations() -> list[tuple[str, str]]:
    paths = api.get_openapi_schema(path_prefix=PREFIX)["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


@pytest.fixture
def secret(
    till_of: MakeTill, barona_iela: Store, centrs: Store, anna: Customer, nameless: Customer, settings: Settings
) -> str:
    settings.API_REQUESTS_PER_MINUTE = 0
    Reward.objects.create(key="coffee", names={"en": "Coffee"}, points_cost=10, benefit=FreeItem(worth_cents=200))
    code_for(anna, barona_iela)
    till = till_of(barona_iela, scopes=Scope.values)
    for receipt, customer in (("R-1", "A-1001"), ("R-2", "A-1004")):
        assert till.post("/visits", sale(receipt) | {"customer": customer}).status_code == 201
    return till.secret


def meet(data: st.DataObject, content: Any) -> None:
    """Half of the time put what is known in the place of what was made up."""
    if isinstance(content, dict) and data.draw(st.booleans()):
        content.update({name: data.draw(st.sampled_from(KNOWN[name])) for name in KNOWN if name in content})


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
@pytest.mark.parametrize(("method", "path"), operations())
def test_every_answer_is_declared(method: str, path: str, mode: GenerationMode, secret: str) -> None:
    schema = schemathesis.openapi.from_dict(api.get_openapi_schema(path_prefix=PREFIX))
    schema.app = application
    operation = schema[path][method]
    statuses = set()

    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    @examples(
        max_examples=20, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def answered(case: Any, data: st.DataObject) -> None:
        if mode is GenerationMode.POSITIVE:
            meet(data, case.query)
            meet(data, case.body)
        response = case.call(headers={"Authorization": f"Bearer {secret}"})
        case.validate_response(response, checks=list(CHECKS))
        statuses.add(response.status_code)

    with one_transaction():
        answered()
    if mode is GenerationMode.POSITIVE:
        assert 401 not in statuses
        # A customer is found by one of four names, and all of them are made up together.
        assert 200 in statuses or method == "POST" or path.endswith("/customers/find")
    assert list(audit()) == []

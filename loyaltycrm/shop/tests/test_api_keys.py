"""Who is let into the API, and for what."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from customers.models import ConsentEvent, Customer, Visit
from loyaltycrm.core.actions.api_keys import change_api_key, make_api_key, revoke_api_key, rotate_api_key
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import ApiKey, AuditEvent, Scope, Store, User
from loyaltycrm.shop.tests.tills import MakeTill, Till, books, code, sale

pytestmark = pytest.mark.django_db


def test_a_secret_is_kept_nowhere(barona_iela: Store, admin: User) -> None:
    made = make_api_key(name="Till 1", store=barona_iela, scopes=[Scope.READ_POINTS], by=admin)
    assert len(made.secret) >= 40
    row = ApiKey.objects.filter(pk=made.key.pk).values().get()
    assert not any(made.secret in str(value) for value in row.values())
    told = AuditEvent.objects.get(action="make api key")
    assert told.by == admin
    assert made.secret not in json.dumps(told.data)


@pytest.mark.parametrize("secret", ["", "x", "lcrm_" + "a" * 43, "ключ", "Bearer"])
def test_strangers_get_nothing(till: Till, secret: str) -> None:
    till.secret = secret.encode().decode("latin-1")
    before = books()
    for answer in (till.get("/health"), till.get("/customers/find?card=0042"), till.post("/visits", sale())):
        assert (answer.status_code, code(answer)) == (401, "unauthorized")
        assert answer["WWW-Authenticate"] == "Bearer"
    assert books() == before


def test_a_session_is_no_key(admin: User, signed_in: Callable[[User], Client]) -> None:
    assert signed_in(admin).get("/api/v1/health").status_code == 401


def test_a_rotated_secret_opens_for_a_while_and_a_revoked_key_no_more(barona_iela: Store, admin: User) -> None:
    made = make_api_key(name="Till 1", store=barona_iela, scopes=[Scope.READ_POINTS], by=admin)
    new = rotate_api_key(key=made.key, overlap=timedelta(hours=1), by=admin)
    assert [Till(secret).get("/health").status_code for secret in (made.secret, new.secret)] == [200, 200]
    ApiKey.objects.update(previous_ends_at=timezone.now())
    assert [Till(secret).get("/health").status_code for secret in (made.secret, new.secret)] == [401, 200]
    revoke_api_key(key=made.key, by=admin)
    revoke_api_key(key=made.key, by=admin)
    assert Till(new.secret).get("/health").status_code == 401
    assert AuditEvent.objects.filter(action="revoke api key", by=admin).count() == 1
    with pytest.raises(Refused):
        rotate_api_key(key=made.key, by=admin)


def test_a_key_ends_on_its_day(till_of: MakeTill, barona_iela: Store) -> None:
    till = till_of(barona_iela, expires_at=timezone.now() + timedelta(days=1))
    assert till.get("/health").status_code == 200
    ApiKey.objects.update(expires_at=timezone.now())
    assert till.get("/health").status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [{"name": " "}, {"name": "x" * 81}, {"scopes": []}, {"scopes": ["all"]}, {"language": "xx"}, {"kind": "fax"},
     {"expires_at": timezone.now()}],
)  # fmt: skip
def test_a_key_that_cannot_be_is_refused(barona_iela: Store, wrong: dict[str, Any]) -> None:
    wanted: dict[str, Any] = {"name": "Till", "store": barona_iela, "scopes": ["points:read"], "by": None}
    with pytest.raises(Refused):
        make_api_key(**wanted | wrong)
    assert not ApiKey.objects.exists()


def test_every_operation_asks_for_its_scope(till_of: MakeTill, barona_iela: Store, nameless: Customer) -> None:
    asked: dict[str, list[Any]] = {
        Scope.READ_CUSTOMERS: ["/customers/find?number=A-1004", "/customers/consent?customer=A-1004"],
        Scope.WRITE_CUSTOMERS: [("/customers", {"first_name": "Anna", "language": "lv"})],
        Scope.READ_VISITS: ["/visits?customer=A-1004", ("/visits/preview", {"customer": "A-1004", "net_cents": 1})],
        Scope.WRITE_VISITS: [("/visits", sale())],
        Scope.READ_POINTS: ["/points/balance?customer=A-1004", "/points/lots?customer=A-1004", "/points/rewards"],
    }
    for scope, requests in asked.items():
        without = till_of(barona_iela, scopes=set(Scope.values) - {scope})
        only = till_of(barona_iela, scopes=[scope])
        for request in requests:
            path, body = request if isinstance(request, tuple) else (request, None)
            before = books()
            refused = without.post(path, body) if body else without.get(path)
            assert (refused.status_code, code(refused)) == (403, "scope_missing"), path
            assert books() == before
            assert (only.post(path, body) if body else only.get(path)).status_code in (200, 201), path
    for scope, path in {
        Scope.VOID_VISITS: "/visits/void", Scope.USE_POINTS: "/points/redeem", Scope.WRITE_VISITS: "/visits/refund",
    }.items():  # fmt: skip
        without = till_of(barona_iela, scopes=set(Scope.values) - {scope})
        assert without.post(path, {}).status_code == 403


def test_a_changed_key_may_other_things_at_once_in_another_store(
    till_of: MakeTill, barona_iela: Store, centrs: Store, admin: User, nameless: Customer
) -> None:
    till = till_of(barona_iela, scopes=[Scope.READ_POINTS])
    key = ApiKey.objects.get()
    wanted: dict[str, Any] = {
        "name": "Till 1", "store": barona_iela, "scopes": [Scope.READ_POINTS], "kind": "till", "person": None,
        "language": "en", "expires_at": None,
    }  # fmt: skip
    change_api_key(key=key, **wanted, by=admin)
    assert not AuditEvent.objects.filter(action="change api key").exists()
    change_api_key(key=key, **wanted | {"store": centrs, "scopes": [Scope.WRITE_VISITS]}, by=admin)
    assert till.post("/visits", sale()).json()["store"] == "CENTRS"
    assert code(till.get("/points/balance?customer=A-1004")) == "scope_missing"
    told = AuditEvent.objects.get(action="change api key")
    assert (told.by, told.data) == (
        admin,
        {
            "before": {"store": "BARONA", "scopes": ["points:read"]},
            "after": {"store": "CENTRS", "scopes": ["visits:write"]},
        },
    )
    revoke_api_key(key=key, by=admin)
    with pytest.raises(Refused, match="closed"):
        change_api_key(key=key, **wanted, by=admin)
    key.refresh_from_db()
    assert key.store == centrs


def test_nobody_refunds_or_voids_on_the_own_account_by_a_till_of_their_own(
    till_of: MakeTill, barona_iela: Store, liga: User, nameless: Customer
) -> None:
    liga.customer_id = nameless.pk
    liga.save()
    own, shared = till_of(barona_iela, person=liga), till_of(barona_iela)
    shared.post("/visits", sale())
    shared.post("/visits/refund", {"receipt": "F-0", "of_receipt": "R-1", "net_cents": 10})
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/visits/refund/undo", {"receipt": "F-0"}),
        ("/visits/refund", {"receipt": "F-1", "of_receipt": "R-1", "net_cents": 490}),
        ("/visits/void", {"receipt": "R-1", "reason": "Typed twice"}),
    ]
    before = books()
    for path, body in requests:
        answer = own.post(path, body, key=path)
        assert (answer.status_code, code(answer)) == (422, "refused")
        assert answer.json()["error"]["message"] == "This is your own account. Ask another manager to do it."
    assert books() == before
    for path, body in requests:
        assert shared.post(path, body, key=path).status_code in (200, 201)


def test_what_comes_by_a_web_shop_is_told_as_such(till_of: MakeTill, barona_iela: Store, nameless: Customer) -> None:
    said = {"customer": "A-1004", "purpose": "offers", "channel": "email", "given": True}
    for kind, source, channel in (("web", "web", "web"), ("till", "till", "api")):
        client = till_of(barona_iela, kind=kind)
        assert client.post("/visits", sale(kind)).status_code == 201
        assert client.post("/customers/consent", said).status_code == 200
        assert (Visit.objects.latest("pk").channel, ConsentEvent.objects.latest("pk").source) == (channel, source)
    phoned = till_of(barona_iela, kind="till").post("/visits", sale("phoned", channel="web"))
    assert Visit.objects.get(receipt_id=phoned.json()["receipt"]).channel == "web"


def test_a_closed_store_records_nothing(till: Till, barona_iela: Store, nameless: Customer) -> None:
    Store.objects.update(is_active=False)
    before = books()
    answer = till.post("/visits", sale())
    assert (answer.status_code, code(answer)) == (403, "store_closed")
    assert books() == before

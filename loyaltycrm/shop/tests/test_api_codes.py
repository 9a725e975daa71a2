"""Codes as a connected till sees, checks and uses them: once, and refused with a reason."""

from __future__ import annotations

import pytest

from customers.models import Customer
from loyaltycrm.core.models import Scope, Store
from loyaltycrm.shop.tests.conftest import code_for
from loyaltycrm.shop.tests.tills import MakeTill, Till, books, code, sale
from rewards.models import Redemption, Voucher

pytestmark = pytest.mark.django_db
USE = {"customer": "A-1004", "code": "rye2-lave"}


def test_a_code_is_seen_checked_and_used_once(till: Till, nameless: Customer, barona_iela: Store) -> None:
    code_for(nameless, barona_iela)
    assert [one["code"] for one in till.get("/vouchers?customer=A-1004").json()["items"]] == ["RYE2LAVE"]
    before = books()
    assert till.get("/vouchers/check?customer=A-1004&code=rye2-lave").json()["value_cents"] == 300
    assert books() == before
    assert Voucher.objects.get().status == "issued"
    first, again = till.post("/vouchers/use", USE, key="u"), till.post("/vouchers/use", USE, key="u")
    assert first.status_code == 201
    assert first.content == again.content
    assert Redemption.objects.get().pk == first.json()["redemption"]
    before = books()
    for refused in (till.post("/vouchers/use", USE), till.get("/vouchers/check?customer=A-1004&code=RYE2LAVE")):
        assert (refused.status_code, code(refused)) == (422, "refused")
        assert refused.json()["error"]["message"] == "This code was used already."
    assert books() == before
    assert Redemption.objects.count() == 1
    assert till.get("/vouchers?customer=A-1004").json()["items"] == []


def test_a_code_used_on_a_visit_is_good_again_when_it_is_void(
    till: Till, nameless: Customer, barona_iela: Store
) -> None:
    code_for(nameless, barona_iela, least_cents=1_000)
    till.post("/visits", sale("R-1"))
    assert till.post("/vouchers/use", USE | {"receipt": "R-1"}).json()["receipt"] == "R-1"
    till.post("/visits/void", {"receipt": "R-1", "reason": "Rung up twice"})
    assert Voucher.objects.get().status == "issued"


def test_a_code_that_cannot_be_used_is_refused(
    till: Till, till_of: MakeTill, nameless: Customer, ilze: Customer, barona_iela: Store, centrs: Store
) -> None:
    code_for(nameless, barona_iela, least_cents=1_000)
    till.post("/visits", sale("R-1"))
    before = books()
    for more in ({"customer": "A-1005"}, {"code": "NONESUCH"}, {"net_cents": 999}):
        answer = till.post("/vouchers/use", USE | more)
        assert (answer.status_code, code(answer), answer.json()["error"]["field"]) == (422, "refused", "code")
    assert till_of(centrs).post("/vouchers/use", USE | {"receipt": "R-1"}).status_code == 404
    assert code(till.get("/vouchers/check?customer=A-1004&code=RYE2LAVE&net_cents=1_000")) == "invalid"
    for scope, answer in (
        (Scope.READ_VOUCHERS, lambda one: one.get("/vouchers?customer=A-1004")),
        (Scope.USE_VOUCHERS, lambda one: one.post("/vouchers/use", USE)),
    ):
        assert code(answer(till_of(barona_iela, scopes=set(Scope.values) - {scope}))) == "scope_missing"
    assert not Redemption.objects.exists()
    assert Voucher.objects.get().status == "issued"
    assert books()[:3] == before[:3]

"""Visits as a connected till records them: one effect per key and per receipt."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone

from customers.models import Customer, Refund, Visit
from loyaltycrm.core.models import ApiKey, AuditEvent, Scope, Store
from loyaltycrm.shop.tests.tills import MakeTill, Till, books, code, sale
from rewards.models import Partner, Posting
from rewards.queries import balance_of
from rewards.tests.rules import RATE, bonus, in_force, rule, rules_of

pytestmark = pytest.mark.django_db


def test_a_visit_earns_what_its_preview_said(till: Till, nameless: Customer, barona_iela: Store) -> None:
    seen = till.post("/visits/preview", {"customer": "A-1004", "net_cents": 2_490}, key=None).json()
    assert not Visit.objects.exists()
    answer = till.post("/visits", sale())
    assert answer.status_code == 201
    saved = answer.json()
    assert seen["points"] == saved["points"] == sum(one["points"] for one in seen["addends"]) > 0
    assert seen["balance_after"] == saved["balance_after"] == balance_of(nameless).available
    visit = Visit.objects.get()
    assert (visit.store, visit.customer, visit.net_cents, visit.channel) == (barona_iela, nameless, 2_490, "api")
    assert AuditEvent.objects.get(action="record visit").data["api_key"] == ApiKey.objects.get().pk
    found = till.get("/visits/find?receipt=r-1").json()
    of_recording = ("balance_after", "points_differ")
    kept = {name: value for name, value in saved.items() if name not in of_recording}
    assert {name: value for name, value in found.items() if name in kept} == kept


def test_each_addend_is_told_in_words(till: Till, nameless: Customer) -> None:
    saturday = {"customer": "A-1004", "net_cents": 2_490, "occurred_at": "2026-07-11T10:00:00+03:00"}
    told = till.post("/visits/preview", saturday, key=None).json()["addends"]
    assert [(one["words"], one["points"]) for one in told] == [
        ("€24.90, 1\N{NO-BREAK SPACE}point per €1", 24),
        ("Double points at the weekend", 24),
    ]
    told = till.post("/visits/preview", saturday, key=None, **{"Accept-Language": "lv"}).json()["addends"]
    assert told[0]["words"].startswith("24,90\N{NO-BREAK SPACE}€, ")


def test_points_that_the_till_worked_out_are_only_compared(till: Till, nameless: Customer) -> None:
    earned = till.post("/visits", sale("R-1")).json()
    assert earned["points_differ"] is False
    points = earned["points"]
    for number, (shown, differ) in enumerate(((points, False), (points + 1, True), (0, True)), start=2):
        before = balance_of(nameless).available
        answer = till.post("/visits", sale(f"R-{number}", points_shown=shown)).json()
        assert (answer["points"], answer["points_differ"]) == (points, differ)
        assert balance_of(nameless).available == before + points
    assert till.post("/visits", sale("R-3", points_shown=points + 1)).json()["points_differ"] is True
    said = AuditEvent.objects.filter(action="points differ from those of the till").order_by("pk")
    assert [(one.data["shown"], one.data["points"]) for one in said] == [(points + 1, points), (0, points)]
    for wrong in (-1, 2.5, "24", True):
        assert till.post("/visits", sale("R-9", points_shown=wrong)).status_code == 422


def test_a_retry_gets_the_same_bytes_and_has_no_effect(till: Till, nameless: Customer) -> None:
    first = till.post("/visits", sale(), key="k1")
    before = books()
    again = till.post("/visits", sale(), key="k1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "Idempotent-Replayed" not in first.headers
    assert again["Idempotent-Replayed"] == "true"
    assert books() == before


def test_a_key_is_for_one_request(till: Till, nameless: Customer) -> None:
    till.post("/visits", sale(), key="k1")
    before = books()
    for path, body in (
        ("/visits", sale(net_cents=2_491)),
        ("/visits", sale("R-2")),
        ("/visits/refund", {"receipt": "F", "of_receipt": "R-1", "net_cents": 1}),
    ):
        answer = till.post(path, body, key="k1")
        assert (answer.status_code, code(answer)) == (422, "idempotency_key_reused")
    assert books() == before


def test_without_a_key_nothing_is_changed(till: Till, nameless: Customer) -> None:
    before = books()
    missing = till.post("/visits", sale(), key=None)
    assert (missing.status_code, code(missing)) == (400, "idempotency_key_missing")
    for key in ("x" * 81, "a b"):
        answer = till.post("/visits", sale(), key=key)
        assert (answer.status_code, code(answer)) == (400, "idempotency_key_malformed")
    assert books() == before


def test_a_receipt_is_one_visit_for_ever(till: Till, till_of: MakeTill, barona_iela: Store, nameless: Customer) -> None:
    first = till.post("/visits", sale())
    other_till = till_of(barona_iela).post("/visits", sale())
    assert (first.status_code, first.content) == (other_till.status_code, other_till.content)
    before = Visit.objects.count(), Posting.objects.count()
    answer = till.post("/visits", sale(net_cents=1))
    assert (answer.status_code, code(answer), answer.json()["error"]["field"]) == (409, "conflict", "receipt")
    assert (Visit.objects.count(), Posting.objects.count()) == before == (1, before[1])


def test_a_refusal_keeps_the_key_free(till: Till, nameless: Customer) -> None:
    before = books()
    body = sale(occurred_at=(timezone.now() + timedelta(days=1)).isoformat(timespec="seconds").replace("+00:00", "Z"))
    answer = till.post("/visits", body, key="k1")
    assert (answer.status_code, code(answer)) == (422, "refused")
    assert books() == before


def test_refunds_take_points_back_once(till: Till, nameless: Customer) -> None:
    till.post("/visits", sale())
    body = {"receipt": "F-1", "of_receipt": "R-1", "net_cents": 2_490}
    first, again = till.post("/visits/refund", body, key="f"), till.post("/visits/refund", body, key="f")
    assert first.status_code == 201
    assert first.content == again.content
    assert first.json()["balance_after"] == balance_of(nameless).available == 0
    before = books()
    assert code(till.post("/visits/refund", body | {"receipt": "F-2", "net_cents": 1})) == "refused"
    assert code(till.post("/visits/refund", body | {"of_receipt": "R-9"})) == "receipt_unknown"
    assert books() == before


def test_a_refund_is_undone_once_and_can_be_made_again(till: Till, nameless: Customer) -> None:
    earned = till.post("/visits", sale()).json()["points"]
    body = {"receipt": "F-1", "of_receipt": "R-1", "net_cents": 2_490}
    till.post("/visits/refund", body)
    first = till.post("/visits/refund/undo", {"receipt": "f-1"}, key="u")
    again = till.post("/visits/refund/undo", {"receipt": "f-1"}, key="u")
    assert (first.status_code, first.content) == (200, again.content)
    assert first.json() == {**body, "of_store": "BARONA", "balance_after": earned}
    assert balance_of(nameless).available == earned
    assert AuditEvent.objects.get(action="undo refund").data["api_key"] == ApiKey.objects.get().pk
    postings = Posting.objects.count()
    other_key = till.post("/visits/refund/undo", {"receipt": "F-1"})
    assert (other_key.content, Posting.objects.count()) == (first.content, postings)
    assert till.post("/visits/refund", body | {"net_cents": 2_000}).status_code == 201
    assert till.post("/visits/refund/undo", {"receipt": "F-1"}).json()["net_cents"] == 2_000
    assert (balance_of(nameless).available, Refund.objects.count()) == (earned, 0)


def test_a_refund_is_not_undone_elsewhere_unknown_or_before_the_last_one(
    till: Till, till_of: MakeTill, centrs: Store, barona_iela: Store, nameless: Customer
) -> None:
    till.post("/visits", sale())
    for cents in (100, 200):
        till.post("/visits/refund", {"receipt": f"F-{cents}", "of_receipt": "R-1", "net_cents": cents})
    elsewhere, only_reads = till_of(centrs), till_of(barona_iela, scopes=[Scope.READ_VISITS])
    before = books()
    for at, receipt in ((till, "F-9"), (elsewhere, "F-200"), (till, "R-1")):
        answer = at.post("/visits/refund/undo", {"receipt": receipt})
        assert (answer.status_code, code(answer)) == (404, "refund_unknown")
    assert code(till.post("/visits/refund/undo", {"receipt": "F-100"})) == "refused"
    assert code(only_reads.post("/visits/refund/undo", {"receipt": "F-200"})) == "scope_missing"
    assert books() == before


def test_a_receipt_of_another_store_is_refunded_by_naming_it(
    till: Till, till_of: MakeTill, centrs: Store, barona_iela: Store, nameless: Customer
) -> None:
    till.post("/visits", sale())
    elsewhere = till_of(centrs)
    body = {"receipt": "F-1", "of_receipt": "R-1", "net_cents": 490}
    before = books()
    assert elsewhere.post("/visits/refund", body).status_code == 404
    assert books() == before
    assert elsewhere.post("/visits/refund", body | {"of_store": "barona"}).status_code == 201
    refund = Refund.objects.get()
    assert (refund.store, refund.visit.store) == (centrs, barona_iela)
    unknown = elsewhere.post("/visits/refund", body | {"of_store": "nowhere"})
    assert (unknown.status_code, code(unknown)) == (404, "store_unknown")


def test_another_store_sees_the_day_and_the_points_only(
    till: Till, till_of: MakeTill, centrs: Store, nameless: Customer
) -> None:
    points = till.post("/visits", sale()).json()["points"]
    elsewhere = till_of(centrs)
    assert elsewhere.get("/visits/find?receipt=R-1").status_code == 404
    assert elsewhere.post("/visits/void", {"receipt": "R-1", "reason": "mine"}).status_code == 404
    (seen,) = elsewhere.get("/visits?customer=A-1004").json()["items"]
    day = Visit.objects.get().business_date.isoformat()
    assert seen == {"business_date": day, "points": points, "store": None, "receipt": None, "net_cents": None}
    assert till.get("/visits?customer=A-1004").json()["items"][0]["receipt"] == "R-1"
    assert elsewhere.get("/points/balance?customer=A-1004").json()["available"] == points


def test_a_void_visit_counts_nowhere(till: Till, nameless: Customer) -> None:
    till.post("/visits", sale())
    answer = till.post("/visits/void", {"receipt": "R-1", "reason": "Typed twice"}, key="v")
    assert (answer.status_code, answer.json()["is_void"]) == (200, True)
    assert till.post("/visits/void", {"receipt": "R-1", "reason": "Typed twice"}, key="v").content == answer.content
    assert balance_of(nameless).available == 0
    assert code(till.post("/visits/void", {"receipt": "R-1", "reason": "Again"})) == "refused"
    assert till.get("/visits?customer=A-1004").json()["items"] == []


def test_pages_of_visits_are_whole_and_in_order(till: Till, nameless: Customer) -> None:
    for number in range(5):
        at = timezone.now() - timedelta(days=number // 2)
        till.post("/visits", sale(f"R-{number}", occurred_at=at.strftime("%Y-%m-%dT%H:%M:%SZ")))
    seen: list[str] = []
    path = "/visits?customer=A-1004&limit=2"
    cursor = ""
    for _page in range(3):
        page = till.get(path + cursor).json()
        seen += [one["receipt"] for one in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert cursor == "&cursor=None"
    assert seen == ["R-1", "R-0", "R-3", "R-2", "R-4"]


def test_lines_have_to_add_up(till: Till, nameless: Customer) -> None:
    before = books()
    answer = till.post("/visits", sale(lines=[{"net_cents": 2_000}]))
    assert (answer.status_code, code(answer)) == (422, "lines_do_not_add_up")
    assert books() == before
    lines = [{"net_cents": 2_000, "category": "Bread"}, {"net_cents": 490}]
    assert till.post("/visits", sale(lines=lines)).status_code == 201


def test_a_rule_for_a_partner_holds_for_what_was_bought_there(till: Till, nameless: Customer) -> None:
    """24.90 is 24 full euros; bought at Books it is 7 points more, whatever the case of the code."""
    Partner.objects.create(code="BOOKS", name="Books", active_from=date(2020, 1, 1))
    in_force(rules_of(RATE, rule("books", bonus(7), partners=["BOOKS"])))
    seen = till.post("/visits/preview", {"customer": "A-1004", "net_cents": 2_490, "partner": "books"}, key=None)
    assert seen.json()["points"] == 31
    assert till.post("/visits", sale(partner="books")).json()["points"] == 31
    assert till.post("/visits", sale("R-2")).json()["points"] == 24
    before = books()
    unknown = till.post("/visits", sale("R-3", partner="CINEMA"))
    assert (unknown.status_code, code(unknown), unknown.json()["error"]["field"]) == (422, "invalid", "partner")
    assert books() == before


def test_the_preview_says_what_the_volume_discount_takes_off(till: Till, nameless: Customer) -> None:
    """5% of 60.30 is 3.01 and a half; the points stay those of the amount that was sent."""
    large = {
        "names": {"en": "Large"},
        "measure": {"kind": "basket"},
        "steps": [{"from_cents": 5_000, "basis_points": 500}],
    }
    in_force({**rules_of(RATE), "volume_discount": large})
    asked = {"customer": "A-1004", "net_cents": 6_030}
    seen = till.post("/visits/preview", asked, key=None).json()
    assert (seen["volume_discount_cents"], seen["to_pay_cents"], seen["points"]) == (301, 6_030, 60)
    below = till.post("/visits/preview", {**asked, "net_cents": 4_999}, key=None).json()
    assert below["volume_discount_cents"] == 0
    in_force({**rules_of(RATE), "volume_discount": {**large, "members_only": True}})
    assert till.post("/visits/preview", asked, key=None).json()["volume_discount_cents"] == 0

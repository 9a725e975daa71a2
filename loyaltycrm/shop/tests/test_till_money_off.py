"""Points as money off at the till: chosen with the visit, shown before, paid once, back when it is given back."""

from __future__ import annotations

import pytest
from django.test import Client

from customers.models import Customer, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.shop.tests.conftest import save, text_of
from loyaltycrm.shop.tests.tills import Till, code, sale
from rewards.actions.goodwill import post_goodwill
from rewards.actions.receipts import move_visit
from rewards.actions.voiding import void_visit
from rewards.models import Redemption
from rewards.queries import balance_of
from rewards.tests.rules import in_force, rules_of

pytestmark = pytest.mark.django_db
KEY = "0b0c6a52-4b5e-4a0e-9d8a-2f6f0a1c3e11"
EXCLUDED = {"paid_with_points": "excluded"}


@pytest.fixture
def holder(nameless: Customer) -> Customer:
    """Somebody with 1,050 points."""
    post_goodwill(customer=nameless, points=1_050, reference="goodwill:test", by=None)
    return nameless


@pytest.mark.usefixtures("tuesday")
class TestTill:
    def test_the_page_offers_what_can_be_used(self, at_barona: Client, holder: Customer) -> None:
        page = text_of(at_barona.get(f"/till/customers/{holder.pk}/"))
        assert "Points used as money off — 500 points: €5.00 1,000 points: €10.00" in page

    def test_nobody_with_few_points_is_asked(self, at_barona: Client, nameless: Customer) -> None:
        post_goodwill(customer=nameless, points=499, reference="goodwill:test", by=None)
        assert "Points used as money off" not in text_of(at_barona.get(f"/till/customers/{nameless.pk}/"))

    def test_what_is_shown_is_what_is_saved(self, at_barona: Client, holder: Customer) -> None:
        """24.90, of which 5.00 are paid with points and earn nothing here: 19 points, 1,050 − 500 + 19 are left."""
        in_force(rules_of(base=EXCLUDED))
        shown = text_of(at_barona.get(f"/till/customers/{holder.pk}/preview/?amount=24.90&points=500"))
        assert "500 points −€5.00 To pay €19.90" in shown
        assert "Balance after 569" in shown
        response = save(at_barona, holder, "24.90", points="500", key=KEY)
        again = save(at_barona, holder, "24.90", points="500", key=KEY)
        assert response["Location"] == again["Location"]
        visit, use = Visit.objects.get(), Redemption.objects.get()
        assert (visit.gross_cents, visit.discount_cents, visit.net_cents) == (24_90, 0, 24_90)
        assert (use.visit, use.points, use.value_cents) == (visit, 500, 5_00)
        assert balance_of(holder).available == 569
        assert "As money off" in text_of(at_barona.get(response["Location"]))
        void_visit(visit=visit, reason="Rung up twice", by=None)
        assert balance_of(holder).available == 1_050

    def test_it_is_not_given_to_somebody_else_who_did_not_pay(
        self, at_barona: Client, holder: Customer, olga: Customer
    ) -> None:
        save(at_barona, holder, "24.90", points="500")
        visit, had = Visit.objects.get(), balance_of(holder).available
        with pytest.raises(Refused, match="Points paid a part of this visit"):
            move_visit(visit=visit, customer=olga, by=None)
        assert "Points paid a part of this visit" in text_of(at_barona.get(f"/till/visits/{visit.pk}/customer/"))
        assert (balance_of(holder).available, Visit.objects.count()) == (had, 1)

    @pytest.mark.parametrize(
        ("amount", "points", "said"),
        [
            ("24.90", "1500", "Not enough points: 1500 needed, 1050 left."),
            ("24.90", "501", "Points are used in steps of 500 points."),
            ("4.90", "500", "Enter no more than the amount paid"),
            ("24.90", "-500", "Enter a whole number, for example 200"),
            ("24.90", "NaN", "Enter a whole number, for example 200"),
        ],
    )
    def test_what_cannot_be_used_says_why(
        self, at_barona: Client, holder: Customer, amount: str, points: str, said: str
    ) -> None:
        answer = save(at_barona, holder, amount, points=points)
        assert answer.status_code == 200
        assert said in text_of(answer)
        assert not Visit.objects.exists()
        assert balance_of(holder).available == 1_050


def test_a_connected_till_uses_them_on_a_receipt(till: Till, holder: Customer) -> None:
    till.post("/visits", sale(net_cents=9_00))
    had = balance_of(holder).available
    body = {"customer": "A-1004", "points": 500, "receipt": "R-1"}
    used, again = till.post("/points/redeem", body, key="u"), till.post("/points/redeem", body, key="u")
    assert (used.status_code, used.content) == (201, again.content)
    assert {name: used.json()[name] for name in ("reward", "points", "value_cents", "balance_after")} == {
        "reward": None,
        "points": 500,
        "value_cents": 5_00,
        "balance_after": had - 500,
    }
    dear = till.post("/points/redeem", body)
    assert (dear.status_code, code(dear), dear.json()["error"]["field"]) == (422, "refused", "points")
    assert code(till.post("/points/redeem", {"customer": "A-1004", "points": 501})) == "refused"
    assert code(till.post("/points/redeem", {**body, "receipt": "R-9"})) == "receipt_unknown"
    till.post("/visits/refund", {"receipt": "F", "of_receipt": "R-1", "net_cents": 9_00})
    assert balance_of(holder).available == 1_050


@pytest.mark.parametrize(
    "body", [{}, {"receipt": "R-1"}, {"reward": "tea", "points": 500}, {"points": 0}, {"points": 0.5}]
)
def test_one_of_the_two_is_named(till: Till, holder: Customer, body: dict[str, object]) -> None:
    answer = till.post("/points/redeem", {"customer": "A-1004", **body})
    assert (answer.status_code, code(answer)) == (422, "invalid")
    assert not Redemption.objects.exists()

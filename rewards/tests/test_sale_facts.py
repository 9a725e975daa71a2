"""Rules that ask for more than amount and day: preview and award, what is kept, refunds, voids and the audit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
from django.db.utils import DatabaseError
from django.test.utils import CaptureQueriesContext

from customers.models import Customer, Product, Visit
from loyaltycrm.core.models import Store
from loyaltycrm.core.tests.importing import CUSTOMER, LINE, RECEIPT, REDEMPTION, imported, receipt, write_table
from rewards.actions.earning import Details, preview_visit, record_visit, refund_visit, undo_visit
from rewards.actions.programme_versions import import_version
from rewards.ledger.audit import audit
from rewards.models import Posting, RuleBudget, SaleFacts
from rewards.programme import BasketLine
from rewards.queries import balance_of, earned_by_rule
from rewards.tests.rules import RATE, bonus, in_force, per_amount, rule, rules_of, times

pytestmark = pytest.mark.django_db

TUESDAY = datetime(2026, 7, 14, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _books_are_right() -> Iterator[None]:
    yield
    assert list(audit()) == []


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(TUESDAY, tick=False) as traveller:
        yield traveller


def sell(customer: Customer, store: Store, cents: int, **more: Any) -> int:
    """Record a visit; the preview said the same."""
    said = {name: more[name] for name in ("payment_method", "channel", "details") if name in more}
    promised = preview_visit(customer=customer, store=store, net_cents=cents, at=more.get("occurred_at"), **said)
    saved = record_visit(customer=customer, store=store, net_cents=cents, by=None, **more)
    assert promised.points == saved.points
    assert promised.balance_after == saved.balance_after
    return saved.points


def test_a_version_that_asks_for_nothing_keeps_nothing(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    assert sell(nameless, barona_iela, 10_00) == 10
    assert SaleFacts.objects.count() == 0


def test_store_hours_channel_and_payment(
    nameless: Customer, barona_iela: Store, agenskalns: Store, clock: time_machine.Traveller
) -> None:
    here = rule("here", bonus(1), stores=[barona_iela.code])
    noon = rule("noon", bonus(10), from_time="12:00", until_time="13:00")
    web = rule("web", bonus(100), channels=["web"])
    phone = rule("phone", bonus(1000), payment_methods=["mobile"])
    in_force(rules_of(here, noon, web, phone))
    # 9:00 in UTC is 12:00 in Riga.
    assert sell(nameless, barona_iela, 1_00) == 11
    assert sell(nameless, agenskalns, 1_00, channel="web", payment_method="mobile") == 1110
    clock.shift(timedelta(hours=1))
    assert sell(nameless, agenskalns, 1_00) == 0
    assert [facts.given for facts in SaleFacts.objects.order_by("visit")] == [
        {"here": 1, "noon": 10},
        {"noon": 10, "web": 100, "phone": 1000},
        {},
    ]


def test_the_first_purchase_is_the_earliest_that_stands(
    nameless: Customer, olga: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(RATE, rule("hello", bonus(100), first_purchase=True)))
    first = record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None)
    assert first.points == 110
    clock.shift(timedelta(hours=1))
    assert sell(nameless, barona_iela, 10_00) == 10
    undo_visit(visit=Visit.objects.latest("id"), by=None)
    assert sell(olga, barona_iela, 5_00) == 105
    # An earlier one that comes in late is not a first one again.
    assert sell(olga, barona_iela, 5_00, occurred_at=TUESDAY - timedelta(days=1)) == 5


def test_an_undone_first_purchase_does_not_count_as_one(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(RATE, rule("hello", bonus(100), first_purchase=True)))
    wrong = record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None).visit
    clock.shift(timedelta(minutes=1))
    undo_visit(visit=wrong, by=None)
    assert sell(nameless, barona_iela, 10_00) == 110
    assert balance_of(nameless).available == 110


def test_birthdays(nameless: Customer, barona_iela: Store, clock: time_machine.Traveller) -> None:
    Customer.objects.filter(pk=nameless.pk).update(birthday=date(1990, 7, 16))
    in_force(rules_of(RATE, rule("party", times(3), birthday="day"), rule("week", bonus(7), birthday="week")))
    assert sell(nameless, barona_iela, 10_00) == 17
    clock.shift(timedelta(days=2))
    assert sell(nameless, barona_iela, 10_00) == 37
    clock.shift(timedelta(days=4))
    assert sell(nameless, barona_iela, 10_00) == 10


def test_the_tier_is_that_before_the_visit(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(RATE, rule("silver", times(3, 2), tiers=["silver"])))
    assert sell(nameless, barona_iela, 999_99) == 999
    clock.shift(timedelta(hours=1))
    # The visit that reaches 1,000.00 is still a member's, the next one of the day is not.
    assert sell(nameless, barona_iela, 1_00) == 1
    clock.shift(timedelta(hours=1))
    assert sell(nameless, barona_iela, 10_00) == 15
    # It arrives late, from a moment when the customer was a member.
    assert sell(nameless, barona_iela, 10_00, occurred_at=TUESDAY - timedelta(hours=1)) == 10


@pytest.mark.parametrize(
    ("per", "expected"),
    [
        ("visit", [10, 10, 10, 10, 10]),
        ("day", [10, 0, 10, 10, 10]),
        ("week", [10, 0, 0, 10, 10]),
        ("month", [10, 0, 0, 0, 10]),
        ("year", [10, 0, 0, 0, 0]),
        ("ever", [10, 0, 0, 0, 0]),
    ],
)
def test_caps_count_within_their_period(
    nameless: Customer,
    olga: Customer,
    barona_iela: Store,
    clock: time_machine.Traveller,
    per: str,
    expected: list[int],
) -> None:
    in_force(rules_of(rule("gift", per_amount(1), cap={"points": 10, "per": per})))
    # Tuesday 14 July twice, Sunday 19 July, Monday 20 July, Saturday 1 August.
    days = [14, 14, 19, 20, 32]
    gained: list[int] = []
    for day in days:
        clock.move_to(TUESDAY + timedelta(days=day - 14, minutes=len(gained)))
        gained.append(sell(nameless, barona_iela, 25_00))
    assert gained == expected
    assert sell(olga, barona_iela, 25_00) == 10


def test_a_cap_is_filled_in_parts_and_a_void_gives_room_back(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(rule("gift", per_amount(1), cap={"points": 10, "per": "day"})))
    assert sell(nameless, barona_iela, 7_00) == 7
    clock.shift(timedelta(minutes=1))
    assert sell(nameless, barona_iela, 7_00) == 3
    undo_visit(visit=Visit.objects.earliest("id"), by=None)
    assert sell(nameless, barona_iela, 9_00) == 7


def test_a_budget_is_for_all_customers_and_a_void_returns_to_it(
    nameless: Customer, olga: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    version = in_force(rules_of(RATE, rule("gift", bonus(60), budget_points=100, weekdays=[1])))
    assert sell(nameless, barona_iela, 1_00) == 61
    first = Visit.objects.latest("id")
    assert sell(olga, barona_iela, 1_00) == 41
    assert sell(olga, barona_iela, 1_00) == 1
    budget = RuleBudget.objects.get()
    assert (budget.programme_version, budget.rule_key, budget.points_given) == (version, "gift", 100)
    undo_visit(visit=first, by=None)
    assert RuleBudget.objects.get().points_given == 40
    assert sell(nameless, barona_iela, 1_00) == 61


def test_only_tills_at_which_the_rule_applies_lock_its_budget(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(RATE, rule("gift", bonus(60), budget_points=100, weekdays=[5])))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        sell(nameless, barona_iela, 1_00)
    assert not [one for one in queries.captured_queries if "rulebudget" in one["sql"]]


def test_what_was_bought_and_a_refund_in_proportion(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    Product.objects.create(product_id="C1", category="Coffee")
    in_force(rules_of(RATE, rule("coffee", per_amount(5), categories=["Coffee"])))
    details = Details(lines=(BasketLine(3_00, product="C1"), BasketLine(7_00, product="B1")))
    assert sell(nameless, barona_iela, 10_00, details=details) == 10 + 15
    sale = Visit.objects.get()
    # The product moves to another category; the sale stays what it was.
    Product.objects.update(category="Beans")
    clock.shift(timedelta(minutes=1))
    # 4.00 kept: 4 points, and of the coffee 1.20: one full step.
    refund_visit(visit=sale, net_cents=6_00, receipt_id="R1", by=None)
    assert balance_of(nameless).available == 4 + 5
    refund_visit(visit=sale, net_cents=4_00, receipt_id="R2", by=None)
    assert balance_of(nameless).available == 0


def test_a_refund_goes_by_the_facts_of_the_sale(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    rules = rules_of(
        RATE,
        rule("hello", times(2), first_purchase=True),
        rule("large", bonus(30), min_net_cents=50_00, cap={"points": 30, "per": "ever"}),
    )
    in_force(rules)
    assert sell(nameless, barona_iela, 60_00) == 60 + 60 + 30
    sale = Visit.objects.get()
    clock.shift(timedelta(hours=1))
    assert sell(nameless, barona_iela, 60_00) == 60
    # 40.00 kept of the first purchase: 40 doubled, and the bonus for 50.00 is lost.
    refund_visit(visit=sale, net_cents=20_00, receipt_id="R1", by=None)
    assert balance_of(nameless).available == 80 + 60


def test_paid_with_points_gift_cards_and_tax(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    base = {"paid_with_points": "excluded", "gift_cards": "excluded", "tax": "without"}
    in_force(rules_of(RATE, base=base))
    details = Details(lines=(BasketLine(20_00, is_gift_card=True),), paid_with_points_cents=5_00, tax_cents=6_00)
    # 20.00 of 36.00 is a gift card: 16.00 less 5.00 in points, of which 6/36 is tax: 9.17.
    assert sell(nameless, barona_iela, 36_00, details=details) == 9


def test_facts_are_never_changed(nameless: Customer, barona_iela: Store, clock: time_machine.Traveller) -> None:
    in_force(rules_of(RATE, rule("here", bonus(1), stores=["x"])))
    sell(nameless, barona_iela, 1_00)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        SaleFacts.objects.update(given={})


def test_an_import_asks_the_same_as_the_till(tmp_path: Path, barona_iela: Store, agenskalns: Store) -> None:
    """Two shops' worth of the same week: customer A from files, customer B at the till."""
    Product.objects.create(product_id="C1", category="Coffee")
    in_force(
        rules_of(
            RATE,
            rule("coffee", per_amount(5), categories=["Coffee"], cap={"points": 20, "per": "day"}),
            rule("silver", times(3, 2), tiers=["silver"]),
            rule("hello", bonus(100), first_purchase=True),
            rule("late", bonus(3), from_time="18:00"),
            base={"paid_with_points": "excluded"},
        )
    )
    customers = [("A", "2026-01-01"), ("B", "2026-01-01")]
    call_command("import_customers", write_table(tmp_path / "customers.csv", CUSTOMER, customers), verbosity=0)
    code = barona_iela.code
    told = imported(
        "import_visits",
        write_table(
            tmp_path / "purchases.csv",
            RECEIPT,
            [
                # Out of order on purpose: time decides.
                receipt("i3", "A", "2026-06-03T18:30:00+03:00", "20.00", store_id=code),
                receipt("i1", "A", "2026-06-01T10:00:00+03:00", "990.00", store_id=code),
                receipt("i2", "A", "2026-06-02T10:00:00+03:00", "10.00", store_id=code),
                receipt("i4", "A", "2026-06-03T19:00:00+03:00", "15.00", store_id=code),
            ],
        ),
        lines=write_table(
            tmp_path / "lines.csv",
            LINE,
            [("i3", "1", "C1", "1", "3.00", "0.00", "3.00"), ("i4", "1", "C1", "1", "3.00", "0.00", "3.00")],
        ),
        redemptions=write_table(
            tmp_path / "redemptions.csv", REDEMPTION, [("p1", "A", "500", "2026-06-03T19:00:00+03:00", "i4")]
        ),
    )
    assert told.counts("purchases") == {"accepted": 4}
    assert told.counts("redemptions") == {"accepted": 1}
    b = Customer.objects.get(external_id="B")
    coffee = (BasketLine(3_00, product="C1"),)
    at_the_till = [
        sell(b, barona_iela, 990_00, occurred_at=datetime(2026, 6, 1, 7, tzinfo=UTC)),
        sell(b, barona_iela, 10_00, occurred_at=datetime(2026, 6, 2, 7, tzinfo=UTC)),
        sell(b, barona_iela, 20_00, occurred_at=datetime(2026, 6, 3, 15, 30, tzinfo=UTC), details=Details(coffee)),
        sell(
            b,
            barona_iela,
            15_00,
            occurred_at=datetime(2026, 6, 3, 16, tzinfo=UTC),
            details=Details(coffee, paid_with_points_cents=5_00),
        ),
    ]
    # 990 and 100 of the first; 10; silver since 1,000.00: (20 + 15) × 1.5 + 3 = 55.5.
    # Of the last 10.00 count. Coffee is 3.00 of 15.00, so 2.00 of them: 10 points, of which the cap leaves 5.
    # (10 + 5) × 1.5 + 3 = 25.5.
    assert at_the_till == [1090, 10, 55, 25]
    from_files = Posting.objects.filter(kind="earn", visit__customer__external_id="A").order_by("occurred_at")
    assert [posting.points for posting in from_files] == at_the_till
    given = {
        facts.visit.receipt_id: facts.given
        for facts in SaleFacts.objects.filter(visit__customer__external_id="A").select_related("visit")
    }
    # Sums 10, 15, 22.5 and 25.5, each rounded down.
    assert given["i4"] == {"rate": 10, "coffee": 5, "silver": 7, "late": 3}


def test_an_import_takes_from_one_budget_in_its_customers_order(tmp_path: Path, barona_iela: Store) -> None:
    in_force(rules_of(RATE, rule("gift", bonus(60), budget_points=100)))
    customers = [("A", "2026-01-01"), ("B", "2026-01-01")]
    call_command("import_customers", write_table(tmp_path / "customers.csv", CUSTOMER, customers), verbosity=0)
    rows = [
        receipt("1", "A", "2026-06-01T10:00:00+03:00", "1.00"),
        receipt("2", "B", "2026-06-01T10:00:00+03:00", "1.00"),
    ]
    imported("import_visits", write_table(tmp_path / "purchases.csv", RECEIPT, rows))
    assert sorted(Posting.objects.values_list("points", flat=True)) == [41, 61]
    assert RuleBudget.objects.get().points_given == 100


def test_the_audit_names_facts_and_budgets_that_are_not_right(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(RATE, rule("gift", bonus(60), budget_points=100)))
    sell(nameless, barona_iela, 1_00)
    sell(nameless, barona_iela, 1_00)
    first, second = SaleFacts.objects.order_by("visit")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE rewards_salefacts SET given = '{\"rate\": 2}' WHERE visit_id = %s", [first.pk])
        cursor.execute("DELETE FROM rewards_salefacts WHERE visit_id = %s", [second.pk])
        found = {(finding.table, finding.row_id) for finding in audit()}
        assert {
            ("rewards_salefacts", first.pk),
            ("rewards_salefacts", second.pk),
            ("rewards_rulebudget", RuleBudget.objects.get().pk),
        } <= found
        transaction.set_rollback(True)


def test_a_receipt_tells_its_rules_by_the_facts_of_the_sale(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(RATE, rule("hello", bonus(100), first_purchase=True)))
    sell(nameless, barona_iela, 10_00)
    sell(nameless, barona_iela, 10_00)
    told = [[line.points for line in earned_by_rule(visit)] for visit in Visit.objects.order_by("id")]
    assert told == [[10, 100], [10]]


def test_a_history_is_imported_under_a_version_as_if_it_had_held_since(tmp_path: Path, barona_iela: Store) -> None:
    rules = rules_of(
        rule("rate", per_amount(3)),
        rule("hello", bonus(100), first_purchase=True),
        expiry={"earned": {"policy": "never"}, "goodwill": {"policy": "never"}, "bonus": {"policy": "never"}},
    )
    import_version(rules=rules, starts_on=date(2024, 2, 29), by=None)
    customers = [("A", "2024-01-01")]
    call_command("import_customers", write_table(tmp_path / "customers.csv", CUSTOMER, customers), verbosity=0)
    rows = [
        receipt("1", "A", "2024-02-28T23:59:00+02:00", "10.00", store_id=barona_iela.code),
        receipt("2", "A", "2024-02-29T00:01:00+02:00", "10.00", store_id=barona_iela.code),
        receipt("3", "A", "2024-03-01T10:00:00+02:00", "-10.00", store_id=barona_iela.code, refund_of="2"),
    ]
    imported("import_visits", write_table(tmp_path / "purchases.csv", RECEIPT, rows))
    postings = Posting.objects.order_by("occurred_at").values_list("kind", "points", "programme_version__number")
    # A Wednesday under the first version; then 3 a euro, which is no first purchase, and all of it back.
    assert [posting for posting in postings if posting[0] != "expire"] == [
        ("earn", 10, 1),
        ("earn", 30, 2),
        ("take_back", 30, 2),
    ]

"""The accountant's pages and files: the same figures as the books, whatever is asked."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import Customer
from loyaltycrm.core.models import Company, Store, User
from rewards.accounts.books import books_on
from rewards.accounts.months import month_of, months_after
from rewards.accounts.movement import movement_of
from rewards.accounts.statement import Did, statements
from rewards.actions.earning import record_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.partner_points import earn_at_partner, redeem_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner, change_partner
from rewards.models import Account, Partner, Posting

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert isinstance(answer, StreamingHttpResponse)
    text = b"".join(answer).decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def manager(dace: User, signed_in: SignIn) -> Client:
    return signed_in(dace)


@pytest.fixture
def books_shop() -> Partner:
    return add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal("1.25"), burned_rate=Decimal("0.9"), points=1, step_cents=100),
        by=None,
    )


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 10, tzinfo=UTC)


def test_the_reports_lead_to_the_books(manager: Client) -> None:
    page = manager.get("/reports/").content.decode()
    for url in ("/reports/points/", "/reports/movement/", "/reports/breakage/", "/reports/partners/"):
        assert f'href="{url}"' in page
        assert manager.get(url).status_code == 200


def test_the_file_of_the_books_says_what_the_books_say(manager: Client, nameless: Customer, barona_iela: Store) -> None:
    day = date(2026, 3, 16)
    record_visit(customer=nameless, store=barona_iela, net_cents=1_234_00, occurred_at=at(day), by=None)
    rows = {row["figure"]: row for row in rows_of(manager.get(f"/reports/points/export/?day={day}"))}
    assert rows["outstanding"][str(day)] == rows["book"][str(day)] == "1234"
    assert rows["outstanding"]["2026-02-28"] == "0"
    assert (rows["outstanding"]["value"], rows["value"][str(day)], rows["expected"][str(day)]) == (
        "12.34",
        "12.34",
        "12.34",
    )
    assert rows["breakage"][str(day)] == ""  # too little history to say
    ending = rows_of(manager.get(f"/reports/points/ending/export/?day={day}"))
    assert ending == [{"last_good_in": "2027-03", "points": "1234", "value": "12.34"}]
    page = manager.get(f"/reports/points/?day={day}").content.decode()
    assert "1,234" in page
    assert "Too little history to say" in page
    assert "March 2027" in page


def test_the_file_of_a_month_adds_up(manager: Client, nameless: Customer, books_shop: Partner) -> None:
    earn_at_partner(
        partner=books_shop, customer=nameless, reference="1", points=300, occurred_at=at(date(2026, 3, 3)), by=None
    )
    redeem_at_partner(
        partner=books_shop, customer=nameless, reference="2", points=120, occurred_at=at(date(2026, 4, 5)), by=None
    )
    rows = rows_of(manager.get("/reports/movement/export/?month=2026-04"))
    assert [(row["line"], row["other_account"], row["change"], row["month_before"]) for row in rows] == [
        ("opening", "", "300", "0"),
        ("earn", "partner", "0", "300"),
        ("redeem", "partner", "-120", "0"),
        ("closing", "", "180", "300"),
    ]
    days = rows_of(manager.get("/reports/movement/export/?month=2026-04&by=day"))
    assert len(days) == 30
    assert [day["day"] for day in days if day["redeem/partner"] != "0"] == ["2026-04-05"]
    assert (days[3]["closing"], days[4]["closing"]) == ("300", "180")
    page = manager.get("/reports/movement/?month=2026-04").content.decode()
    assert "the balance fell by 120" in page


@pytest.mark.parametrize(
    "asked", ["", "abc", "0001-01-01", "9999-12-31", "2026-02-30", "1990-01", "0001-01", "٢٠٢٦-01"]
)
def test_any_day_and_month_that_is_asked_has_an_answer(asked: str, manager: Client, nameless: Customer) -> None:
    for page in ("points", "points/export", "breakage", "breakage/export"):
        assert manager.get(f"/reports/{page}/", {"day": asked}).status_code == 200
    for page in ("movement", "movement/export"):
        assert manager.get(f"/reports/{page}/", {"month": asked}).status_code == 200


def test_the_pages_ask_no_more_questions_when_there_are_more_points(
    manager: Client, nameless: Customer, olga: Customer, books_shop: Partner
) -> None:
    urls = ["/reports/points/", "/reports/movement/", "/reports/breakage/", "/reports/partners/"]

    def asked() -> list[int]:
        counts = []
        for url in urls:
            with CaptureQueriesContext(connection) as questions:
                assert manager.get(url).status_code == 200
            counts.append(len(questions))
        return counts

    asked()
    before = asked()
    today = Company.current().today()
    for number, customer in enumerate((nameless, olga, nameless, olga)):
        day = at(today - timedelta(days=30 * number + 1))
        earn_at_partner(
            partner=books_shop, customer=customer, reference=f"{number}", points=50, occurred_at=day, by=None
        )
    add_partner(
        code="FUEL",
        content=PartnerContent(name="Fuel", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )
    assert asked() == before


def test_breakage_is_shown_with_its_table(
    manager: Client, nameless: Customer, olga: Customer, janis: Customer, books_shop: Partner
) -> None:
    """Three months of 100 points each: 40 used in the month after, 60 lapse at age 12."""
    for month, customer in ((1, nameless), (2, olga), (3, janis)):
        earn_at_partner(
            partner=books_shop,
            customer=customer,
            reference=f"e{month}",
            points=100,
            occurred_at=at(date(2024, month, 10)),
            by=None,
        )
        redeem_at_partner(
            partner=books_shop,
            customer=customer,
            reference=f"u{month}",
            points=40,
            occurred_at=at(date(2024, month + 1, 5)),
            by=None,
        )
    earn_at_partner(
        partner=books_shop, customer=nameless, reference="now", points=1_000, occurred_at=at(date(2025, 4, 20)), by=None
    )
    sweep_expired()
    found = rows_of(manager.get("/reports/breakage/export/?day=2025-04-30"))
    assert [row["earning_months"] for row in found] == ["4", *["3"] * 12]
    assert [(row["age_months"], row["used"], row["share_used"]) for row in found if row["used"] != "0"] == [
        ("1", "120", "0.4")
    ]
    assert [(row["age_months"], row["lapsed"], row["share_lapsed"]) for row in found if row["lapsed"] != "0"] == [
        ("12", "180", "1.0")
    ]
    # What was earned in April comes to age 1: 60 of 100 are never used, so 4.00 of 10.00 stay owed.
    figures = {
        row["figure"]: row["2025-04-30"] for row in rows_of(manager.get("/reports/points/export/?day=2025-04-30"))
    }
    assert figures["outstanding"] == "1000"
    assert float(figures["breakage"]) == pytest.approx(0.6)
    assert (figures["value"], figures["expected"]) == ("10.00", "4.00")
    months = rows_of(manager.get("/reports/breakage/export/?day=2025-04-30&of=months"))
    assert [(row["earned_in"], row["used"], row["lapsed"], row["held"]) for row in months] == [
        ("2024-01", "40", "60", "0"),
        ("2024-02", "40", "60", "0"),
        ("2024-03", "40", "60", "0"),
        ("2025-04", "0", "0", "1000"),
    ]
    page = manager.get("/reports/breakage/?day=2025-04-30").content.decode()
    assert "60.0% is expected never to be used: €4.00 of €10.00 stay owed" in page


FORM = {
    "name": "Book shop",
    "code": "books",
    "contact": "Zane",
    "active_from": "2026-01-01",
    "active_until": "",
    "issued_rate": "1,25",
    "burned_rate": "0.9",
    "points": "2",
    "step_cents": "1.00",
}


def sent(**changes: str) -> dict[str, str]:
    return FORM | {"idempotency_key": str(uuid.uuid4())} | changes


def test_a_partner_is_added_once_and_changed(manager: Client) -> None:
    form = sent()
    for _time in range(2):
        assert manager.post("/reports/partners/add/", form).status_code == 302
    partner = Partner.objects.get()
    assert (partner.code, partner.name, partner.contact) == ("BOOKS", "Book shop", "Zane")
    terms = partner.terms.get()
    assert (terms.issued_rate, terms.burned_rate, terms.points, terms.step_cents) == (
        Decimal("1.25"),
        Decimal("0.9"),
        2,
        100,
    )
    assert Account.objects.filter(partner=partner, kind="partner").count() == 1
    edit = f"/reports/partners/{partner.pk}/edit/"
    shown = manager.get(edit).content.decode()
    assert 'value="1.25"' in shown
    answer = manager.post(edit, sent(name="Books and more", issued_rate="1.5", terms_from=""))
    assert answer.status_code == 302
    partner.refresh_from_db()
    assert partner.name == "Books and more"
    assert list(partner.terms.order_by("starts_on").values_list("issued_rate", flat=True)) == [
        Decimal("1.25"),
        Decimal("1.5"),
    ]
    assert "Books and more" in manager.get("/reports/partners/?q=more&active=yes").content.decode()
    assert "Books and more" not in manager.get("/reports/partners/?active=no").content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": "a b"}, "Use 1 to 20 letters"),
        ({"issued_rate": "1.23456"}, "up to 4 decimals"),
        ({"issued_rate": "-1"}, "up to 4 decimals"),
        ({"issued_rate": "NaN"}, "up to 4 decimals"),
        ({"burned_rate": ""}, "Enter 0 if nothing is paid"),
        ({"active_until": "2025-12-31"}, "earlier than the first one"),
        ({"step_cents": "0"}, "Enter an amount of at least 0.01"),
        ({"name": " "}, "Fill in this field: Name"),
    ],
)
def test_a_partner_that_cannot_be_is_said_in_words(changes: dict[str, str], words: str, manager: Client) -> None:
    answer = manager.post("/reports/partners/add/", sent(**changes))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert "<title>Error:" in answer.content.decode()
    assert Partner.objects.count() == 0


def test_till_staff_see_no_accounts(liga: User, signed_in: SignIn, books_shop: Partner) -> None:
    till = signed_in(liga)
    for url in ("", "points/", "movement/", "breakage/", "partners/", f"partners/{books_shop.pk}/"):
        assert till.get(f"/reports/{url}").status_code == 403


@pytest.fixture
def a_months_business(books_shop: Partner, nameless: Customer, olga: Customer) -> date:
    """Last month and this one, with other terms from today on; returns today."""
    today = Company.current().today()
    given: dict[str, Any] = {"partner": books_shop, "by": None}
    last = months_after(month_of(today), -1)
    earn_at_partner(**given, customer=nameless, reference="L1", points=1_001, occurred_at=at(last))
    redeem_at_partner(**given, customer=nameless, reference="L2", points=333, occurred_at=at(last + timedelta(days=1)))
    change_partner(
        partner=books_shop,
        content=PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(2), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )
    earn_at_partner(**given, customer=olga, reference="T1", points=10)
    refund_at_partner(**given, of="L1", reference="T2", points=101)
    refund_at_partner(**given, of="L2", reference="T3", points=33)
    return today


def test_a_statement_is_what_the_postings_are_worth_at_the_rate_of_their_day(
    books_shop: Partner, a_months_business: date
) -> None:
    today = a_months_business
    last, this = (statements([books_shop.pk], day)[books_shop.pk] for day in (months_after(month_of(today), -1), today))
    assert [(line.did, line.rate, line.points, line.due_cents) for line in last.lines] == [
        (Did.EARNED, Decimal("1.2500"), 1_001, 1_251),  # 1251.25
        (Did.USED, Decimal("0.9000"), 333, -300),  # 299.7
    ]
    assert last.due_cents == 951
    assert [(line.did, line.rate, line.points, line.due_cents) for line in this.lines] == [
        (Did.EARNED, Decimal("2.0000"), 10, 20),
        (Did.EARNED_BACK, Decimal("1.2500"), 101, -126),  # 126.25, at the rate at which they were earned
        (Did.USED_BACK, Decimal("0.9000"), 33, 30),  # 29.7
    ]
    assert (this.due_cents, this.earned, this.used) == (-76, -91, -33)
    account = Account.objects.get(partner=books_shop)
    moved = [
        (posting.points if posting.source_id == account.pk else -posting.points)
        for posting in Posting.objects.filter(source=account) | Posting.objects.filter(destination=account)
    ]
    assert sum(moved) == last.earned + this.earned - last.used - this.used
    by_kind = {line.kind: line.change for line in movement_of(today).lines}
    assert by_kind[("earn", "partner")] + by_kind[("take_back", "partner")] == this.earned
    assert by_kind[("give_back", "partner")] == -this.used


def test_the_files_of_a_statement(manager: Client, books_shop: Partner, a_months_business: date) -> None:
    month = f"{months_after(month_of(a_months_business), -1):%Y-%m}"
    url = f"/reports/partners/{books_shop.pk}/"
    rows = rows_of(manager.get(f"{url}export/?month={month}"))
    assert [(row["what"], row["points"], row["amount"]) for row in rows] == [
        ("earned", "1001", "12.51"),
        ("used", "333", "-3.00"),
        ("to_invoice", "", "9.51"),
    ]
    postings = rows_of(manager.get(f"{url}export/?month={month}&of=postings"))
    assert [(row["reference"], row["what"], row["points"], Decimal(row["cents"])) for row in postings] == [
        ("l1", "earned", "1001", Decimal("1251.25")),
        ("l2", "used", "333", Decimal("-299.7")),
    ]
    assert "Books pays us €9.51" in manager.get(f"{url}?month={month}").content.decode()
    assert "We pay Books €0.76" in manager.get(url).content.decode()
    (row,) = rows_of(manager.get("/reports/partners/export/"))
    assert (row["code"], row["earned"], row["used"], row["to_invoice"]) == ("BOOKS", "-91", "-33", "-0.76")


def test_what_partners_gave_is_in_the_books(books_shop: Partner, a_months_business: date) -> None:
    assert books_on(a_months_business).book == 1_001 - 333 + 10 - 101 + 33

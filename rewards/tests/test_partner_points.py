"""What customers earn and use at partners: through the partner's own account, each reference once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from customers.models import Customer
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import AuditEvent, Company, Store, User
from loyaltycrm.testing import visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.partner_points import earn_at_partner, redeem_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner, change_partner
from rewards.ledger.audit import audit
from rewards.models import Account, Lot, LotUse, Partner, PartnerTerms, Posting
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db
TERMS = Terms(issued_rate=Decimal("1.2"), burned_rate=Decimal("0.9"), points=2, step_cents=1_00)


def content(**changes: object) -> PartnerContent:
    given = {"name": "Books", "contact": "", "active_from": date(2020, 1, 1), "active_until": None}
    return PartnerContent(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture
def books() -> Partner:
    return add_partner(code="books", content=content(), terms=TERMS, by=None)


@pytest.fixture
def fuel() -> Partner:
    return add_partner(code="FUEL", content=content(name="Fuel"), terms=TERMS, by=None)


def ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def net_of(partner: Partner) -> int:
    """Points that went to the partner's account less those that came from it, by the postings alone."""
    account = Account.objects.get(partner=partner)
    into = sum(Posting.objects.filter(destination=account).values_list("points", flat=True))
    return into - sum(Posting.objects.filter(source=account).values_list("points", flat=True))


def everything() -> list[object]:
    return [
        *Posting.objects.order_by("pk").values_list(),
        *Lot.objects.order_by("pk").values_list(),
        *LotUse.objects.order_by("pk").values_list(),
        *Account.objects.order_by("pk").values_list(),
        AuditEvent.objects.count(),
    ]


def test_points_come_from_the_partner_and_go_to_it(books: Partner, fuel: Partner, nameless: Customer) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="B 1", points=100, by=None)
    earn_at_partner(partner=books, customer=nameless, reference="B2", amount_cents=10_99, by=None)
    assert balance_of(nameless).available == 100 + 20
    redeem_at_partner(partner=fuel, customer=nameless, reference="b1", points=70, by=None)
    assert balance_of(nameless).available == 50
    assert (net_of(books), net_of(fuel)) == (-120, 70)
    assert list(audit()) == []


def test_a_reference_has_one_effect_whatever_its_blanks_and_case(books: Partner, nameless: Customer) -> None:
    first = earn_at_partner(partner=books, customer=nameless, reference="B 1", points=100, by=None)
    used = redeem_at_partner(partner=books, customer=nameless, reference="U1", points=30, by=None)
    before = everything()
    assert earn_at_partner(partner=books, customer=nameless, reference=" b1 ", points=100, by=None) == first
    assert earn_at_partner(partner=books, customer=nameless, reference="B1", amount_cents=50_00, by=None) == first
    assert redeem_at_partner(partner=books, customer=nameless, reference="u 1", points=30, by=None) == used
    assert everything() == before


def test_a_known_reference_with_other_content_is_a_conflict(books: Partner, nameless: Customer, olga: Customer) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="B1", points=100, by=None)
    earn_at_partner(partner=books, customer=olga, reference="B2", points=100, by=None)
    before = everything()
    attempts: list[Callable[[], object]] = [
        lambda: earn_at_partner(partner=books, customer=nameless, reference="B1", points=99, by=None),
        lambda: earn_at_partner(partner=books, customer=olga, reference="B1", points=100, by=None),
        lambda: redeem_at_partner(partner=books, customer=nameless, reference="B1", points=100, by=None),
        lambda: refund_at_partner(partner=books, of="B1", reference="B2", points=100, by=None),
    ]
    for again in attempts:
        with pytest.raises(Conflict):
            again()
    assert everything() == before


def test_the_same_number_of_two_partners_is_two_things(books: Partner, fuel: Partner, nameless: Customer) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=100, by=None)
    earn_at_partner(partner=fuel, customer=nameless, reference="1", points=5, by=None)
    assert balance_of(nameless).available == 105


@pytest.mark.parametrize("points", [0, -1, 10_000_001])
def test_numbers_that_cannot_be_are_refused(points: int, books: Partner, nameless: Customer) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="B1", points=100, by=None)
    before = everything()
    attempts: list[Callable[[], object]] = [
        lambda: earn_at_partner(partner=books, customer=nameless, reference="x", points=points, by=None),
        lambda: redeem_at_partner(partner=books, customer=nameless, reference="x", points=points, by=None),
        lambda: refund_at_partner(partner=books, of="B1", reference="x", points=points, by=None),
        lambda: earn_at_partner(partner=books, customer=nameless, reference="x", amount_cents=-1, by=None),
        lambda: earn_at_partner(partner=books, customer=nameless, reference="x", by=None),
    ]
    for wrong in attempts:
        with pytest.raises(Refused):
            wrong()
    assert everything() == before


@pytest.mark.parametrize("reference", ["", "   ", "a:b", "x" * 41])
def test_references_that_cannot_be_are_refused(reference: str, books: Partner, nameless: Customer) -> None:
    with pytest.raises(Refused, match="reference"):
        earn_at_partner(partner=books, customer=nameless, reference=reference, points=1, by=None)
    assert Posting.objects.count() == 0


def test_days_on_which_the_partner_was_not_active_are_refused(nameless: Customer) -> None:
    today = Company.current().today()
    days = content(active_from=today - timedelta(days=10), active_until=today - timedelta(days=2))
    past = add_partner(code="PAST", content=days, terms=TERMS, by=None)
    for day, is_active in ((11, False), (10, True), (2, True), (1, False)):
        if is_active:
            earn_at_partner(
                partner=past, customer=nameless, reference=f"{day}", points=1, occurred_at=ago(day), by=None
            )
        else:
            with pytest.raises(Refused, match="on that day"):
                earn_at_partner(
                    partner=past, customer=nameless, reference=f"{day}", points=1, occurred_at=ago(day), by=None
                )
    with pytest.raises(Refused, match="future"):
        earn_at_partner(partner=past, customer=nameless, reference="f", points=1, occurred_at=ago(-1), by=None)
    assert balance_of(nameless).available == 2


def test_no_more_is_used_than_there_is_and_was(books: Partner, nameless: Customer) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=100, occurred_at=ago(5), by=None)
    before = everything()
    with pytest.raises(Refused, match="101 needed, 100 left"):
        redeem_at_partner(partner=books, customer=nameless, reference="2", points=101, by=None)
    with pytest.raises(Refused, match="50 needed, 0 left"):
        redeem_at_partner(partner=books, customer=nameless, reference="3", points=50, occurred_at=ago(6), by=None)
    assert everything() == before


def test_a_refund_takes_earned_points_back_and_the_rest_is_owed(
    books: Partner, nameless: Customer, barona_iela: Store
) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=100, occurred_at=ago(5), by=None)
    redeem_at_partner(partner=books, customer=nameless, reference="2", points=80, by=None)
    taken = refund_at_partner(partner=books, of="1", reference="3", points=60, by=None)
    assert taken is not None
    assert (taken.kind, taken.points, taken.arrears_change) == ("take_back", 60, 40)
    assert refund_at_partner(partner=books, of="1", reference="3", points=60, by=None) == taken
    with pytest.raises(Refused, match="left of it: 40"):
        refund_at_partner(partner=books, of="1", reference="4", points=41, by=None)
    refund_at_partner(partner=books, of="1", reference="5", by=None)
    balance = balance_of(nameless)
    assert (balance.available, balance.arrears) == (-80, 80)
    assert net_of(books) == 80
    assert list(audit()) == []


def test_a_refund_gives_used_points_back_to_their_lots(books: Partner, nameless: Customer) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=100, occurred_at=ago(200), by=None)
    earn_at_partner(partner=books, customer=nameless, reference="2", points=100, occurred_at=ago(5), by=None)
    redeem_at_partner(partner=books, customer=nameless, reference="3", points=150, by=None)
    given = refund_at_partner(partner=books, of="3", reference="4", points=70, by=None)
    assert given is not None
    assert (given.kind, given.points) == ("give_back", 70)
    assert list(Lot.objects.order_by("earned_on").values_list("remaining", flat=True)) == [20, 100]
    assert refund_at_partner(partner=books, of="3", reference="4", points=70, by=None) == given
    refund_at_partner(partner=books, of="3", reference="5", by=None)
    assert balance_of(nameless).available == 200
    assert net_of(books) == -200
    assert list(audit()) == []


def test_points_that_lapsed_are_not_taken_twice(books: Partner, nameless: Customer) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=100, occurred_at=ago(370), by=None)
    redeem_at_partner(partner=books, customer=nameless, reference="2", points=30, occurred_at=ago(366), by=None)
    sweep_expired()
    taken = refund_at_partner(partner=books, of="1", reference="3", by=None)
    assert taken is not None
    assert (taken.points, taken.arrears_change) == (30, 30)
    assert refund_at_partner(partner=books, of="1", reference="3", points=100, by=None) == taken
    assert refund_at_partner(partner=books, of="1", reference="4", by=None) is None
    assert list(audit()) == []


def test_what_is_unknown_cannot_be_refunded(books: Partner, fuel: Partner, nameless: Customer) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=100, by=None)
    refund_at_partner(partner=books, of="1", reference="2", points=40, by=None)
    before = everything()
    for of, partner in (("9", books), ("1", fuel), ("2", books)):
        with pytest.raises(Refused, match="Nothing was earned"):
            refund_at_partner(partner=partner, of=of, reference="3", by=None)
    with pytest.raises(Refused, match="earlier"):
        refund_at_partner(partner=books, of="1", reference="3", occurred_at=ago(1), by=None)
    assert everything() == before


def test_partners_points_repay_arrears_and_mix_with_the_shops(
    books: Partner, nameless: Customer, barona_iela: Store
) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=100, by=None)
    redeem_at_partner(partner=books, customer=nameless, reference="2", points=100, by=None)
    refund_at_partner(partner=books, of="1", reference="3", by=None)
    visit(nameless, barona_iela, 500_00)
    earned = Posting.objects.get(visit__isnull=False).points
    earn_at_partner(partner=books, customer=nameless, reference="4", points=7, by=None)
    assert balance_of(nameless).available == earned + 7 - 100
    assert balance_of(nameless).arrears == 0
    assert list(audit()) == []


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (
            (
                "UPDATE rewards_posting SET source_id = (SELECT id FROM rewards_account WHERE partner_id = {other})"
                " WHERE kind = 'earn'"
            ),
            "account of the partner that its reference names",
        ),
        (
            (
                "UPDATE rewards_posting SET destination_id = (SELECT id FROM rewards_account WHERE kind = 'redeemed')"
                " WHERE kind = 'redeem'"
            ),
            "account of the partner that its reference names",
        ),
        ("UPDATE rewards_posting SET reference = 'x' WHERE kind = 'earn'", "account of the partner"),
        ("UPDATE rewards_posting SET points = points + 1 WHERE kind = 'take_back'", "sum of the postings"),
        ("UPDATE rewards_lotuse SET points = points - 1 WHERE points = 20", "takes its points from lots"),
    ],
)
def test_the_audit_sees_what_is_wrong_with_partners_postings(
    statement: str, rule: str, books: Partner, fuel: Partner, nameless: Customer
) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=100, by=None)
    redeem_at_partner(partner=books, customer=nameless, reference="2", points=20, by=None)
    refund_at_partner(partner=books, of="1", reference="3", points=10, by=None)
    assert list(audit()) == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement.format(other=fuel.pk))
        assert cursor.rowcount == 1
    findings = list(audit())
    assert any(rule in finding.rule for finding in findings), findings


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("UPDATE rewards_account SET partner_id = NULL WHERE kind = 'partner'", "refused"),
        (
            "INSERT INTO rewards_account (kind, book_balance, arrears) VALUES ('partner', 0, 0)",
            "rewards_account_of_customer_or_of",
        ),
        ("UPDATE rewards_account SET book_balance = 1 WHERE kind = 'partner'", "rewards_account_of_customer_or_of"),
        (
            (
                "INSERT INTO rewards_account (kind, partner_id, book_balance, arrears)"
                " SELECT 'issued', id, 0, 0 FROM rewards_partner"
            ),
            "rewards_account_",
        ),
        ("INSERT INTO rewards_account (kind, book_balance, arrears) VALUES ('issued', 0, 0)", "one_of_each_programme"),
        (
            (
                "INSERT INTO rewards_account (kind, partner_id, book_balance, arrears)"
                " SELECT 'partner', id, 0, 0 FROM rewards_partner"
            ),
            "partner_id",
        ),
        ("UPDATE rewards_partner SET code = 'a b'", "rewards_partner_code_is_plain"),
        ("UPDATE rewards_partner SET active_until = '2019-01-01'", "rewards_partner_ends_after_start"),
    ],
)
def test_impossible_accounts_are_refused_by_name(statement: str, name: str, books: Partner) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_terms_change_from_today_on_and_never_for_the_past(books: Partner, dace: User) -> None:
    today = Company.current().today()
    dearer = Terms(issued_rate=Decimal(2), burned_rate=Decimal("0.9"), points=2, step_cents=1_00)
    with pytest.raises(Refused, match="today or a later"):
        change_partner(partner=books, content=content(), terms=dearer, terms_from=today - timedelta(days=1), by=dace)
    assert PartnerTerms.objects.count() == 1
    change_partner(partner=books, content=content(name="Book shop"), terms=dearer, by=dace)
    assert list(books.terms.order_by("starts_on").values_list("starts_on", "issued_rate")) == [
        (date(2020, 1, 1), Decimal("1.2")),
        (today, Decimal(2)),
    ]
    with pytest.raises(Refused, match="Choose a later day"):
        change_partner(partner=books, content=content(), terms=TERMS, terms_from=today, by=dace)
    books.refresh_from_db()
    assert books.name == "Book shop"
    change_partner(partner=books, content=content(name="Book shop"), terms=dearer, by=dace)
    assert books.terms.count() == 2


@pytest.mark.parametrize(
    ("code", "changes", "terms", "field"),
    [
        ("a b", {}, {}, "code"),
        ("", {}, {}, "code"),
        ("BOOKS", {}, {}, "code"),
        ("NEW", {"name": "  "}, {}, "name"),
        ("NEW", {"active_until": date(2019, 12, 31)}, {}, "active_until"),
        ("NEW", {}, {"issued_rate": Decimal(-1)}, "issued_rate"),
        ("NEW", {}, {"burned_rate": Decimal("0.00001")}, "burned_rate"),
        ("NEW", {}, {"burned_rate": Decimal("NaN")}, "burned_rate"),
        ("NEW", {}, {"points": -1}, "points"),
        ("NEW", {}, {"step_cents": 0}, "step_cents"),
    ],
)
def test_a_partner_that_cannot_be_is_refused(
    code: str, changes: dict[str, object], terms: dict[str, object], field: str, books: Partner
) -> None:
    wrong = Terms(**({"issued_rate": Decimal(1), "burned_rate": Decimal(1), "points": 1, "step_cents": 100} | terms))  # type: ignore[arg-type]
    with pytest.raises(Refused) as refusal:
        add_partner(code=code, content=content(**changes), terms=wrong, by=None)
    assert refusal.value.field == field
    assert (Partner.objects.count(), Account.objects.filter(kind="partner").count()) == (1, 1)

"""The check of the books names the row of every kind of corruption, planted where the database does not look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from customers.models import Customer
from loyaltycrm.core.models import Store, User
from rewards.actions.adjusting import adjust_points
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill, reverse_goodwill
from rewards.actions.money_off import use_as_money
from rewards.actions.redeeming import use_reward
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import AdjustmentReason, ProgrammeVersion, Reward
from rewards.tests.rules import SHIPPED

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Corruption:
    """A statement on one row, `{id}`, found by `row`; the audit has to name a row of `named` (default: the same)."""

    what: str
    row: str
    statement: str
    named: str = ""


NAMELESS = (
    "SELECT a.id FROM rewards_account a JOIN customers_customer c ON c.id = a.customer_id"
    " WHERE c.external_id = 'A-1004'"
)
OLGA = NAMELESS.replace("A-1004", "A-1003")
FIRST = "(SELECT id FROM customers_visit WHERE receipt_id = 'first')"


def account(owner: str = NAMELESS) -> str:
    return f"rewards_account: {owner}"


def posting(what: str) -> str:
    return f"rewards_posting: SELECT p.id FROM rewards_posting p WHERE {what} ORDER BY p.id LIMIT 1"


def lot(what: str) -> str:
    return (
        "rewards_lot: SELECT l.id FROM rewards_lot l JOIN rewards_posting p ON p.id = l.posting_id"
        f" WHERE {what} ORDER BY l.id LIMIT 1"
    )


def use(what: str, give: str = "u.id") -> str:
    return (
        f"rewards_lotuse: SELECT {give} FROM rewards_lotuse u JOIN rewards_posting p ON p.id = u.posting_id"
        f" WHERE {what} ORDER BY u.id LIMIT 1"
    )


EARNED = posting(f"p.kind = 'earn' AND p.visit_id = {FIRST}")
OWN_LOT = lot(f"p.kind = 'earn' AND p.visit_id = {FIRST}")
USED = posting("p.kind = 'redeem' AND p.reference = 'redemption:k'")
TAKEN = posting(f"p.kind = 'take_back' AND p.visit_id = {FIRST}")
ENDED = posting("p.kind = 'expire'")
ENDED_LOT = lot(
    "l.id = (SELECT lot_id FROM rewards_lotuse u JOIN rewards_posting e ON e.id = u.posting_id"
    " WHERE e.kind = 'expire' ORDER BY e.id LIMIT 1)"
)
GIVEN_BACK = posting("p.kind = 'give_back'")
GIFT = posting("p.kind = 'goodwill'")

_STANDING = "SELECT customer_id FROM rewards_tierchange ORDER BY id LIMIT 1"

CORRUPTIONS = [
    Corruption(
        "a use of another visit than its posting",
        "rewards_redemption: SELECT id FROM rewards_redemption WHERE reference = 'redemption:k'",
        "UPDATE rewards_redemption SET visit_id = NULL WHERE id = {id}",
    ),
    Corruption(
        "a use of more points than were taken",
        "rewards_redemption: SELECT id FROM rewards_redemption WHERE reference = 'redemption:k'",
        "UPDATE rewards_redemption SET points = points + 1 WHERE id = {id}",
    ),
    Corruption(
        "a use by somebody else",
        "rewards_redemption: SELECT id FROM rewards_redemption WHERE reference = 'redemption:k'",
        "UPDATE rewards_redemption SET customer_id = (SELECT id FROM customers_customer WHERE external_id = 'A-1003')"
        " WHERE id = {id}",
    ),
    Corruption(
        "a use on another day",
        "rewards_redemption: SELECT id FROM rewards_redemption WHERE reference = 'redemption:k'",
        "UPDATE rewards_redemption SET business_date = business_date - 1 WHERE id = {id}",
    ),
    Corruption(
        "a use that is gone while its points are used",
        "rewards_posting: SELECT id FROM rewards_posting WHERE reference = 'redemption:k'",
        "DELETE FROM rewards_redemption WHERE posting_id = {id}",
    ),
    Corruption(
        "money off worth more than its points",
        "rewards_redemption: SELECT id FROM rewards_redemption WHERE reference = 'redemption:m'",
        "UPDATE rewards_redemption SET value_cents = value_cents + 1 WHERE id = {id}",
    ),
    Corruption(
        "a use called undone whose points stayed used",
        "rewards_redemption: SELECT id FROM rewards_redemption WHERE reference = 'redemption:m'",
        "UPDATE rewards_redemption SET undone_at = now() WHERE id = {id}",
    ),
    Corruption(
        "a use that stands though its points came back",
        "rewards_redemption: SELECT id FROM rewards_redemption WHERE reference = 'redemption:again'",
        "UPDATE rewards_redemption SET undone_at = NULL WHERE id = {id}",
    ),
    Corruption(
        "a use that joined a visit before it was given back",
        "rewards_redemption: SELECT id FROM rewards_redemption WHERE reference = 'redemption:loose'",
        "UPDATE rewards_redemption SET visit_id = (SELECT id FROM customers_visit WHERE receipt_id = 'spent')"
        " WHERE id = {id}",
        posting("p.kind = 'take_back' AND p.visit_id = (SELECT id FROM customers_visit WHERE receipt_id = 'spent')"),
    ),
    Corruption(
        "a balance too high", account(), "UPDATE rewards_account SET book_balance = book_balance + 1 WHERE id = {id}"
    ),
    Corruption(
        "a balance too low", account(), "UPDATE rewards_account SET book_balance = book_balance - 1 WHERE id = {id}"
    ),
    Corruption(
        "arrears from nowhere",
        account(),
        "UPDATE rewards_account SET arrears = arrears + 5, book_balance = book_balance - 5 WHERE id = {id}",
    ),
    Corruption(
        "arrears forgiven",
        account(OLGA),
        "UPDATE rewards_account SET book_balance = book_balance + arrears, arrears = 0 WHERE id = {id}",
    ),
    Corruption(
        "a lot with points from nowhere",
        OWN_LOT,
        "UPDATE rewards_lot SET points = points + 7, remaining = remaining + 7 WHERE id = {id}",
        EARNED,
    ),
    Corruption("a lot that lost a point", OWN_LOT, "UPDATE rewards_lot SET remaining = remaining - 1 WHERE id = {id}"),
    Corruption("a lot refilled", OWN_LOT, "UPDATE rewards_lot SET remaining = points WHERE id = {id}"),
    Corruption(
        "a lot that ends later",
        OWN_LOT,
        "UPDATE rewards_lot SET good_through = good_through + 1 WHERE id = {id}",
    ),
    Corruption(
        "a lot that never ends",
        OWN_LOT,
        "UPDATE rewards_lot SET good_through = NULL WHERE id = {id}",
    ),
    Corruption(
        "a lot that opens earlier",
        OWN_LOT,
        "UPDATE rewards_lot SET available_on = available_on - 1 WHERE id = {id}",
    ),
    Corruption(
        "a lot earned on another day",
        OWN_LOT,
        "UPDATE rewards_lot SET earned_on = earned_on - 1 WHERE id = {id}",
    ),
    Corruption(
        "a lot earned at another time",
        OWN_LOT,
        "UPDATE rewards_lot SET earned_at = earned_at - interval '1 hour' WHERE id = {id}",
    ),
    Corruption("a lot of somebody else", OWN_LOT, f"UPDATE rewards_lot SET account_id = ({OLGA}) WHERE id = {{id}}"),
    Corruption(
        "a lot of another posting",
        OWN_LOT,
        "UPDATE rewards_lot SET posting_id = (SELECT id FROM rewards_posting WHERE kind = 'goodwill') WHERE id = {id}",
        EARNED,
    ),
    Corruption("a lot that is gone", OWN_LOT, "DELETE FROM rewards_lot WHERE id = {id}", EARNED),
    Corruption(
        "a lot of another name",
        OWN_LOT,
        "UPDATE rewards_lot SET reference = 'visit:0' WHERE id = {id}",
    ),
    Corruption(
        "a lot that forgot what it carries on",
        lot("l.continues_id IS NOT NULL"),
        "UPDATE rewards_lot SET continues_id = NULL WHERE id = {id}",
    ),
    Corruption(
        "a use of points of another size", USED, "UPDATE rewards_posting SET points = points + 1 WHERE id = {id}"
    ),
    Corruption(
        "an earning larger than its visit, with books that agree",
        EARNED,
        "UPDATE rewards_posting SET points = points + 10 WHERE id = {id};"
        "UPDATE rewards_lot SET points = points + 10, remaining = remaining + 10 WHERE posting_id = {id};"
        "UPDATE rewards_account SET book_balance = book_balance + 10"
        " WHERE id = (SELECT destination_id FROM rewards_posting WHERE id = {id})",
    ),
    Corruption(
        "an account turned round",
        EARNED,
        "UPDATE rewards_posting SET source_id = destination_id, destination_id = source_id WHERE id = {id}",
    ),
    Corruption(
        "a posting to somebody else",
        EARNED,
        f"UPDATE rewards_posting SET destination_id = ({OLGA}) WHERE id = {{id}}",
        OWN_LOT,
    ),
    Corruption("an earning called a gift", EARNED, "UPDATE rewards_posting SET kind = 'goodwill' WHERE id = {id}"),
    Corruption(
        "a posting from the wrong account of the programme",
        GIFT,
        "UPDATE rewards_posting SET source_id = (SELECT id FROM rewards_account WHERE kind = 'issued') WHERE id = {id}",
    ),
    Corruption(
        "a posting of another day",
        EARNED,
        "UPDATE rewards_posting SET business_date = business_date - 1 WHERE id = {id}",
    ),
    Corruption(
        "a posting at another time",
        EARNED,
        "UPDATE rewards_posting SET occurred_at = occurred_at - interval '1 hour' WHERE id = {id}",
    ),
    Corruption(
        "a posting of another version",
        EARNED,
        "UPDATE rewards_posting SET programme_version_id ="
        " (SELECT id FROM rewards_programmeversion WHERE number = 1) WHERE id = {id}",
    ),
    Corruption("a posting without its visit", EARNED, "UPDATE rewards_posting SET visit_id = NULL WHERE id = {id}"),
    Corruption("a posting of another name", EARNED, "UPDATE rewards_posting SET reference = 'visit:0' WHERE id = {id}"),
    Corruption("a reversal of nothing", TAKEN, "UPDATE rewards_posting SET reverses_id = NULL WHERE id = {id}"),
    Corruption(
        "a reversal of something else",
        GIVEN_BACK,
        "UPDATE rewards_posting SET reverses_id = (SELECT id FROM rewards_posting WHERE kind = 'goodwill')"
        " WHERE id = {id}",
    ),
    Corruption(
        "more reversed than there was",
        GIVEN_BACK,
        "UPDATE rewards_posting SET points = points + 1000 WHERE id = {id}",
        posting("p.id = (SELECT reverses_id FROM rewards_posting WHERE kind = 'give_back' ORDER BY id LIMIT 1)"),
    ),
    Corruption(
        "arrears of a posting that are not",
        posting("p.arrears_change > 0"),
        "UPDATE rewards_posting SET arrears_change = arrears_change - 1 WHERE id = {id}",
    ),
    Corruption("a posting that is gone", USED, "DELETE FROM rewards_posting WHERE id = {id}", account()),
    Corruption(
        "a visit whose points were never posted, with books that agree",
        posting("p.kind = 'earn' AND p.visit_id = (SELECT id FROM customers_visit WHERE receipt_id = 'last')"),
        "UPDATE rewards_account SET book_balance = book_balance - (SELECT points FROM rewards_posting WHERE id = {id})"
        " WHERE id = (SELECT destination_id FROM rewards_posting WHERE id = {id});"
        "DELETE FROM rewards_lot WHERE posting_id = {id}; DELETE FROM rewards_posting WHERE id = {id}",
        account(),
    ),
    Corruption(
        "a refund whose points were never taken, with books that agree",
        TAKEN,
        "UPDATE rewards_account SET book_balance = book_balance + (SELECT points FROM rewards_posting WHERE id = {id})"
        " WHERE id = (SELECT source_id FROM rewards_posting WHERE id = {id});"
        "UPDATE rewards_lot l SET remaining = remaining + u.points FROM rewards_lotuse u"
        " WHERE u.lot_id = l.id AND u.posting_id = {id};"
        "DELETE FROM rewards_lotuse WHERE posting_id = {id}; DELETE FROM rewards_posting WHERE id = {id}",
        account(),
    ),
    Corruption(
        "an end of a lot on another day",
        ENDED,
        "UPDATE rewards_posting SET business_date = business_date + 1 WHERE id = {id}",
        ENDED_LOT,
    ),
    Corruption(
        "a lot that ended twice",
        ENDED,
        "WITH again AS (INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points,"
        " arrears_change, business_date, occurred_at, posted_at, programme_version_id)"
        " SELECT reference || ':2', kind, source_id, destination_id, points, 0, business_date, occurred_at,"
        " posted_at, programme_version_id FROM rewards_posting"
        " WHERE id = {id} RETURNING id) INSERT INTO rewards_lotuse (lot_id, posting_id, points)"
        " SELECT u.lot_id, again.id, u.points FROM again, rewards_lotuse u WHERE u.posting_id = {id}",
        ENDED_LOT,
    ),
    Corruption(
        "a use that is gone",
        use("p.reference = 'redemption:k'"),
        "DELETE FROM rewards_lotuse WHERE id = {id}",
        USED,
    ),
    Corruption(
        "a use of another size",
        use("p.reference = 'redemption:k'"),
        "UPDATE rewards_lotuse SET points = points - 1 WHERE id = {id}",
        USED,
    ),
    Corruption(
        "a use of another lot, with lots that agree",
        use("p.reference = 'redemption:late'"),
        "UPDATE rewards_lot SET remaining = remaining + (SELECT points FROM rewards_lotuse WHERE id = {id})"
        " WHERE id = (SELECT lot_id FROM rewards_lotuse WHERE id = {id});"
        "UPDATE rewards_lotuse SET lot_id = (SELECT l.id FROM rewards_lot l"
        " JOIN rewards_posting p ON p.id = l.posting_id"
        " JOIN customers_visit v ON v.id = p.visit_id AND v.receipt_id = 'last') WHERE id = {id};"
        "UPDATE rewards_lot SET remaining = remaining - (SELECT points FROM rewards_lotuse WHERE id = {id})"
        " WHERE id = (SELECT lot_id FROM rewards_lotuse WHERE id = {id})",
        posting("p.reference = 'redemption:late'"),
    ),
    Corruption(
        "a use by somebody else's posting",
        use("p.reference = 'redemption:k'"),
        f"UPDATE rewards_lotuse SET lot_id = (SELECT min(id) FROM rewards_lot WHERE account_id = ({OLGA}))"
        " WHERE id = {id}",
        USED,
    ),
    Corruption(
        "a receipt changed afterwards",
        EARNED,
        f"UPDATE customers_visit SET net_cents = net_cents + 5000, gross_cents = gross_cents + 5000 WHERE id = {FIRST}",
    ),
    Corruption(
        "a refund changed afterwards",
        TAKEN,
        "UPDATE customers_refund SET net_cents = net_cents + 5000 WHERE receipt_id = 'back'",
        posting("p.kind = 'give_back' AND p.reference LIKE 'refund:%'"),
    ),
    Corruption(
        "a visit called void that was not reversed",
        account(),
        f"UPDATE customers_visit SET voided_at = now() WHERE id = {FIRST}",
        account(),
    ),
    Corruption(
        "rules of a version changed afterwards",
        EARNED,
        "UPDATE rewards_programmeversion SET rules = jsonb_set(rules, '{earning,rules,0,gives,points}', '3')"
        " WHERE number = 2",
        posting("p.kind = 'earn'"),
    ),
    Corruption(
        "a tier that nobody reached",
        f"rewards_tierstanding: {_STANDING}",
        "UPDATE rewards_tierstanding SET tier = 'gold' WHERE customer_id = {id}",
    ),
    Corruption(
        "a tier since another day",
        f"rewards_tierstanding: {_STANDING}",
        "UPDATE rewards_tierstanding SET since = since - 1 WHERE customer_id = {id}",
    ),
    Corruption(
        "a tier reached by another sum",
        f"rewards_tierstanding: {_STANDING}",
        "UPDATE rewards_tierstanding SET qualifying = qualifying + 1 WHERE customer_id = {id}",
    ),
    Corruption(
        "a tier that nobody kept",
        f"rewards_tierstanding: {_STANDING}",
        "DELETE FROM rewards_tierstanding WHERE customer_id = {id}",
    ),
    Corruption(
        "a change of tier on another day",
        "rewards_tierchange: SELECT min(id) FROM rewards_tierchange",
        'UPDATE rewards_tierchange SET "on" = "on" + 1 WHERE id = {id}',
    ),
    Corruption(
        "a change of tier that is gone",
        "rewards_tierchange: SELECT min(id) FROM rewards_tierchange",
        "DELETE FROM rewards_tierchange WHERE id = {id}",
        f"rewards_tierstanding: {_STANDING}",
    ),
    Corruption(
        "an adjustment that says another number",
        posting("p.kind = 'adjust'"),
        "UPDATE rewards_adjustment SET points = points + 1 WHERE posting_id = {id}",
    ),
]


@pytest.fixture
def _books(nameless: Customer, olga: Customer, barona_iela: Store, admin: User) -> None:
    """Every kind of posting, so that each can be spoilt."""
    now = timezone.now()
    ProgrammeVersion.objects.create(number=2, starts_on=(now - timedelta(days=600)).date(), rules=SHIPPED)

    def bought(owner: Customer, name: str, cents: int, days_ago: int) -> object:
        return record_visit(
            customer=owner,
            store=barona_iela,
            net_cents=cents,
            receipt_id=name,
            occurred_at=now - timedelta(days=days_ago),
            by=None,
        ).visit

    def used(owner: Customer, key: str, points: int, visit: object = None) -> None:
        reward = Reward.objects.create(key=key, names={"en": key}, points_cost=points, benefit=FreeItem(worth_cents=1))
        use_reward(customer=owner, reward=reward, store=barona_iela, reference=key, visit=visit, by=None)  # type: ignore[arg-type]

    with time_machine.travel(now - timedelta(days=550), tick=False):
        bought(nameless, "oldest", 500_00, 550)
        undone = use_as_money(customer=nameless, points=500, store=barona_iela, reference="again", by=None)
        undo_redemption(redemption=undone.redemption, by=None)
        use_as_money(customer=nameless, points=500, store=barona_iela, reference="m", by=None)
    bought(nameless, "old", 100_00, 500)
    first = bought(nameless, "first", 500_00, 364)
    used(nameless, "k", 100, first)
    refund_visit(visit=first, net_cents=100_00, receipt_id="back", by=None)  # type: ignore[arg-type]
    bought(nameless, "last", 300_00, 1)
    used(nameless, "late", 60)
    gift = post_goodwill(customer=nameless, points=40, reference="goodwill:1", by=None)
    reverse_goodwill(posting=gift, reference="undo:goodwill:1", by=None)
    reason = AdjustmentReason.objects.filter(direction__in=["takes", "both"]).order_by("id")[0]
    adjust_points(customer=nameless, points=-10, reason=reason, note="Counted", key="a", by=admin)
    with time_machine.travel(now - timedelta(days=400), tick=False):
        lent = bought(olga, "lent", 300_00, 400)
        used(olga, "early", 120, lent)
    sweep_expired()
    refund_visit(visit=lent, net_cents=150_00, receipt_id="some", by=None)  # type: ignore[arg-type]
    spent = bought(olga, "spent", 200_00, 2)
    used(olga, "loose", 190)
    refund_visit(visit=spent, net_cents=200_00, receipt_id="all", by=None)  # type: ignore[arg-type]


def rows(query: str) -> set[tuple[str, int]]:
    table, select = query.split(": ", 1)
    with connection.cursor() as cursor:
        cursor.execute(select)
        return {(table, row[0]) for row in cursor}


@pytest.mark.usefixtures("_books")
def test_every_kind_of_corruption_is_found_and_named() -> None:
    assert list(audit()) == []
    missed = []
    for corruption in CORRUPTIONS:
        assert len(rows(corruption.row)) == 1, corruption.what
        ((_table, row_id),) = rows(corruption.row)
        named = rows(corruption.named or corruption.row)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")
                for part in corruption.statement.replace("{id}", str(row_id)).split(";"):
                    cursor.execute(part)
                    assert cursor.rowcount > 0, corruption.what
            found = {(finding.table, finding.row_id) for finding in audit()}
            transaction.set_rollback(True)
        if not found & named:
            missed.append(f"{corruption.what}: {sorted(found)}, not {sorted(named)}")
    assert not missed, "\n".join(missed)
    assert list(audit()) == []


@pytest.mark.usefixtures("_books")
def test_the_command_says_the_row_and_the_rule() -> None:
    ((_table, row_id),) = rows(account())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE rewards_account SET book_balance = book_balance + 1 WHERE id = %s", [row_id])
        cursor.execute("SET LOCAL session_replication_role = origin")
    with pytest.raises((CommandError, SystemExit)):
        call_command("audit_ledger")

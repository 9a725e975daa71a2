"""Each promise that the database keeps, tried as its roles, and tried again with the protecting line removed.

The second half is what makes the first one proof: without the line the wrong thing goes through, so a test here fails
when the line is lost. `test_no_protecting_line_is_untried` finds lines that nobody tries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from django.db import DatabaseError, connection, transaction

from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.models import Reward

pytestmark = pytest.mark.django_db

TABLES = {
    "rewards_posting": "append_only",
    "rewards_lotuse": "append_only",
    "rewards_programmeversion": "append_only",
    "rewards_lot": "no_delete",
    "rewards_account": "no_delete",
}


@dataclass(frozen=True)
class Line:
    """One protecting line: what removes it, what it must refuse, what the refusal says, what has to be set up first."""

    name: str
    removal: str
    wrong: str
    refusal: str
    first: str = ""


def _trigger(table: str, trigger: str, wrong: str) -> Line:
    name = f"{table}_{trigger}"
    return Line(name, f"DROP TRIGGER {name} ON {table}", wrong, "never changed or deleted")


def _truncation(table: str) -> Line:
    """TRUNCATE reaches the tables that refer to this one, which refuse too: their refusals are taken away first."""
    others = f"""DO $$ DECLARE t record; BEGIN
        FOR t IN SELECT tgname, tgrelid::regclass AS name FROM pg_trigger
            WHERE tgname ^@ 'rewards' AND tgname LIKE '%no_truncate' AND tgrelid <> '{table}'::regclass
        LOOP EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.name); END LOOP; END $$"""
    line = _trigger(table, "no_truncate", f"TRUNCATE {table} CASCADE")
    return Line(line.name, line.removal, line.wrong, line.refusal, others)


def _rule(table: str, name: str, wrong: str) -> Line:
    return Line(name, f"ALTER TABLE {table} DROP CONSTRAINT {name}", wrong, name)


def _unique(table: str, name: str, columns: str, other: str = "") -> Line:
    """A second row like the first one, apart from its id and `other` (column = value)."""
    changed = dict(part.split(" = ") for part in other.split(", ") if part)
    named = "id, " + ", ".join([*columns.split(), *changed])
    values = f"nextval(pg_get_serial_sequence('{table}', 'id')), " + ", ".join([*columns.split(), *changed.values()])
    return _rule(table, name, f"INSERT INTO {table} ({named}) SELECT {values} FROM {table} ORDER BY id LIMIT 1")


_POSTING = (
    "kind source_id destination_id points arrears_change business_date occurred_at posted_at programme_version_id"
)
_LOT = "account_id posting_id points remaining earned_at earned_on available_on good_through"

LINES = [
    *(_trigger(table, trigger, f"DELETE FROM {table}") for table, trigger in TABLES.items()),
    *(_truncation(table) for table in TABLES),
    _trigger("rewards_posting", "append_only", "UPDATE rewards_posting SET points = points + 1"),
    _trigger("rewards_lotuse", "append_only", "UPDATE rewards_lotuse SET points = points + 1"),
    _trigger("rewards_programmeversion", "append_only", "UPDATE rewards_programmeversion SET note = 'x'"),
    *(
        _trigger("rewards_lot", "unchanging", f"UPDATE rewards_lot SET {change}")
        for change in (
            "points = points + 1",
            "earned_on = earned_on + 1",
            "available_on = available_on - 1",
            "earned_at = earned_at + interval '1 second'",
            "reference = reference || 'x'",
            "posting_id = posting_id + 1",
            "account_id = account_id + 1",
            "continues_id = id",
            "idle_days = 3",
            "good_through = good_through + 1",
            "good_through = NULL",
        )
    ),
    _trigger("rewards_account", "unchanging", "UPDATE rewards_account SET kind = 'b' WHERE kind = 'goodwill'"),
    _trigger("rewards_account", "unchanging", "UPDATE rewards_account SET customer_id = customer_id + 1"),
    _rule(
        "rewards_account",
        "rewards_account_not_overdrawn",
        "UPDATE rewards_account SET book_balance = -1 WHERE kind = 'customer'",
    ),
    _rule(
        "rewards_account",
        "rewards_account_arrears_not_negative",
        "UPDATE rewards_account SET arrears = -1 WHERE kind = 'customer'",
    ),
    _rule(
        "rewards_account",
        "rewards_account_of_customer_or_of_programme",
        "UPDATE rewards_account SET book_balance = 5 WHERE kind = 'issued'",
    ),
    Line(
        "rewards_account_one_of_each_programme_kind",
        "DROP INDEX rewards_account_one_of_each_programme_kind",
        "INSERT INTO rewards_account (kind, book_balance, arrears) VALUES ('issued', 0, 0)",
        "rewards_account_one_of_each_programme_kind",
    ),
    Line(
        "rewards_account_customer_id_key",
        "ALTER TABLE rewards_account DROP CONSTRAINT rewards_account_customer_id_key",
        "INSERT INTO rewards_account (kind, customer_id, book_balance, arrears)"
        " SELECT kind, customer_id, 0, 0 FROM rewards_account WHERE kind = 'customer'",
        "rewards_account_customer_id_key",
    ),
    _rule("rewards_lot", "rewards_lot_remaining_within_points", "UPDATE rewards_lot SET remaining = -1"),
    _rule("rewards_lot", "rewards_lot_remaining_within_points", "UPDATE rewards_lot SET remaining = points + 1"),
    _rule(
        "rewards_lot",
        "rewards_lot_points_positive",
        f"INSERT INTO rewards_lot (reference, points, remaining, {', '.join(_LOT.split()[:2] + _LOT.split()[4:])})"
        f" SELECT 'x', 0, 0, {', '.join(_LOT.split()[:2] + _LOT.split()[4:])} FROM rewards_lot LIMIT 1",
    ),
    _unique("rewards_lot", "rewards_lot_reference_key", f"reference {_LOT}"),
    _rule(
        "rewards_lotuse",
        "rewards_lot_use_not_zero",
        "INSERT INTO rewards_lotuse (lot_id, posting_id, points) SELECT lot_id, posting_id, 0 FROM rewards_lotuse",
    ),
    _unique("rewards_posting", "rewards_posting_reference_key", f"reference {_POSTING}"),
    _unique(
        "rewards_posting",
        "rewards_posting_points_positive",
        _POSTING.replace(" points ", " "),
        "points = 0, reference = 'x'",
    ),
    _unique(
        "rewards_posting",
        "rewards_posting_points_positive",
        _POSTING.replace(" points ", " "),
        "points = 1000000001, reference = 'x'",
    ),
    _unique(
        "rewards_posting",
        "rewards_posting_moves_between_two_accounts",
        _POSTING.replace(" destination_id ", " "),
        "destination_id = source_id, reference = 'x'",
    ),
    _unique(
        "customers_visit",
        "customers_visit_receipt_once",
        "store_id receipt_id receipt_key channel payment_method occurred_at business_date gross_cents discount_cents"
        " net_cents note recorded_at void_reason",
    ),
    _unique(
        "customers_refund",
        "customers_refund_receipt_once",
        "visit_id store_id receipt_id receipt_key occurred_at business_date net_cents recorded_at",
    ),
    _rule("customers_refund", "customers_refund_gives_back", "UPDATE customers_refund SET net_cents = 0"),
    _rule(
        "customers_visit", "customers_visit_amounts_add_up", "UPDATE customers_visit SET gross_cents = gross_cents + 1"
    ),
    _unique(
        "rewards_redemption",
        "rewards_redemption_reference_key",
        "reference customer_id value_cents redeemed_at business_date",
        "points = 0",
    ),
    _rule("rewards_redemption", "rewards_redemption_points_are_posted", "UPDATE rewards_redemption SET points = 0"),
    Line(
        "rewards_programme_versions_in_order",
        "DROP TRIGGER rewards_programme_versions_in_order ON rewards_programmeversion",
        "INSERT INTO rewards_programmeversion (number, starts_on, rules, note, signed_at)"
        " SELECT 7, '2020-01-01', rules, note, signed_at FROM rewards_programmeversion LIMIT 1",
        "versions start in the order of their numbers",
    ),
]
GROUPS = sorted({line.name.split("_")[1] for line in LINES})


@pytest.fixture(autouse=True)
def _books(nameless: Customer, barona_iela: Store) -> None:
    """A sale, a use of points and a refund, so that every table has rows."""
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=500_00, by=None).visit
    reward = Reward.objects.create(key="c", names={"en": "C"}, points_cost=100, benefit=FreeItem(worth_cents=1))
    use_reward(customer=nameless, reward=reward, store=barona_iela, reference="k", by=None)
    refund_visit(visit=sale, net_cents=10_00, receipt_id="back", by=None)


def run(statement: str, role: str = "") -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        if role:
            cursor.execute(f"SET LOCAL ROLE {role}")
        for part in [statement] if statement.startswith("DO") else statement.split("; "):
            cursor.execute(part)


@pytest.fixture
def roles() -> list[str]:
    """The application's role, which may do all but own the tables, an owner that is no superuser, a superuser ("")."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("CREATE ROLE proof_application")
        cursor.execute("CREATE ROLE proof_owner")
        cursor.execute("GRANT USAGE ON SCHEMA public TO proof_application, proof_owner")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO proof_application, proof_owner")
        cursor.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO proof_application, proof_owner")
        for table in (*TABLES, "customers_visit", "customers_refund", "rewards_redemption"):
            cursor.execute(f"ALTER TABLE {table} OWNER TO proof_owner")
    return ["proof_application", "proof_owner", ""]


@pytest.mark.parametrize("group", GROUPS)
def test_every_role_is_refused_and_without_the_line_it_goes_through(group: str, roles: list[str]) -> None:
    before = contents()
    for line in (line for line in LINES if line.name.split("_")[1] == group):
        with transaction.atomic():
            if line.first:
                run(line.first)
            for role in roles:
                with pytest.raises(DatabaseError, match=re.escape(line.refusal)):
                    run(line.wrong, role)
            assert contents() == before
            run(line.removal)
            run(f"SET CONSTRAINTS ALL DEFERRED; {line.wrong}")
            assert contents() != before, f"{line.name} is not what refuses: {line.wrong}"
            transaction.set_rollback(True)


def contents() -> list[object]:
    rows: list[object] = []
    with connection.cursor() as cursor:
        for table in (*TABLES, "customers_visit", "customers_refund", "rewards_redemption"):
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            rows += cursor.fetchall()
    return rows


def test_no_protecting_line_is_untried() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT conname FROM pg_constraint WHERE contype IN ('c', 'u') AND conrelid = ANY(%s::text[]::regclass[])
               UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = ANY(%s::text[]::regclass[])
               UNION SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE i.indisunique AND NOT i.indisprimary AND i.indrelid = ANY(%s::text[]::regclass[])""",
            [list(TABLES)] * 3,
        )
        lines = {name for (name,) in cursor}
    assert lines - {line.name for line in LINES} - TRIED_ELSEWHERE == set()


TRIED_ELSEWHERE = {
    "rewards_lot_idle_days_check",  # Django's own: a number of days is not negative
    "rewards_account_merged_is_empty",  # where merges are tried
    "rewards_account_partner_id_key",  # one account of each partner: made by `add_partner`, the only writer
    "rewards_programmeversion_number_check",  # Django's own: a version's number is not negative
    "rewards_programmeversion_number_key",
    "rewards_programme_first_holds_from_the_beginning",
}

"""An import that is killed and run again gives what one import gives."""

from __future__ import annotations

import json
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from loyaltycrm.core.tests.importing import CUSTOMER, imported, shop_in_words, write_table
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.shop.tests.busy_shop import BusyShop, busy_shop
from rewards.models import Account, OpeningBalance, Posting

pytestmark = pytest.mark.faults

# Each kill comes later than the one before: the fresh shop, the first chunk at several moments, chunks after others.
MOMENTS = (
    "import.customers",
    "import.prepared",
    "import.visits",
    "import.points",
    "import.chunk",
    "import.chunk#2",
    "import.visits#2",
    "import.lines",
)


DYING = """
import sys
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from loyaltycrm.lib.faults import crash_point

def counted(execute, sql, params, many, context):
    crash_point("statement")
    return execute(sql, params, many, context)

with connection.execute_wrapper(counted):
    call_command("import_shop", sys.argv[1], verbosity=0)
"""


@pytest.fixture
def shop(tmp_path: Path) -> BusyShop:
    return busy_shop(tmp_path / "shop", customers=300, receipts=14_000)


def once(shop: BusyShop) -> dict[str, list[str]]:
    """What one import gives, in a transaction that is then undone."""
    with transaction.atomic():
        call_command("import_shop", str(shop.folder), verbosity=0)
        told = shop_in_words()
        transaction.set_rollback(True)
    assert len(told["visits"]) > 13_000
    assert len(told["redemptions"]) > 100
    return told


@pytest.mark.long
def test_killed_between_every_two_steps(committed_db: str, programs: Programs, shop: BusyShop) -> None:
    expected = once(shop)
    seen = [len(shop_in_words()["visits"])]
    for moment in MOMENTS:
        program = programs.manage("import_shop", str(shop.folder), "--skip-checks", CRASH_AT=moment)
        assert program.process.wait() == -signal.SIGKILL, f"{moment}: {program.log()}"
        seen.append(len(shop_in_words()["visits"]))
        call_command("audit_ledger")
    assert seen[0] == seen[5] == 0
    assert 0 < seen[6] < seen[7] < seen[8] == len(expected["visits"])
    told = imported("import_shop", shop.folder)
    assert told.counts("purchases").keys() == {"unchanged", "refused"}
    assert [line for line, _column in told.refusals("purchases")] == shop.spoilt["purchases"]
    assert shop_in_words() == expected
    call_command("audit_ledger")


@pytest.mark.parametrize("moment", ["import.opened", "import.balances", "import.balances#2"])
def test_balances_killed_and_brought_in_again_are_there_once(
    committed_db: str, programs: Programs, tmp_path: Path, moment: str
) -> None:
    people = [(f"C{number}", "2026-01-01") for number in range(2_600)]
    call_command("import_customers", str(write_table(tmp_path / "c.csv", CUSTOMER, people)), verbosity=0)
    rows = [(number, points, "never", "2026-02-02") for number, _joined in people for points in ("5", "7", "9")]
    columns = ("customer_id", "points", "good_through", "earned_on", "reference")
    file = write_table(tmp_path / "b.csv", columns, [(*row, f"{n}") for n, row in enumerate(rows)])
    program = programs.manage("import_balances", str(file), "--skip-checks", CRASH_AT=moment)
    assert program.process.wait() == -signal.SIGKILL, program.log()
    left = Posting.objects.count()
    assert left == OpeningBalance.objects.count() == (0 if "#" not in moment else 5_001)
    call_command("audit_ledger")
    assert imported("import_balances", file).counts("balances")["accepted"] == len(rows) - left
    assert sum(Account.objects.values_list("book_balance", flat=True)) == 2_600 * 21
    call_command("audit_ledger")


@pytest.mark.long
def test_killed_at_any_moment(committed_db: str, programs: Programs, shop: BusyShop, tmp_path: Path) -> None:
    """The good rows are in, the spoilt ones come back, before whatever statement the process was killed."""
    statements = 0

    def counted(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*arguments)

    with connection.execute_wrapper(counted):
        expected = once(shop)
    chance = random.Random(11)
    for _kill in range(5):
        # What is in already needs fewer statements: each kill comes within the part that is always left.
        moment = f"statement#{chance.randrange(1, statements // 4)}"
        program = programs.start("import", sys.executable, "-c", DYING, str(shop.folder), CRASH_AT=moment)
        assert program.process.wait() == -signal.SIGKILL, f"{moment} of {statements}: {program.log()}"
        call_command("audit_ledger")
    told = imported("import_shop", shop.folder, reject_file=tmp_path / "rejected.csv")
    assert shop_in_words() == expected
    counts = told.file("purchases")
    assert counts["read"] == shop.rows["purchases"]
    assert counts["refused"] == len(shop.spoilt["purchases"])
    returned = (tmp_path / "rejected.purchases.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [int(line.split(",")[0]) for line in returned[1:]] == shop.spoilt["purchases"]
    assert json.dumps(told.report)

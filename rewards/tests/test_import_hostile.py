"""Files that somebody damaged: nothing breaks, nothing is taken half, and the books stay right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from customers.models import Refund, Visit
from loyaltycrm.core.tests.importing import CUSTOMER, RECEIPT, REDEMPTION, imported, receipt, write_table
from rewards.models import Posting, Redemption

pytestmark = [pytest.mark.django_db, pytest.mark.faults]

TURNS = 60
DIRT = [
    *(b"\x00", b'"', b'""', b",", b";", b"\n", b"\r", b"\r\n", b"\t", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xae"),
    *(b"\xc2\x85", b"-", b"_", b"1e5", b"NaN", b"9" * 30, b" ", b"R1", b"F1", b"=1+1", b"\xf0\x9f\x92\xb8", b"'"),
    *(b"\\", b"%s", b"A" * 5000),
]


def damage(content: bytes, chance: random.Random) -> bytes:
    """Put dirt in, take bytes out, or write parts twice, at up to eight places."""
    for _place in range(chance.randrange(1, 9)):
        at = chance.randrange(len(content))
        match chance.randrange(4):
            case 0 | 1:
                content = content[:at] + chance.choice(DIRT) + content[at:]
            case 2:
                content = content[:at] + content[at + chance.randrange(1, 12) :]
            case _:
                content = content[:at] + content[at : at + chance.randrange(200)] + content[at:]
    return content


def test_damaged_files_are_taken_row_by_row_or_not_at_all(tmp_path: Path) -> None:
    chance = random.Random(5)
    call_command("import_customers", write_table(tmp_path / "c.csv", CUSTOMER, [("A", "2025-01-01")]), verbosity=0)
    sales = [
        receipt(f"R{n}", "A" if n % 3 else "", f"2026-03-{1 + n % 28:02}T10:00:00+02:00", "60.50") for n in range(40)
    ]
    back = [receipt(f"F{n}", "", "2026-04-01T10:00:00+03:00", "-20.00", refund_of=f"R{n}") for n in range(0, 40, 4)]
    uses = [(f"P{n}", "A", "500", "2026-04-02T10:00:00+03:00", "") for n in range(3)]
    clean = [
        write_table(tmp_path / "clean purchases.csv", RECEIPT, sales).read_bytes(),
        write_table(tmp_path / "clean refunds.csv", RECEIPT, back).read_bytes(),
        write_table(tmp_path / "clean redemptions.csv", REDEMPTION, uses).read_bytes(),
    ]
    paths = [tmp_path / name for name in ("purchases.csv", "refunds.csv", "redemptions.csv")]
    taken = unreadable = refused = 0
    models = (Visit, Refund, Redemption)
    for turn in range(TURNS):
        for path, content in zip(paths, clean, strict=True):
            path.write_bytes(damage(content, chance) if turn < TURNS - 1 else content)
        before = [model.objects.count() for model in models]
        try:
            told = imported(
                "import_visits",
                paths[0],
                refunds=paths[1],
                redemptions=paths[2],
                reject_file=tmp_path / "back.csv",
                encoding="utf-8",
            )
        except CommandError:
            unreadable += 1
            assert [model.objects.count() for model in models] == before
            continue
        accepted = sum(told.file(name)["accepted"] for name in ("purchases", "refunds", "redemptions"))
        assert accepted == sum(model.objects.count() for model in models) - sum(before)
        for file in told.report["files"]:
            assert len(file["refusals"]) == file["refused"] + file["conflicts"]
        taken += accepted
        refused += told.report["refused"]
    assert min(taken, unreadable, refused) > 0
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    call_command("audit_ledger")
    assert Posting.objects.exists()

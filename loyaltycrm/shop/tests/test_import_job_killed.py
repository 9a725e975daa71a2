"""An import whose worker is killed goes on with the next one, and nothing is taken twice; Redis need not be there."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now

from customers.models import Customer, Visit
from loyaltycrm.core.actions.import_jobs import choose_columns, send_import, start_import
from loyaltycrm.core.imports import Manner
from loyaltycrm.core.models import AuditEvent, ImportJob, User
from loyaltycrm.core.tests.importing import RECEIPT, receipt
from loyaltycrm.lib.locks import only_one
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.local.redis import Redis
from loyaltycrm.shop import tasks
from loyaltycrm.shop.actions.import_running import run_next_import
from loyaltycrm.shop.tests.imports import checked, customers, imported_file, sent
from rewards.models import Posting

ROWS = 14_000
SPOILT = range(140, ROWS, 100)
MOST_ROWS = int(os.environ.get("IMPORT_SOAK_ROWS", "1000000"))
ONE_TURN = """
import django
django.setup()
from loyaltycrm.local.machine import peak_megabytes
from loyaltycrm.shop.actions.import_running import run_next_import
assert run_next_import()
print("peak MB", peak_megabytes())
"""


def until(ready: Callable[[], bool], *, step: Callable[[], object], seconds: float = 600) -> None:
    """Do `step` again and again until it is so; the limit only ends what hangs."""
    ends = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < ends, "It did not come about in time."
        step()
        time.sleep(0.5)


def leases_end() -> None:
    """A minute passes for whoever held the claim and is dead now: a living holder has the lock."""
    with only_one("loyaltycrm import") as nobody_imports:
        if nobody_imports:
            ImportJob.objects.filter(lease_until__isnull=False).update(lease_until=Now() - timedelta(seconds=1))
    tasks.imports_tick()


@pytest.mark.faults
def test_killed_at_any_step_it_ends_as_one_import(
    committed_db: str, redis_server: Redis, programs: Programs, dace: User
) -> None:
    """One row in a hundred is spoilt. Killed when claimed, after the second chunk of three, before its last word."""
    job = checked(sent(dace, customers(ROWS, spoilt=SPOILT)), by=dace)
    start_import(job=job, by=dace)
    seen = []
    for moment in ("import.claimed", "import.job#5", "import.account"):
        program = programs.start("turn", sys.executable, "-c", ONE_TURN, CRASH_AT=moment)
        assert program.process.wait() == -signal.SIGKILL, f"{moment}: {program.log()}"
        job.refresh_from_db()
        assert job.state == "running"
        seen.append(Customer.objects.count())
        redis_server.kill()
        until(lambda: ImportJob.objects.get().state == "to_run", step=leases_end)
        redis_server.start()
    good = ROWS - len(SPOILT)
    assert seen[0] == 0
    assert 0 < seen[1] < seen[2] == good
    programs.worker(concurrency=1)
    until(lambda: ImportJob.objects.get().state == "done", step=leases_end)
    job.refresh_from_db()
    assert job.result is not None
    assert job.result["counts"] == {
        "read": ROWS, "accepted": good, "unchanged": 0, "refused": len(SPOILT), "conflicts": 0
    }  # fmt: skip
    assert Customer.objects.count() == good
    assert AuditEvent.objects.filter(action="finish import").count() == 1


def many_receipts(path: Path, *, rows: int, people: int) -> Path:
    """A file of a year's receipts at three stores, one in a hundred without a sum."""
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(RECEIPT) + "\n")
        for n in range(rows):
            day, minute = divmod(n * 525_000 // rows, 1_440)
            at = f"2025-{day // 31 + 1:02}-{day % 28 + 1:02}T{minute // 60:02}:{minute % 60:02}:00+02:00"
            net = "" if n % 100 == 50 else f"{n % 90}.{n % 100:02}"
            cells = receipt(f"{rows}-{n}", f"C{n * 7_919 % people + 1}", at, net, store_id=f"S{n % 3}")
            file.write(",".join(cells) + "\n")
    return path


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_million_receipts_in_flat_memory(committed_db: str, programs: Programs, admin: User, tmp_path: Path) -> None:
    """A tenth of them first: ten times the rows need hardly more memory, and all that is good is taken."""
    people = 20_000
    peaks: dict[int, float] = {}
    imported_file(sent(admin, customers(people)), by=admin)
    for rows in (MOST_ROWS // 10, MOST_ROWS):
        file = many_receipts(tmp_path / f"{rows}.csv", rows=rows, people=people)
        job = send_import(kind="receipts", name=file.name, blocks=pieces(file), by=admin)
        columns = {name: name for name in RECEIPT}
        choose_columns(job=job, manner=Manner(encoding="utf-8", columns=columns), header_key="", by=admin)
        began = time.monotonic()
        for step in ("check", "import"):
            while ImportJob.objects.filter(pk=job.pk, state__in=["to_check", "to_run"]).exists():
                program = programs.start("turn", sys.executable, "-c", ONE_TURN)
                assert program.process.wait() == 0, program.log()
                peak = float(program.log().rsplit("peak MB", 1)[1])
                peaks[rows] = max(peaks.get(rows, 0.0), peak)
            print(f"{rows:,} receipts, {step}: {time.monotonic() - began:.0f} s, at most {peaks[rows]:.0f} MB")  # noqa: T201
            if step == "check":
                start_import(job=ImportJob.objects.get(pk=job.pk), by=admin)
        job.refresh_from_db()
        assert (job.state, job.problem) == ("done", "")
        assert job.result is not None
        assert job.result["counts"]["refused"] == rows // 100
        assert Visit.objects.filter(receipt_id__startswith=f"{rows}-").count() == rows - rows // 100
    assert Posting.objects.exists()
    assert peaks[MOST_ROWS] < 300
    assert peaks[MOST_ROWS] < peaks[MOST_ROWS // 10] + 40
    assert not run_next_import()

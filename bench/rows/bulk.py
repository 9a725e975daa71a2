"""Work on many rows at once: the night's sweep and review, and the import of receipts with their points."""

from __future__ import annotations

import contextlib
import csv
import io
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connections

from bench.bare import imported, nightly
from bench.place import connect
from bench.results import Goal, Result, Sizes, row
from bench.shop import Shop, fill, tidy
from loyaltycrm.core.models import Company
from rewards.actions.expiry import sweep_expired
from rewards.actions.tiers import review_due_tiers

_STEP = timedelta(days=10)


@row("nightly", "The night's sweep of ended lots and review of tiers, rows per second")
def measure_nightly(sizes: Sizes) -> Iterator[Result]:
    """Night after night, taken in turn by the action and by one statement; each has its own days to do."""
    fill(sizes.customers, sizes.visits)
    rounds = min(sizes.rounds, 5)
    for what, action, statement in (
        ("sweep of ended lots", _sweep, nightly.SWEEP),
        ("review of tiers whose window moved", _review, nightly.REVIEW),
    ):
        tidy()
        plain = connect()
        today = Company.current().today() + timedelta(days=70)
        ours, bare = [], []
        for _turn in range(rounds):
            today += _STEP
            ours.append(_rate(partial(action, today)))
            today += _STEP
            bare.append(_rate(partial(nightly.run, plain, statement, today)))
        yield _compared("nightly", f"{what}, against one statement", ours, bare)


def _sweep(today: date) -> int:
    return sweep_expired(today=today)


def _review(today: date) -> int:
    return review_due_tiers(today=today)


@row("import", "Importing receipts with their points, receipts per second")
def measure_import(sizes: Sizes) -> Iterator[Result]:
    """Files of so many receipts, each a process of its own; by COPY and one statement in turn with it."""
    shop = fill(sizes.customers, sizes.visits)
    ours, bare, memory = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(min(sizes.rounds, 3)):
            path = Path(folder, f"{turn}.csv")
            _write_file(path, _receipts(shop, sizes.receipts, f"O{turn}"))
            seconds, megabytes = _apart(path)
            ours.append(sizes.receipts / seconds)
            memory.append(megabytes)
            receipts = list(_receipts(shop, sizes.receipts, f"B{turn}"))
            with connect() as plain:
                bare.append(_rate(partial(imported.take, plain, receipts)))
    note = (
        f"largest process {max(memory):,.0f} MB; in the last file {memory[-1] - memory[0]:+,.0f} MB against the first"
    )
    yield _compared(
        "import", f"import of {sizes.receipts:,} receipts, against one statement", ours, bare, goal=Goal(0.5), note=note
    )
    yield Result(
        row="import",
        what="memory of an import",
        ours=max(memory),
        bare=300,
        unit="MB",
        ratio=max(memory) / 300,
        goal=Goal(1, at_least=False),
    )


def _receipts(shop: Shop, count: int, prefix: str) -> Iterator[imported.Receipt]:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
    for number in range(count):
        customer = shop.customers[number * 7 % len(shop.customers)]
        store = shop.stores[number % len(shop.stores)]
        at = start + timedelta(seconds=number)
        yield f"{prefix}-{number}", customer.external_id, store.code, at, 300 + number * 17 % 1500


def _write_file(path: Path, receipts: Iterator[imported.Receipt]) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["receipt_id", "customer_id", "store_id", "purchased_at", "gross_amount", "net_amount"])
        for receipt, customer, store, at, cents in receipts:
            amount = f"{cents // 100}.{cents % 100:02}"
            rows.writerow([receipt, customer, store, at.isoformat(), amount, amount])


def _apart(path: Path) -> tuple[float, float]:
    """Seconds and megabytes of an import in a process of its own."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process: Any = context.Process(target=_import, args=(path, theirs))
    process.start()
    theirs.close()
    seconds, megabytes = ours.recv()
    process.join()
    return seconds, megabytes


def _import(path: Path, pipe: Connection) -> None:
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        call_command("import_visits", str(path))
    pipe.send((time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def _rate(work: Callable[[], int]) -> float:
    began = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - began)


def _compared(
    name: str, what: str, ours: list[float], bare: list[float], *, goal: Goal | None = None, note: str = ""
) -> Result:
    return Result(
        row=name,
        what=what,
        ours=statistics.median(ours),
        bare=statistics.median(bare),
        unit="per s",
        ratio=statistics.median(one / two if two else 0 for one, two in zip(ours, bare, strict=True)),
        goal=goal,
        note=note,
    )

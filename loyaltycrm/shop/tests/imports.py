"""Files that people of the cast send to be imported, for tests."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence

from loyaltycrm.core.actions import import_claims
from loyaltycrm.core.actions.import_jobs import (
    choose_columns,
    empty_import,
    key_of_header,
    send_import,
    start_import,
)
from loyaltycrm.core.imports import Manner
from loyaltycrm.core.imports.facts import guess
from loyaltycrm.core.models import ImportJob, User
from loyaltycrm.lib.rows import UnreadableFile
from loyaltycrm.shop.actions.import_kinds import KINDS
from loyaltycrm.shop.actions.import_running import _work, run_next_import

CUSTOMERS = "Klienta Nr.;Vārds;Reģistrēts\n"


def customers(count: int, *, first: int = 1, spoilt: Sequence[int] = ()) -> bytes:
    """A file of so many customers; those of the `spoilt` numbers joined on no day."""
    numbers = range(first, first + count)
    rows = [f"C{number};Person {number};{'soon' if number in spoilt else '01.02.2025'}\n" for number in numbers]
    return (CUSTOMERS + "".join(rows)).encode()


def sent(by: User, content: bytes, *, kind: str = "customers", of: str = "", name: str = "customers.csv") -> ImportJob:
    """A file as it lies there once it was sent."""
    return send_import(kind=kind, of=of, name=name, blocks=[content], by=by)


def to_check(job: ImportJob, *, by: User, **manner: object) -> ImportJob:
    """Columns as they are guessed; the file waits to be checked."""
    header = bytes(job.parts.get(number=0).data).decode().splitlines()[0].split(";")
    columns = guess(header, list(KINDS[job.kind].shape(job.of).cells))
    return choose_columns(
        job=job,
        manner=Manner(columns=columns, **manner),  # type: ignore[arg-type]
        header_key=key_of_header(job.kind, header),
        by=by,
    )


def checked(job: ImportJob, *, by: User) -> ImportJob:
    """A file that was checked. Needs a database that commits."""
    to_check(job, by=by)
    assert run_next_import()
    job.refresh_from_db()
    return job


def imported_file(job: ImportJob, *, by: User) -> ImportJob:
    """A file that was imported. Needs a database that commits."""
    start_import(job=checked(job, by=by), by=by)
    assert run_next_import()
    job.refresh_from_db()
    return job


class _Still:
    """In place of the heart that renews a claim on a connection of its own: what is undone at the end is not there."""

    def progress(self, what: str, count: int, of: int | None = None) -> None:
        """Nobody listens."""


def _worked_at(job: ImportJob) -> ImportJob:
    token = uuid.uuid4()
    assert import_claims.claim_import(token=token) == job
    job.refresh_from_db()
    brought: Counter[str] = Counter()
    try:
        _work(job, token, _Still(), brought)  # type: ignore[arg-type]
    except UnreadableFile as problem:
        import_claims.record_failed(job=job, token=token, problem=str(problem), brought=brought)
    job.refresh_from_db()
    return job


def ready_import(by: User) -> ImportJob:
    """A file that was checked and has rows to mend, in a test whose changes are undone."""
    return _worked_at(to_check(sent(by, customers(40, first=9_001, spoilt=[9_007, 9_009])), by=by))


def some_imports(by: User) -> dict[str, int]:
    """One import in each state that looks different: ids by name."""
    ready = ready_import(by)
    done = ready_import(by)
    start_import(job=done, by=by)
    _worked_at(done)
    failed = sent(by, b"Kods;Nosaukums\n1;Maize\n", kind="products", name="preces.csv")
    choose_columns(job=failed, manner=Manner(columns={"kods": "", "nosaukums": "name"}), header_key="", by=by)
    failed.refresh_from_db()
    _worked_at(failed)
    removed = ready_import(by)
    empty_import(job=removed, by=by)
    waiting = sent(by, customers(3, first=9_100))
    running = ready_import(by)
    start_import(job=running, by=by)
    token = uuid.uuid4()
    import_claims.claim_import(token=token)
    import_claims.renew_claim(job_id=running.pk, token=token, step="customers.csv: 20", done=20, of=40)
    jobs = {"ready": ready, "done": done, "failed": failed, "removed": removed, "sent": waiting, "running": running}
    return {f"{name}_import": job.pk for name, job in jobs.items()}

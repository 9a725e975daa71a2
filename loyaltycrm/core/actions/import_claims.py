"""Who works at an import: claims with a token and a lease, each change one conditional statement.

    to_check → checking(token, lease) → ready     to_run → running(token, lease) → done

A worker that dies leaves a lease that ends; then the import waits again, and going on takes nothing twice. Times are
the database's, the one clock all workers share.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.import_files import blocks_of, store_file
from loyaltycrm.core.models import ImportJob, ImportPartOf, ImportState
from loyaltycrm.core.models.import_job import HELD
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.kept_words import kept

LEASE_SECONDS: Final = 60
MOST_ATTEMPTS: Final = 5
_HELD_OF: Final = {ImportState.TO_CHECK: ImportState.CHECKING, ImportState.TO_RUN: ImportState.RUNNING}
_WAITING_OF: Final = {held: waiting for waiting, held in _HELD_OF.items()}


def claim_import(*, token: uuid.UUID) -> ImportJob | None:
    """Take the import that waits longest for this token's holder, if no other is being worked at."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE core_importjob SET claim_token = %(token)s, attempts = attempts + 1,
                state = CASE state WHEN 'to_check' THEN 'checking' ELSE 'running' END,
                lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
            WHERE id = (SELECT id FROM core_importjob WHERE state IN ('to_check', 'to_run')
                        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
                AND NOT EXISTS (SELECT 1 FROM core_importjob
                                WHERE state IN ('checking', 'running') AND lease_until > statement_timestamp())
            RETURNING id
            """,
            {"token": token, "lease": LEASE_SECONDS},
        )
        found = cursor.fetchone()
    return ImportJob.objects.select_related("created_by", "started_by").get(pk=found[0]) if found else None


def work_waits() -> bool:
    """Whether an import waits that could be claimed now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT EXISTS (SELECT 1 FROM core_importjob WHERE state IN ('to_check', 'to_run'))
                  AND NOT EXISTS (SELECT 1 FROM core_importjob
                                  WHERE state IN ('checking', 'running') AND lease_until > statement_timestamp())"""
        )
        return bool((cursor.fetchone() or [False])[0])


def renew_claim(*, job_id: int, token: uuid.UUID, step: str, done: int, of: int) -> bool:
    """Say how far the holder is and keep the claim; False where it was lost."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE core_importjob SET step = %(step)s, rows_done = %(done)s, rows_all = %(of)s,
                   lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
               WHERE id = %(job)s AND claim_token = %(token)s""",
            {"job": job_id, "token": token, "step": kept(step), "done": done, "of": of, "lease": LEASE_SECONDS},
        )
        return bool(cursor.rowcount)


def shall_stop(*, job_id: int) -> bool:
    """Whether a person asked the import to stop."""
    return ImportJob.objects.filter(pk=job_id, stop_asked_at__isnull=False).exists()


def record_checked(*, job: ImportJob, token: uuid.UUID, account: dict[str, Any], refused: Path) -> bool:
    """Write down what a rehearsal came to; False where the claim was lost."""

    def change(held: ImportJob) -> None:
        held.state, held.checked = ImportState.READY, account
        store_file(held, ImportPartOf.REFUSED, blocks_of(refused))

    return _end(job, token, change)


def record_imported(*, job: ImportJob, token: uuid.UUID, account: dict[str, Any], refused: Path) -> bool:
    """Write down what an import came to; False where the claim was lost.

    Rows that an earlier turn of the same import took are known by now; they count as accepted.
    """

    def change(held: ImportJob) -> None:
        held.state, held.result = ImportState.DONE, _with_earlier_turns(held, account)
        held.ended_at = timezone.now()
        store_file(held, ImportPartOf.REFUSED, blocks_of(refused))
        audit.record("finish import", held, by=held.started_by, data={"counts": held.result["counts"]})

    return _end(job, token, change)


def _with_earlier_turns(job: ImportJob, account: dict[str, Any]) -> dict[str, Any]:
    earlier = job.result or {}
    counts = dict(account["counts"])
    known_before = (job.checked or {}).get("counts", {}).get("unchanged", 0)
    if earlier or job.broke_off:
        taken = max(0, counts["unchanged"] - known_before)
        counts |= {"accepted": counts["accepted"] + taken, "unchanged": counts["unchanged"] - taken}
    brought = Counter(earlier.get("brought", {})) + Counter(account["brought"])
    return account | {"counts": counts, "brought": dict(brought)}


def record_stopped(*, job: ImportJob, token: uuid.UUID, brought: Counter[str]) -> bool:
    """The holder stopped because somebody asked for it."""

    def change(held: ImportJob) -> None:
        held.state = ImportState.STOPPED
        _keep_turn(held, brought)

    return _end(job, token, change)


def record_turn(*, job: ImportJob, token: uuid.UUID, brought: Counter[str]) -> bool:
    """The holder leaves the rest to a later turn, if nobody asked to stop: others wait for the worker too."""

    def change(held: ImportJob) -> None:
        held.state, held.attempts = _state_after(held), 0
        _keep_turn(held, brought)

    return _end(job, token, change)


def _keep_turn(job: ImportJob, brought: Counter[str]) -> None:
    if job.started_at is not None:
        earlier = Counter((job.result or {}).get("brought", {}))
        job.result = {"brought": dict(earlier + brought)}


def record_failed(*, job: ImportJob, token: uuid.UUID, problem: str, brought: Counter[str]) -> bool:
    """The file cannot be imported as it is, for the reason that is given to its sender."""

    def change(held: ImportJob) -> None:
        held.state, held.problem = ImportState.FAILED, kept(problem)
        _keep_turn(held, brought)
        audit.record("fail import", held, by=held.started_by, data={})

    return _end(job, token, change)


def give_back(*, job: ImportJob, token: uuid.UUID) -> bool:
    """The holder could not begin, since another import runs; unless asked to stop, it waits as if nothing had been."""

    def change(held: ImportJob) -> None:
        held.state, held.attempts = _state_after(held), max(0, held.attempts - 1)

    return _end(job, token, change)


def _state_after(job: ImportJob) -> ImportState:
    """Where an import goes whose holder lets go of it midway."""
    return _WAITING_OF[ImportState(job.state)] if job.stop_asked_at is None else ImportState.STOPPED


@transaction.atomic
def _end(job: ImportJob, token: uuid.UUID, change: Callable[[ImportJob], None]) -> bool:
    held = ImportJob.objects.select_for_update().filter(pk=job.pk, claim_token=token).first()
    if held is None:
        return False
    change(held)
    held.claim_token = held.lease_until = held.stop_asked_at = None
    held.save()
    return True


@transaction.atomic
def break_off(*, job_id: int, token: uuid.UUID, only_expired: bool = False) -> None:
    """The holder ended without a word: the import waits again, or has failed where that was so too often.

    `only_expired`: unless the holder renewed its claim meanwhile.
    """
    held = ImportJob.objects.select_for_update().filter(pk=job_id, claim_token=token, state__in=HELD)
    job = (held.filter(lease_until__lt=Now()) if only_expired else held).first()
    if job is None:
        return
    was_running = job.state == ImportState.RUNNING
    if job.attempts >= MOST_ATTEMPTS:
        job.state = ImportState.FAILED
        words = _("The import broke off %(count)s times. Go on with it, or ask who looks after the system.")
        job.problem = kept(words % {"count": job.attempts})
    else:
        job.state = _state_after(job)
    job.broke_off += was_running
    job.claim_token = job.lease_until = job.stop_asked_at = None
    job.save()


def expire_import_claims() -> int:
    """Let imports wait again whose holders are dead; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, claim_token FROM core_importjob
               WHERE state IN ('checking', 'running') AND lease_until < statement_timestamp()"""
        )
        dead = cursor.fetchall()
    for job_id, token in dead:
        break_off(job_id=job_id, token=token, only_expired=True)
    return len(dead)

"""Working at the imports that people started on the page, one turn of one import at a time."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

from django.db import DatabaseError, connection
from django.utils import translation

from loyaltycrm.core.actions import import_claims as claims
from loyaltycrm.core.actions.import_files import on_disk
from loyaltycrm.core.actions.import_jobs import manner_of
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.imports import AnotherRuns, ImportRun, running_import
from loyaltycrm.core.imports.accounts import account_of
from loyaltycrm.core.imports.report import write_rejects
from loyaltycrm.core.models import ImportJob, ImportState
from loyaltycrm.core.permissions import allowed
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.rows import UnreadableFile
from loyaltycrm.shop.actions.import_kinds import KINDS

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0
# After a turn the worker does what else waits. Reading the file anew costs every turn the same, so a turn writes for
# at least as long as a few readings take.
TURN_SECONDS: Final = 120.0
READINGS_A_TURN: Final = 3.0


class _Stopped(Exception):
    """Somebody asked the import to stop."""


class _TurnOver(Exception):
    """Others wait for the worker too."""


class _ClaimLost(Exception):
    """The lease ended before it was renewed; somebody else may be at it."""


class Heart(threading.Thread):
    """Renews the claim and tells how far the import is, on a connection of its own: a rehearsal's work is seen by
    nobody, and a long statement keeps the import's own connection busy."""

    def __init__(self, job: ImportJob, token: uuid.UUID) -> None:
        super().__init__(daemon=True, name=f"import {job.pk}")
        self._job_id, self._token = job.pk, token
        self._takes_turns = job.state == ImportState.RUNNING
        self._said = ("", 0, 0)
        self._over, self._lost = threading.Event(), threading.Event()
        self._began = time.monotonic()
        self._turn_ends: float | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_about: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        try:
            while not self._over.wait(BEAT_SECONDS):
                step, done, of = self._said
                try:
                    is_ours = claims.renew_claim(job_id=self._job_id, token=self._token, step=step, done=done, of=of)
                except DatabaseError:
                    logger.warning("The claim of import %s could not be renewed; trying again.", self._job_id)
                    connection.close()
                    continue
                if not is_ours:
                    self._lost.set()
                    return
        finally:
            connection.close()

    def progress(self, what: str, count: int, of: int | None = None) -> None:
        """What `ImportRun.progress` does: between two transactions the import may end here."""
        self._said = (what, count, of or 0)
        crash_point("import.job")
        if self._lost.is_set():
            raise _ClaimLost
        if claims.shall_stop(job_id=self._job_id):
            raise _Stopped
        if of is None or not self._takes_turns:
            return
        now = time.monotonic()
        if self._turn_ends is None:
            self._turn_ends = now + max(TURN_SECONDS, READINGS_A_TURN * (now - self._began))
        if now > self._turn_ends and count < of:
            raise _TurnOver


def run_next_import() -> bool:
    """Work one turn at the import that waits longest; False where none could be claimed or begun."""
    token = uuid.uuid4()
    job = claims.claim_import(token=token)
    if job is None:
        return False
    crash_point("import.claimed")
    brought: Counter[str] = Counter()
    try:
        with translation.override(job.language), Heart(job, token) as heart:
            _work(job, token, heart, brought)
    except _Stopped:
        claims.record_stopped(job=job, token=token, brought=brought)
    except _TurnOver:
        claims.record_turn(job=job, token=token, brought=brought)
    except AnotherRuns:
        claims.give_back(job=job, token=token)
        return False
    except (UnreadableFile, Refused) as problem:
        claims.record_failed(job=job, token=token, problem=problem.args[0], brought=brought)
    except _ClaimLost:
        logger.warning("Import %s is somebody else's by now.", job.pk)
    except Exception:
        logger.exception("Import %s broke off.", job.pk)
        claims.break_off(job_id=job.pk, token=token)
    return True


def _work(job: ImportJob, token: uuid.UUID, heart: Heart, brought: Counter[str]) -> None:
    """Check or import the file and write down what it came to."""
    is_check = job.state == ImportState.CHECKING
    kind, by = KINDS[job.kind], job.started_by or job.created_by
    if not allowed(by, kind.needed):
        raise Refused(_("%(person)s may not import this kind of file any more.") % {"person": by})
    with TemporaryDirectory(prefix="import-") as folder, on_disk(job) as path:
        refused = Path(folder) / "refused.csv"
        with running_import(dry_run=is_check, manner=manner_of(job), progress=heart.progress) as run:
            run.brought = brought
            kind.take(run, path, job.of, by)
            account = _account(run, refused)
        crash_point("import.account")
        record = claims.record_checked if is_check else claims.record_imported
        record(job=job, token=token, account=account, refused=refused)


def _account(run: ImportRun, refused: Path) -> dict[str, Any]:
    """What the run came to, and its refused rows as a file; empty where none were refused."""
    if not sum(write_rejects(file, refused, said=str) for file in run.files):
        refused.write_bytes(b"")
    return account_of(run)

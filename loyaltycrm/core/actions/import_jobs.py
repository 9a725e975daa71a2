"""What people do with imports: send a file, say how it is read, start it, stop it, go on, remove it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.import_files import store_file
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.imports.manner import Dates, Decimals, Manner
from loyaltycrm.core.knobs import IMPORT_FORGET_DAYS, IMPORT_KEEP_DAYS, value
from loyaltycrm.core.models import Company, ImportJob, ImportPart, ImportPartOf, ImportState, User
from loyaltycrm.core.models.import_job import HELD, STANDING, WAITING
from loyaltycrm.lib.rows import RETURNED_COLUMNS

# From these the columns may be chosen, or chosen again: nothing of the file has been taken yet.
OPEN: Final = (ImportState.UPLOADED, ImportState.READY, ImportState.STOPPED, ImportState.FAILED)


@transaction.atomic
def send_import(*, kind: str, of: str = "", name: str, blocks: Iterable[bytes], by: User) -> ImportJob:
    """Keep a file that somebody wants imported; nothing is taken of it yet. Raises `Refused` for an empty one."""
    job = ImportJob.objects.create(
        kind=kind,
        of=of,
        file_name=name,
        size_bytes=0,
        sha256="",
        language=by.language or Company.current().language,
        created_by=by,
    )
    stored = store_file(job, ImportPartOf.SENT, blocks)
    if not stored.size_bytes:
        raise Refused(_("The file is empty. Choose another one."), field="file")
    job.size_bytes, job.sha256 = stored.size_bytes, stored.sha256
    job.save(update_fields=["size_bytes", "sha256"])
    audit.record("send import", job, by=by, data={"kind": kind, "of": of, "sha256": stored.sha256})
    return job


def key_of_header(kind: str, header: Sequence[str]) -> str:
    """A name for a kind's files of this header, whether it came back with refused rows or not."""
    names = [name.strip().casefold() for name in header]
    own = [name for name in names if name not in RETURNED_COLUMNS]
    return hashlib.sha256(json.dumps([kind, own]).encode()).hexdigest()


def manner_of(job: ImportJob) -> Manner:
    """How the file is read."""
    kept = job.manner
    return Manner(
        encoding=kept.get("encoding") or None,
        columns=kept.get("columns", {}),
        dates=Dates(kept.get("dates", "")),
        decimals=Decimals(kept.get("decimals", "")),
    )


def remembered_manner(*, kind: str, header_key: str) -> Manner | None:
    """How the last file of this kind and header was read, whoever sent it; None where there was none."""
    known = ImportJob.objects.filter(kind=kind, header_key=header_key).exclude(manner={}).order_by("-pk").first()
    return manner_of(known) if known else None


@transaction.atomic
def choose_columns(
    *, job: ImportJob, manner: Manner, header_key: str, first: dict[str, Any] | None = None, by: User
) -> ImportJob:
    """Say how a file is read and have it checked. `first` is what its first rows came to. Raises `Refused`."""
    job = _locked(job)
    if job.state not in OPEN or job.started_at is not None:
        raise Refused(_("This import has begun. Its columns stay as they are; send the file again to read it anew."))
    _refuse_emptied(job)
    job.manner = asdict(manner) | {"dates": manner.dates.value, "decimals": manner.decimals.value}
    job.header_key, job.checked, job.problem, job.started_by = header_key, first, "", by
    ImportPart.objects.filter(job=job, of=ImportPartOf.REFUSED).delete()
    _wait(job, ImportState.TO_CHECK)
    audit.record("choose columns of import", job, by=by, data={"columns": dict(manner.columns)})
    return job


@transaction.atomic
def start_import(*, job: ImportJob, by: User) -> ImportJob:
    """Have the good rows of a checked file taken. Asked twice, it is started once. Raises `Refused`."""
    job = _locked(job)
    if job.started_at is not None and job.state in (ImportState.TO_RUN, ImportState.RUNNING, ImportState.DONE):
        return job
    if job.state != ImportState.READY:
        raise Refused(_("This file is not checked yet. Wait until it is ready to import."))
    _refuse_emptied(job)
    job.started_at, job.started_by = timezone.now(), by
    _wait(job, ImportState.TO_RUN)
    audit.record("start import", job, by=by, data={"sha256": job.sha256})
    return job


@transaction.atomic
def stop_import(*, job: ImportJob, by: User) -> ImportJob:
    """Stop what waits at once, and what a worker holds after the rows it is at. What was taken stays."""
    job = _locked(job)
    if not job.moves or job.stop_asked_at is not None:
        return job
    if job.state in WAITING:
        job.state = ImportState.STOPPED
    else:
        job.stop_asked_at = timezone.now()
    job.save(update_fields=["state", "stop_asked_at"])
    audit.record("stop import", job, by=by)
    return job


@transaction.atomic
def go_on_with_import(*, job: ImportJob, by: User) -> ImportJob:
    """Let a stopped or failed import go on in this person's name: what was taken is known. Raises `Refused`."""
    job = _locked(job)
    if job.moves:
        return job
    if job.state not in (ImportState.STOPPED, ImportState.FAILED) or not job.manner:
        raise Refused(_("This import did not stop midway. There is nothing to go on with."))
    _refuse_emptied(job)
    job.problem, job.started_by = "", by
    _wait(job, ImportState.TO_CHECK if job.started_at is None else ImportState.TO_RUN)
    audit.record("go on with import", job, by=by)
    return job


@transaction.atomic
def empty_import(*, job: ImportJob, by: User | None) -> ImportJob:
    """Remove the file and its refused rows for good; what was imported stays, and so does the account of it."""
    job = _locked(job)
    if job.state not in STANDING:
        raise Refused(_("Stop this import first. Then its file can be removed."))
    if job.emptied_at is None:
        job.emptied_at, job.forget_asked_at = timezone.now(), None
        job.save(update_fields=["emptied_at", "forget_asked_at"])
        ImportPart.objects.filter(job=job).delete()
        audit.record("remove file of import", job, by=by)
    return job


def empty_every_import(*, by: User | None) -> None:
    """Remove every file for good; what a worker is at, or will be, goes as soon as it stands still.

    In the caller's transaction, which holds the imports until it ends.
    """
    kept = ImportJob.objects.select_for_update().filter(emptied_at=None).order_by("pk")
    for job in kept:
        if job.state in STANDING:
            empty_import(job=job, by=by)
        elif job.forget_asked_at is None:
            job.forget_asked_at = timezone.now()
            job.save(update_fields=["forget_asked_at"])


def empty_old_imports() -> int:
    """Remove the files that are older than the settings say, and those that are to go as soon as they stand still.

    Return how many. A file that nobody imported is kept for fewer days.
    """
    now = timezone.now()
    is_old = Q(created_at__lt=now - timedelta(days=value(IMPORT_KEEP_DAYS)))
    is_unused = Q(started_at=None, created_at__lt=now - timedelta(days=value(IMPORT_FORGET_DAYS)))
    standing = ImportJob.objects.filter(emptied_at=None, state__in=STANDING)
    gone = standing.filter(is_old | is_unused | Q(forget_asked_at__isnull=False))
    return len([empty_import(job=job, by=None) for job in gone.order_by("pk")])


def _locked(job: ImportJob) -> ImportJob:
    return ImportJob.objects.select_for_update().get(pk=job.pk)


def _refuse_emptied(job: ImportJob) -> None:
    if job.emptied_at is not None:
        raise Refused(_("The file was removed. Send it again."))


def _wait(job: ImportJob, state: ImportState) -> None:
    """Put a job in the queue, as if nobody had tried it before."""
    assert job.state not in HELD, "A worker holds it."
    job.state, job.stop_asked_at, job.attempts = state, None, 0
    job.step, job.rows_done, job.rows_all = "", 0, 0
    job.save()

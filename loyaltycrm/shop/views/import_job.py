"""One import: how its file is read, what it would bring, how far it is, and the rows that were not taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.import_files import on_disk, pieces_of
from loyaltycrm.core.actions.import_jobs import (
    OPEN,
    choose_columns,
    empty_import,
    go_on_with_import,
    key_of_header,
    manner_of,
    remembered_manner,
    start_import,
    stop_import,
)
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.imports import Manner, Shape
from loyaltycrm.core.imports.accounts import first_rows_read, sample
from loyaltycrm.core.imports.facts import guess
from loyaltycrm.core.imports.report import retold
from loyaltycrm.core.models import ImportJob, ImportPartOf, ImportState
from loyaltycrm.core.permissions import Permission, allowed, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.kept_words import is_kept, told
from loyaltycrm.lib.rows import LettersUnclear, Table, UnreadableFile
from loyaltycrm.shop.actions.import_kinds import KINDS
from loyaltycrm.shop.forms.imports import LETTERS, ColumnsForm
from loyaltycrm.shop.views.imports import kind_in_words, state_chip
from rewards.models import PostingKind

page = require_http_methods(["GET", "HEAD", "POST"])
BROUGHT: Final = {
    "new_customers": gettext_lazy("New customers"),
    "changed_customers": gettext_lazy("Customers brought up to date"),
    "new_stores": gettext_lazy("New stores"),
    "products": gettext_lazy("Products new or brought up to date"),
}


def _job(request: HttpRequest, pk: int) -> ImportJob:
    """The import, for who sent it and for admins, while they may import files of its kind."""
    by = person(request)
    job = get_object_or_404(ImportJob.objects.for_staff(by).select_related("created_by", "started_by"), pk=pk)
    if job.kind not in KINDS or not allowed(by, KINDS[job.kind].needed):
        raise Http404
    return job


def _opened(job: ImportJob, shape: Shape, encoding: str | None) -> tuple[Table, list[list[str]], bool]:
    """The file's header and first rows, and whether its letters could be read in two ways. Of a text only its
    beginning is looked at, of a workbook all. Raises `UnreadableFile`."""
    likely = list(shape.cells)
    with on_disk(job, only_beginning=True) as path:
        try:
            return (*sample(path, encoding=encoding, likely=likely), False)
        except LettersUnclear:
            return (*sample(path, encoding="cp1257", likely=likely), True)


@page
@permission(Permission.IMPORT)
def import_columns(request: HttpRequest, pk: int) -> HttpResponse:
    """Say which column is which, and what else cannot be told from the file; then it is checked."""
    job = _job(request, pk)
    if job.started_at is not None or job.emptied_at is not None or job.state not in OPEN:
        return redirect("shop:import", pk=pk)
    shape = KINDS[job.kind].shape(job.of)
    asked = request.POST.get("encoding") or request.GET.get("encoding") or manner_of(job).encoding
    encoding = asked if asked in dict(LETTERS) else None
    try:
        table, rows, unclear = _opened(job, shape, encoding)
    except UnreadableFile as problem:
        return render(request, "shop/imports/unreadable.html", {"job": job, "problem": str(problem)})
    key = key_of_header(job.kind, table.header)
    known = manner_of(job) if job.manner else remembered_manner(kind=job.kind, header_key=key)
    manner = known or Manner(columns=guess(table.header, list(shape.cells)))
    form = ColumnsForm(request.POST or None, table=table, shape=shape, manner=manner)
    if request.method == "POST" and form.is_valid():
        try:
            _choose(request, job, form, shape, key)
        except (UnreadableFile, Refused) as problem:
            form.refuse_file(problem)
        else:
            return redirect("shop:import", pk=pk)
    context = {
        "job": job,
        "kind": kind_in_words(job),
        "form": form,
        "table": table,
        "rows": [row[: len(table.header)] for row in rows],
        "letters": LETTERS if table.encoding in dict(LETTERS) else [],
        "unclear": unclear,
        "remembered": known is not None and not job.manner,
    }
    return render(request, "shop/imports/columns.html", context)


def _choose(request: HttpRequest, job: ImportJob, form: ColumnsForm, shape: Shape, key: str) -> None:
    """Read the first rows as chosen, then hand the file to be checked."""
    with on_disk(job, only_beginning=True) as path:
        first = first_rows_read(path, shape, form.manner())
    choose_columns(job=job, manner=form.manner(), header_key=key, first=first, by=person(request))


@require_safe
@permission(Permission.IMPORT)
def import_job(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One import as it is. Asked for a part of the page, it gives the part that moves; once it stands, all of it."""
    job = _job(request, pk)
    if job.state == ImportState.UPLOADED and job.emptied_at is None:
        return redirect("shop:import_columns", pk=pk)
    context = _context(job)
    if request.headers.get("HX-Request"):
        response = render(request, "shop/imports/_progress.html", context)
        if not job.moves:
            response["HX-Refresh"] = "true"
        return response
    return render(request, "shop/imports/job.html", context)


def _context(job: ImportJob) -> dict[str, Any]:
    checked = job.checked or {}
    account = checked if job.result is None or "counts" not in job.result else job.result
    share = min(1.0, job.rows_done / job.rows_all) if job.rows_all else None
    before = (
        ImportJob.objects.filter(kind=job.kind, of=job.of, sha256=job.sha256, state=ImportState.DONE)
        .exclude(pk=job.pk)
        .select_related("started_by")
        .order_by("-ended_at")
        .first()
    )
    return {
        "job": job,
        "kind": kind_in_words(job),
        "chip": state_chip(job),
        "finding": _finding(job, account),
        "account": account | {"reasons": [_reason(one, job) for one in account.get("reasons", [])]},
        "is_rehearsal": account is checked,
        "only_first": "of_first" in account,
        "facts": _facts(job, account),
        "share": share,
        "step": _step(job),
        "problem": _said(job.problem, job) if job.problem else {},
        "notes": [_said(note, job) for note in account.get("notes", [])],
        "imported_before": before,
        "has_refused": job.parts.filter(of=ImportPartOf.REFUSED).exists(),
        "may_choose": job.started_at is None and job.emptied_at is None and job.state in OPEN,
        "may_go_on": job.state in (ImportState.STOPPED, ImportState.FAILED) and job.emptied_at is None and job.manner,
    }


def _said(text: str, job: ImportJob) -> dict[str, str]:
    """What was written down of an import, in the reader's language; `lang` where it stands in another's."""
    return {"said": told(text), "lang": "" if is_kept(text) else job.language}


def _reason(one: dict[str, Any], job: ImportJob) -> dict[str, Any]:
    why = _said(one["reason"], job)
    return one | {"reason": why["said"], "lang": why["lang"]}


def _step(job: ImportJob) -> dict[str, str]:
    if not job.step:
        return {}
    step, done = _said(job.step, job), formats.number(job.rows_done)
    how_far = f"{done} / {formats.number(job.rows_all)}" if job.rows_all else done
    return step | {"said": f"{step['said']}: {how_far}"}


def _finding(job: ImportJob, account: dict[str, Any]) -> str:
    """What there is to say of the file in one sentence."""
    if job.emptied_at and job.started_at is None:
        return _("Nothing of it was imported.")
    if job.moves:
        return str(job.get_state_display())
    if job.state == ImportState.STOPPED:
        return _("Stopped. What was taken stays; going on takes the rest.") if job.started_at else _("Stopped.")
    if job.state == ImportState.FAILED:
        return _("It could not be imported.") if job.started_at else _("It could not be checked.")
    counts = account.get("counts", {})
    accepted, left = counts.get("accepted", 0), counts.get("refused", 0) + counts.get("conflicts", 0)
    if job.state == ImportState.DONE:
        if not accepted and not left:
            return _("Nothing was new: all rows were known already, and nothing changed.")
        words = ngettext("%(count)s row was taken", "%(count)s rows were taken", accepted)
        rest = ngettext("%(count)s was not", "%(count)s were not", left)
    else:
        if not accepted and not left:
            return _("Nothing is new: all rows are known already. Importing the file changes nothing.")
        words = ngettext("%(count)s row would be taken", "%(count)s rows would be taken", accepted)
        rest = ngettext("%(count)s would not", "%(count)s would not", left)
    told = words % {"count": formats.number(accepted)}
    return f"{told}, {rest % {'count': formats.number(left)}}" if left else told


def _facts(job: ImportJob, account: dict[str, Any]) -> list[tuple[str, str]]:
    """What the rows came to, in words and numbers."""
    counts = account.get("counts", {})
    labels = {
        "read": _("Rows read"),
        "accepted": _("Rows taken") if job.state == ImportState.DONE else _("Rows that would be taken"),
        "unchanged": _("Known already, unchanged"),
        "refused": _("Refused"),
        "conflicts": _("In conflict with what is known"),
    }
    facts = [(label, formats.number(counts[name])) for name, label in labels.items() if name in counts]
    if job.state == ImportState.DONE and job.broke_off:
        return facts
    return facts + list(_brought(account.get("brought", {})))


def _brought(brought: dict[str, int]) -> Iterator[tuple[str, str]]:
    for name, label in BROUGHT.items():
        if brought.get(name):
            yield str(label), formats.number(brought[name])
    for kind in PostingKind:
        if points := brought.get(f"points:{kind.value}"):
            yield _("Points: %(kind)s") % {"kind": kind.label}, formats.number(points)


def _do(request: HttpRequest, pk: int, action: Any, said: str) -> HttpResponse:
    try:
        action(job=_job(request, pk), by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal.message))
    else:
        if said:
            messages.success(request, said)
    return redirect("shop:import", pk=pk)


@require_POST
@permission(Permission.IMPORT)
@asks_password_again
def import_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the good rows."""
    return _do(request, pk, start_import, "")


@require_POST
@permission(Permission.IMPORT)
def import_stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop after the rows it is at."""
    return _do(request, pk, stop_import, _("It stops after the rows it is at. What was taken stays."))


@require_POST
@permission(Permission.IMPORT)
def import_go_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on where it stopped."""
    return _do(request, pk, go_on_with_import, "")


@require_POST
@permission(Permission.IMPORT)
def import_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove the file; what was imported stays."""
    return _do(request, pk, empty_import, _("The file is removed. What was imported stays."))


@require_safe
@permission(Permission.IMPORT)
@asks_password_again
def import_refused(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The rows that were not taken, as a file to mend and send again."""
    job = _job(request, pk)
    if not job.parts.filter(of=ImportPartOf.REFUSED).exists():
        raise Http404
    record_export(what="refused rows", filters=[], by=person(request))
    return StreamingHttpResponse(
        retold(pieces_of(job, ImportPartOf.REFUSED)),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="refused-{job.pk}.csv"',
            "Cache-Control": "no-store",
        },
    )

"""An import of visits from its files to its points."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from customers.actions.importing import LineImport, ReceiptImport, receipts
from customers.actions.importing.receipts import RowsTaken
from loyaltycrm.core.actions import audit
from loyaltycrm.core.imports import ImportRun, Shape, unhurried
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.importing.at_partners import partner_cell, tell_other_partners
from rewards.actions.importing.chunks import Refusals, write_chunk
from rewards.actions.importing.numbering import number_chunks
from rewards.actions.importing.own_rows import refuse_own_rows
from rewards.actions.importing.posted import postings_counted
from rewards.actions.importing.redemptions import RedemptionImport
from rewards.ledger import AccountMerged
from rewards.programme import Programmes, load_programmes

ATTEMPTS: Final = 4


@dataclass(frozen=True, slots=True)
class VisitFiles:
    """The files of one import of visits; any of them may be missing."""

    purchases: Path | None = None
    refunds: Path | None = None
    redemptions: Path | None = None
    lines: Path | None = None


class VisitImport:
    """An import of visits, its files staged when made. Raises `UnreadableFile` before anything changed."""

    def __init__(self, run: ImportRun, files: VisitFiles) -> None:
        self._run = run
        self._receipts = ReceiptImport(run, purchases=files.purchases, refunds=files.refunds, partner=partner_cell())
        self._redemptions = RedemptionImport(run, files.redemptions)
        self._lines = LineImport(run, files.lines) if files.lines is not None else None

    def adopt_calendar(self, *, by: User | None) -> Company:
        """Give an installation without visits the currency and the time zone of the file."""
        return self._receipts.adopt_calendar(by=by)

    def take(self, *, by: User | None) -> None:
        """Take every good row under the programme of its date; the others are left with their reasons.

        Receipts, refunds and uses of points are replayed together in time order, customer by customer. Known rows are
        unchanged, known receipts with other content are conflicts. `adopt_calendar` comes first.
        """
        company = Company.current()
        self._receipts.check(company)
        tell_other_partners()
        self._receipts.refuse_other_stores(by=by)
        self._redemptions.check(company)
        # A refund may leave its customer to its receipt.
        refuse_own_rows(self._receipts.stage, owner="coalesce(s.owner_id, s.customer_id)", by=by)
        self._receipts.refuse_refunds_of_refused()
        refuse_own_rows(self._redemptions.stage, by=by)
        with unhurried():
            self._receipts.create_stores(company, by=by)
            chunks = number_chunks(self._receipts.stage, self._redemptions.stage)
            self._record(by=by)
        crash_point("import.prepared")
        programmes = load_programmes()
        for chunk in range(1, chunks + 1):
            self._take_chunk(chunk, programmes, company, by=by)
            self._run.progress(_("Chunks of visits written"), chunk, chunks)
        if self._lines is not None:
            self._lines.take()

    def _record(self, *, by: User | None) -> None:
        """The import's row in the audit log, in the transaction before the first chunk: a death cannot hide it.

        So uses of points that their place in time refuses count as accepted here; the report has the last word.
        """
        files = [*self._receipts.files, *self._redemptions.files, *([self._lines.file] if self._lines else [])]
        audit.record("import visits", None, by=by, data=self._run.summary(*files))

    def _take_chunk(self, chunk: int, programmes: Programmes, company: Company, *, by: User | None) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                self._receipts.compare(chunk)
                tell_other_partners()
                self._redemptions.compare(chunk)
            try:
                refused, posted = self._write(chunk, programmes, company, by=by)
            except (RowsTaken, AccountMerged):
                if attempt + 1 == ATTEMPTS:
                    raise
                continue
            self._receipts.stage.refuse_rows(refused.receipts)
            self._redemptions.stage.refuse_rows(refused.redemptions)
            self._run.brought.update(posted)
            return

    @atomic_with_retry
    def _write(
        self, chunk: int, programmes: Programmes, company: Company, *, by: User | None
    ) -> tuple[Refusals, Counter[str]]:
        with self._run.kept_unless_dry_run(), postings_counted() as posted:
            refused = write_chunk(chunk, programmes, company, by=by)
        return refused, posted


def shape() -> Shape:
    """The columns of a file of receipts, which may hold refunds too, and how each is read."""
    return receipts.shape(partner_cell())

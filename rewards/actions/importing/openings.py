"""Points that customers had under earlier books, from a file: one posting and one lot for each row."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db import connection

from customers.actions.importing.receipts import key_of
from loyaltycrm.core.actions import audit
from loyaltycrm.core.imports import CHUNK_ROWS, ImportRun, RowRefused, Shape, Stage, differs_from_known, unhurried
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib import cells
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.kept_words import ngettext
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.importing.own_rows import refuse_own_rows
from rewards.actions.importing.posted import postings_counted
from rewards.ledger import AccountMerged, OpenedWith, load_states, replay, write
from rewards.models import OpeningBalance
from rewards.programme import Programmes, load_programmes

ATTEMPTS: Final = 4
LARGEST_POINTS: Final = 1_000_000_000
NEVER: Final = "never"
_STAGED: Final = {
    "reference": "text",
    "customer_no": "text",
    "points": "bigint",
    "written_on": "date",
    "is_own_end": "boolean",
    "good_through": "date",
    # Found out after staging:
    "customer_id": "bigint",
    "earned_on": "date",
}
_SETTLE: Final = """
    UPDATE import_balances s SET earned_on = coalesce(s.written_on, %(today)s::date),
        customer_id = f.customer_id
    FROM (
        SELECT b.n, coalesce(c.merged_into_id, c.id, i.customer_id) AS customer_id FROM import_balances b
        LEFT JOIN customers_customer c ON c.external_id = b.customer_no
        LEFT JOIN customers_identifier i ON i.kind = 'alias' AND i.value = b.customer_no
        WHERE b.state = 'new'
    ) f WHERE f.n = s.n"""
_TWINS: Final = """(SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY reference ORDER BY n) AS turn
    FROM import_balances WHERE state = 'new') t WHERE turn > 1) d"""
_CONTENT: Final = ("customer_id", "points", "earned_on", "is_own_end", "good_through")
_SAME_AS_EARLIER: Final = f"""d.n = s.n AND EXISTS (SELECT 1 FROM import_balances o
    WHERE o.reference = s.reference AND o.state = 'new' AND o.n < s.n
      AND ROW({", ".join(f"o.{name}" for name in _CONTENT)})
          IS NOT DISTINCT FROM ROW({", ".join(f"s.{name}" for name in _CONTENT)}))"""
# What came in for a profile while it was merged stayed with the survivor when the two were parted.
_ONCE_ONE_PERSON: Final = """EXISTS (
    WITH RECURSIVE people(id) AS (
        SELECT s.customer_id
        UNION SELECT CASE p.id WHEN m.survivor_id THEN m.merged_id ELSE m.survivor_id END
        FROM people p JOIN customers_merge m ON p.id IN (m.survivor_id, m.merged_id))
    SELECT 1 FROM people WHERE id = r.customer_id)"""
# A row without a day was taken for the day of its import, whichever that was.
_KNOWN: Final = f"""
    UPDATE import_balances s SET at_column = f.differs,
        state = CASE WHEN f.differs IS NULL THEN 'unchanged' ELSE 'conflict' END,
        reason = CASE WHEN f.differs IS NOT NULL THEN %(differs)s::text END
    FROM (
        SELECT s.n, CASE
            WHEN r.points <> s.points THEN 'points'
            WHEN r.customer_id IS DISTINCT FROM s.customer_id AND NOT {_ONCE_ONE_PERSON} THEN 'customer_id'
            WHEN s.written_on IS NOT NULL AND r.earned_on <> s.written_on THEN 'earned_on'
            WHEN ROW(r.is_own_end, r.good_through) IS DISTINCT FROM ROW(s.is_own_end, s.good_through)
                THEN 'good_through'
            END AS differs
        FROM import_balances s JOIN rewards_openingbalance r ON r.reference = s.reference WHERE s.state = 'new'
    ) f WHERE f.n = s.n"""
# All rows of a customer are in one chunk: an account's events are replayed together.
_NUMBER: Final = """
    UPDATE import_balances s SET chunk = w.chunk FROM (
        SELECT n, (rank() OVER (ORDER BY customer_id) - 1) / %(rows)s + 1 AS chunk
        FROM import_balances WHERE state = 'new') w WHERE w.n = s.n"""
_FOLLOW_MERGES: Final = """
    UPDATE import_balances s SET customer_id = c.merged_into_id FROM customers_customer c
    WHERE c.id = s.customer_id AND c.merged_into_id IS NOT NULL AND s.state = 'new' AND s.chunk = %s"""
_CHUNKS: Final = "SELECT DISTINCT chunk FROM import_balances WHERE state = 'new' ORDER BY chunk"
_ROWS: Final = """SELECT reference, customer_id, points, earned_on, is_own_end, good_through
    FROM import_balances WHERE chunk = %s AND state = 'new' ORDER BY customer_id, n"""


class _Opening(NamedTuple):
    reference: str
    customer_id: int
    points: int
    earned_on: date
    is_own_end: bool
    good_through: date | None


class OpeningImport:
    """The opening balances of one file, staged when made. Raises `UnreadableFile` before anything changed."""

    def __init__(self, run: ImportRun, path: Path) -> None:
        self._run = run
        self._stage = Stage("balances", _STAGED)
        self._file = run.stage_file("balances", path, shape(), self._stage)
        self._stage.index("reference", "customer_no")

    def take(self, *, by: User | None) -> None:
        """Post every good row; known ones are unchanged, known references with other content are conflicts."""
        company = Company.current()
        self._check(company)
        refuse_own_rows(self._stage, by=by)
        chunks = self._number()
        with unhurried():
            audit.record("import opening balances", None, by=by, data=self._run.summary(self._file))
        programmes = load_programmes()
        for chunk in chunks:
            self._take_chunk(chunk, programmes, company, by=by)
            self._run.progress(_("%(file)s: chunks written") % {"file": self._file.table.path.name}, chunk, len(chunks))
        self._tell_of_ended(company.today())

    def _check(self, company: Company) -> None:
        stage, today = self._stage, company.today()
        with unhurried() as cursor:
            cursor.execute(_SETTLE, {"today": today})
        stage.refuse(
            "customer_id",
            _("There is no customer with this number. Import the customer first."),
            "s.customer_id IS NULL",
        )
        stage.refuse("earned_on", _("Lies in the future. Check the date."), "s.earned_on > %s", today)
        stage.refuse(
            "good_through", _("Lies before the day on which the points were earned."), "s.good_through < s.earned_on"
        )
        stage.mark("unchanged", _SAME_AS_EARLIER, also=_TWINS)
        twice = _("Stands in this file twice with different content. The first row was taken.")
        stage.mark("conflict", "d.n = s.n", also=_TWINS, column="reference", reason=twice)
        with unhurried() as cursor:
            cursor.execute(_KNOWN, {"differs": differs_from_known()})

    def _number(self) -> list[int]:
        with unhurried() as cursor:
            cursor.execute(_NUMBER, {"rows": CHUNK_ROWS})
            cursor.execute(_CHUNKS)
            return [row[0] for row in cursor.fetchall()]

    def _take_chunk(self, chunk: int, programmes: Programmes, company: Company, *, by: User | None) -> None:
        for attempt in range(ATTEMPTS):
            try:
                posted = self._write(chunk, programmes, company, by=by)
            except AccountMerged:
                if attempt + 1 == ATTEMPTS:
                    raise
                with unhurried() as cursor:
                    cursor.execute(_FOLLOW_MERGES, [chunk])
            else:
                self._run.brought.update(posted)
                return

    @atomic_with_retry
    def _write(self, chunk: int, programmes: Programmes, company: Company, *, by: User | None) -> Counter[str]:
        with self._run.kept_unless_dry_run(), postings_counted() as posted:
            _write_chunk(chunk, programmes, company, by=by)
        return posted

    def _tell_of_ended(self, today: date) -> None:
        """Points that ended before today are taken, since uses of them may follow; but it may be a mistake."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM import_balances WHERE state = 'new' AND good_through < %s", [today])
            ended = cursor.fetchone()[0]
        if ended:
            self._run.notes.append(
                ngettext(
                    "%(file)s: %(count)s row holds points that have ended already. See good_through.",
                    "%(file)s: %(count)s rows hold points that have ended already. See good_through.",
                    ended,
                )
                % {"file": self._file.table.path.name, "count": f"{ended:,}"}
            )


def _write_chunk(chunk: int, programmes: Programmes, company: Company, *, by: User | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [chunk])
        rows = [_Opening(*row) for row in cursor.fetchall()]
    events: dict[int, list[OpenedWith]] = defaultdict(list)
    for row in rows:
        at = datetime.combine(row.earned_on, time.min, company.zone)
        events[row.customer_id].append(
            OpenedWith(
                at, row.earned_on, row.reference, row.points, is_own_end=row.is_own_end, good_through=row.good_through
            )
        )
    states = load_states(events, programmes)
    work = [
        (states[customer_id], replay(states[customer_id], events[customer_id], programmes, zone=company.zone).entries)
        for customer_id in sorted(events)
    ]
    ids = write(work, by=by)
    crash_point("import.opened")
    OpeningBalance.objects.bulk_create(
        OpeningBalance(**row._asdict(), posting_id=ids[row.reference], imported_by=by) for row in rows
    )
    crash_point("import.balances")


def shape() -> Shape:
    """The columns of a file of opening balances and how each is read."""
    return Shape(
        cells={
            "customer_id": cells.needed(cells.number_text(64)),
            "points": cells.needed(cells.whole(1, LARGEST_POINTS)),
            "good_through": cells.optional(_end),
            "earned_on": cells.optional(cells.day),
            "reference": cells.optional(cells.number_text(64)),
        },
        required=("customer_id", "points"),
        build=_build,
    )


def _end(text: str) -> date | str:
    """The last good day, or `never`."""
    return NEVER if text.strip().casefold() == NEVER else cells.day(text)


def _build(row: Mapping[str, Any]) -> tuple[Any, ...]:
    end, earned_on, reference = row.get("good_through"), row.get("earned_on"), row.get("reference")
    if reference is None:
        named = f"of:{row['customer_id']}:{earned_on or ''}:{end or ''}"
    else:
        try:
            named = f"as:{key_of(reference)}"
        except cells.BadCell as bad:
            raise RowRefused("reference", bad.args[0]) from None
    good_through = None if end == NEVER else end
    return (f"opening:{named}", row["customer_id"], row["points"], earned_on, end is not None, good_through, None, None)

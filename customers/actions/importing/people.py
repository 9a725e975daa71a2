"""Customers from a file: who they are, how to reach them, what they agreed to."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from customers.actions.consent import CLOCK_TOLERANCE
from customers.actions.customers import index_customers
from customers.erased import erased_sql
from customers.models import ConsentEvent, MarkKind, Purpose
from loyaltycrm.core import knobs
from loyaltycrm.core.actions import audit
from loyaltycrm.core.imports import ImportRun, RowRefused, Shape, Stage, chunks_of, unhurried
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib import cells
from loyaltycrm.lib.cells import BadCell, Moment
from loyaltycrm.lib.contacts import card_key, email_key, phone_key
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.transactions import atomic_with_retry

# Columns of the file that are columns of the customer; a blank cell leaves what is known.
_FACTS: Final = (
    "first_name",
    "last_name",
    "email",
    "email_key",
    "phone",
    "language",
    "joined_on",
    "birthday",
    "age_band",
    "household_size",
)
_STAGED: Final = {
    "external_id": "text",
    "first_name": "text",
    "last_name": "text",
    "email": "text",
    "email_key": "text",
    "phone": "text",
    "language": "text",
    "joined_on": "date",
    "birthday": "date",
    "age_band": "text",
    "household_size": "smallint",
    "card": "text",
    "consent_email": "boolean",
    "consent_sms": "boolean",
    "consent_on": "date",
    "consent_clock": "timestamp",
    "consent_offset": "integer",
    "customer_id": "bigint",
    "is_new": "boolean",
}
_DIFFERS: Final = " OR ".join(f"(s.{name} IS NOT NULL AND s.{name} IS DISTINCT FROM c.{name})" for name in _FACTS)
_CONTENT: Final = (*_FACTS, "card", "consent_email", "consent_sms", "consent_clock", "consent_offset")
_SAME_AS_EARLIER: Final = f"""o.external_id = s.external_id AND o.state = 'new' AND o.n < s.n
    AND ROW({", ".join(f"o.{name}" for name in _CONTENT)})
        IS NOT DISTINCT FROM ROW({", ".join(f"s.{name}" for name in _CONTENT)})"""
_TWINS: Final = """(SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY external_id ORDER BY n) AS turn
    FROM import_customers WHERE state = 'new') t WHERE turn > 1) d"""
_CONSENT_INSTANT: Final = """CASE WHEN s.consent_offset IS NULL THEN s.consent_clock AT TIME ZONE %(zone)s
    ELSE (s.consent_clock - make_interval(mins => s.consent_offset)) AT TIME ZONE 'UTC' END"""


class CustomerImport:
    """The customers of one file, staged when made. Raises `UnreadableFile` before anything changed."""

    def __init__(self, run: ImportRun, path: Path) -> None:
        self._run = run
        self._stage = Stage("customers", _STAGED)
        self._file = run.stage_file("customers", path, shape(), self._stage)
        self._stage.index("external_id")

    def take(self, *, by: User | None) -> None:
        """Add the new customers and bring known ones up to date, by customer number.

        A blank cell leaves what is known; whoever is new in a file that says nothing of when they joined did so today.
        Consent becomes dated events; an import never overrides a later no, and
        never clears a suppressed address.
        """
        stage, company = self._stage, Company.current()
        zone = self._run.time_zone or company.time_zone
        _refuse_what_cannot_be(stage, company.today(), zone)
        _find_known(stage)
        _mark_unchanged(zone)
        for first, last in chunks_of(stage):
            _take(stage, first, last, zone, company)
            self._count(first, last)
            self._run.progress(
                _("%(file)s: customers written") % {"file": self._file.table.path.name}, last, stage.last_taken
            )
        with unhurried():
            audit.record("import customers", None, by=by, data=self._run.summary(self._file))

    def _count(self, first: int, last: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT count(*) FILTER (WHERE is_new IS NULL), count(*) FILTER (WHERE NOT is_new)
                   FROM import_customers WHERE state = 'new' AND n BETWEEN %s AND %s""",
                [first, last],
            )
            added, changed = cursor.fetchone()
        self._run.brought.update({"new_customers": added, "changed_customers": changed})


def shape() -> Shape:
    """The columns of a file of customers and how each is read."""
    language_codes = [code for code, _name in settings.LANGUAGES]
    country = str(knobs.value(knobs.PHONE_COUNTRY))
    return Shape(
        cells={
            "customer_id": cells.needed(cells.number_text(64)),
            "first_name": cells.optional(cells.words(80)),
            "last_name": cells.optional(cells.words(80)),
            "email": cells.optional(cells.email),
            "phone": cells.optional(partial(_phone, country=country)),
            "locale": cells.optional(cells.one_of(*language_codes)),
            "joined_on": cells.needed(cells.day),
            "consent_email": cells.optional(cells.yes_or_no),
            "consent_sms": cells.optional(cells.yes_or_no),
            "consent_at": cells.optional(cells.moment),
            "age_band": cells.optional(cells.words(10)),
            "household_size": cells.optional(_household_size),
            "birthday": cells.optional(cells.birthday),
            "card": cells.optional(_card),
        },
        required=("customer_id",),
        build=_build,
    )


def _phone(text: str, *, country: str) -> str:
    phone = phone_key(cells.clean(text), country=country)
    if not phone:
        raise BadCell(_("Is no phone number. Write it with its country, such as +37126124821, or leave it blank."))
    return phone


def _card(text: str) -> str:
    card = card_key(cells.number_text(64)(text))
    if not 0 < len(card) <= 64:
        raise BadCell(_("Is no card number. Write its letters and digits, or leave it blank."))
    return card


def _household_size(text: str) -> int:
    """A number of people; "5+" is 5."""
    return cells.whole(1, 99)(text.strip().removesuffix("+"))


def _build(row: Mapping[str, Any]) -> tuple[Any, ...]:
    consent: Moment | None = row.get("consent_at")
    for name in ("consent_email", "consent_sms"):
        if row.get(name) and consent is None:
            raise RowRefused(
                "consent_at", _("Is blank though %(column)s is yes. Write when it was given.") % {"column": name}
            )
    address = row.get("email")
    key = email_key(address) if address else None
    if key is not None and len(key) > 254:
        raise RowRefused("email", _("Is longer than %(count)s characters. Shorten it.") % {"count": 254})
    return (
        row["customer_id"],
        row.get("first_name"),
        row.get("last_name"),
        address,
        key,
        row.get("phone"),
        row.get("locale"),
        row.get("joined_on"),
        row.get("birthday"),
        row.get("age_band"),
        row.get("household_size"),
        row.get("card"),
        row.get("consent_email"),
        row.get("consent_sms"),
        consent.day if consent else None,
        consent.clock if consent else None,
        # A date alone is midnight of the company's day; see `_CONSENT_TOLD`.
        consent.offset_minutes if consent and consent.has_time else None,
        None,
        None,
    )


def _refuse_what_cannot_be(stage: Stage, today: date, zone: str) -> None:
    future = _("Lies in the future. Check the date.")
    stage.refuse("joined_on", future, "s.joined_on > %s", today)
    stage.refuse("birthday", future, "s.birthday > %s", today)
    stage.refuse(
        "consent_at",
        future,
        f"{_CONSENT_INSTANT.replace('%(zone)s', '%s')} > %s",
        zone,
        timezone.now() + CLOCK_TOLERANCE,
    )
    _refuse_erased(stage)
    stage.mark(
        "unchanged", f"d.n = s.n AND EXISTS (SELECT 1 FROM import_customers o WHERE {_SAME_AS_EARLIER})", also=_TWINS
    )
    stage.mark(
        "conflict",
        "d.n = s.n",
        also=_TWINS,
        column="customer_id",
        reason=_("Stands in this file twice with different content. The first row was taken."),
    )
    stage.mark(
        "conflict",
        "d.n = s.n",
        also="""(SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY card ORDER BY n) AS turn FROM import_customers
                 WHERE state = 'new' AND card IS NOT NULL) t WHERE turn > 1) d""",
        column="card",
        reason=_("Stands in this file twice for different customers. A card leads to one customer."),
    )


def erased_before() -> str:
    """Why a row of an erased person is not taken."""
    return _("This person was erased at their wish. Remove the row; a person who comes back is added at the till.")


def _refuse_erased(stage: Stage, *, first: int = 0, last: int | None = None) -> None:
    """Refuse rows by which an erased person would come back; a customer who has that email or phone keeps it."""
    within, span = "s.n >= %s::bigint AND (%s::bigint IS NULL OR s.n <= %s::bigint)", (first, last, last)
    for kind, name, column in (
        (MarkKind.NUMBER, "external_id", "customer_id"),
        (MarkKind.CARD, "card", "card"),
        (MarkKind.EMAIL, "email_key", "email"),
        (MarkKind.PHONE, "phone", "phone"),
    ):
        is_erased, values = erased_sql(kind, f"s.{name}")
        has_it = (
            f" AND NOT EXISTS (SELECT FROM customers_customer k WHERE k.external_id = s.external_id"
            f" AND k.{name} = s.{name})"
            if name in ("email_key", "phone")
            else ""
        )
        stage.refuse(column, erased_before(), f"{within} AND {is_erased}{has_it}", *span, *values)


def _find_known(stage: Stage) -> None:
    with unhurried() as cursor:
        cursor.execute(
            """UPDATE import_customers s SET customer_id = c.id, is_new = FALSE FROM customers_customer c
               WHERE c.external_id = s.external_id AND c.merged_into_id IS NULL AND s.state = 'new'"""
        )
    # A number that a customer had before a merge belongs to the surviving profile, which the old row must not change.
    stage.mark(
        "unchanged",
        "s.customer_id IS NULL AND c.external_id = s.external_id AND c.merged_into_id IS NOT NULL",
        also="customers_customer c",
    )
    stage.mark(
        "unchanged",
        "s.customer_id IS NULL AND i.kind = 'alias' AND i.value = s.external_id",
        also="customers_identifier i",
    )
    stage.mark(
        "conflict",
        "i.kind = 'card' AND i.value = s.card AND i.customer_id IS DISTINCT FROM s.customer_id",
        also="customers_identifier i",
        column="card",
        reason=_("Belongs to another customer already. Check the number, or leave it blank."),
    )


# A yes or no of the file that is not yet among the customer's events. A date without a time is the same event whatever
# time zone the company had when it was imported first, hence the day's widest bounds on Earth. A no without a date can
# only withdraw what an import once brought: against a yes said to us it would be hearsay.
_CONSENT_TOLD: Final = f"""
    SELECT s.n, s.customer_id, w.channel, w.given,
           CASE WHEN w.given OR newest.id IS NULL THEN w.at ELSE greatest(%(now)s::timestamptz, newest.occurred_at) END
               AS occurred_at
    FROM import_customers s
    CROSS JOIN LATERAL (
        SELECT channel, given, {_CONSENT_INSTANT} AS at
        FROM (VALUES ('email', s.consent_email), ('sms', s.consent_sms)) AS told(channel, given)
        WHERE given IS NOT NULL
    ) w
    LEFT JOIN LATERAL (
        SELECT e.id, e.given, e.source, e.occurred_at FROM customers_consentevent e
        WHERE e.customer_id = s.customer_id AND e.purpose = 'offers' AND e.channel = w.channel
        ORDER BY e.occurred_at DESC, e.id DESC LIMIT 1
    ) newest ON TRUE
    WHERE s.state = 'new' AND s.n BETWEEN %(first)s AND %(last)s AND CASE
        WHEN w.given THEN NOT EXISTS (
            SELECT 1 FROM customers_consentevent e
            WHERE e.customer_id = s.customer_id AND e.purpose = 'offers' AND e.channel = w.channel
              AND e.given AND e.source = 'import' AND CASE
                  WHEN s.consent_offset IS NULL AND s.consent_clock = s.consent_on::timestamp
                  THEN e.occurred_at >= (s.consent_on::timestamp - interval '14 hours') AT TIME ZONE 'UTC'
                   AND e.occurred_at < (s.consent_on::timestamp + interval '36 hours') AT TIME ZONE 'UTC'
                  ELSE e.occurred_at = w.at END)
        WHEN newest.id IS NULL THEN w.at IS NOT NULL
        ELSE newest.given AND newest.source = 'import' END
"""


def _consent_values(first: int, last: int, zone: str) -> dict[str, Any]:
    return {"first": first, "last": last, "zone": zone, "now": timezone.now()}


def _mark_unchanged(zone: str) -> None:
    """Rows that say nothing new. What remains is taken."""
    with unhurried() as cursor:
        cursor.execute("SELECT coalesce(max(n), 0) FROM import_customers")
        last = cursor.fetchone()[0]
        cursor.execute(
            f"""UPDATE import_customers s SET state = 'unchanged' FROM customers_customer c
                WHERE c.id = s.customer_id AND s.state = 'new' AND NOT ({_DIFFERS})
                  AND s.n NOT IN (SELECT told.n FROM ({_CONSENT_TOLD}) told)
                  AND (s.card IS NULL OR EXISTS (
                      SELECT 1 FROM customers_identifier i
                      WHERE i.kind = 'card' AND i.value = s.card AND i.customer_id = s.customer_id))""",
            _consent_values(1, last, zone),
        )


@atomic_with_retry
def _take(stage: Stage, first: int, last: int, zone: str, company: Company) -> None:
    """Write one chunk of rows: customers, cards, consent, search terms. Who was erased meanwhile stays so."""
    span = {"first": first, "last": last}
    with unhurried() as cursor:
        cursor.execute(
            """SELECT FROM customers_customer c JOIN import_customers s ON s.customer_id = c.id
               WHERE s.state = 'new' AND s.n BETWEEN %(first)s AND %(last)s ORDER BY c.id FOR NO KEY UPDATE OF c""",
            span,
        )
    _refuse_erased(stage, first=first, last=last)
    with unhurried() as cursor:
        updates = ", ".join(f"{name} = coalesce(s.{name}, c.{name})" for name in _FACTS)
        cursor.execute(
            f"""UPDATE customers_customer c SET {updates} FROM import_customers s
                WHERE c.id = s.customer_id AND s.state = 'new' AND s.n BETWEEN %(first)s AND %(last)s
                  AND ({_DIFFERS})""",
            span,
        )
        cursor.execute(
            """INSERT INTO customers_customer (external_id, first_name, last_name, email, email_key, phone, language,
                   joined_on, birthday, age_band, household_size, created_at)
               SELECT external_id, coalesce(first_name, ''), coalesce(last_name, ''), coalesce(email, ''),
                      coalesce(email_key, ''), coalesce(phone, ''), coalesce(language, %(language)s),
                      coalesce(joined_on, %(today)s), birthday, coalesce(age_band, ''), household_size, now()
               FROM import_customers s
               WHERE s.state = 'new' AND s.customer_id IS NULL AND s.n BETWEEN %(first)s AND %(last)s
               ORDER BY s.n ON CONFLICT (external_id) DO NOTHING""",
            {**span, "language": company.language, "today": company.today()},
        )
        cursor.execute(
            """UPDATE import_customers s SET customer_id = c.id FROM customers_customer c
               WHERE c.external_id = s.external_id AND s.state = 'new' AND s.customer_id IS NULL
                 AND s.n BETWEEN %(first)s AND %(last)s""",
            span,
        )
        cursor.execute(
            """INSERT INTO customers_identifier (customer_id, kind, value, added_at, is_active)
               SELECT customer_id, 'card', card, now(), TRUE FROM import_customers s
               WHERE s.state = 'new' AND s.card IS NOT NULL AND s.n BETWEEN %(first)s AND %(last)s
               ON CONFLICT (kind, value) DO NOTHING""",
            span,
        )
        cursor.execute(
            f"""INSERT INTO customers_consentevent (customer_id, purpose, channel, given, basis, wording_version,
                    source, occurred_at, recorded_at)
                SELECT customer_id, %(purpose)s, channel, given, 'consent', '', %(source)s, occurred_at, now()
                FROM ({_CONSENT_TOLD}) told ORDER BY n""",
            {
                **_consent_values(first, last, zone),
                "purpose": Purpose.OFFERS.value,
                "source": ConsentEvent.Source.IMPORT.value,
            },
        )
        cursor.execute(
            """SELECT customer_id FROM import_customers s
               WHERE s.state = 'new' AND s.n BETWEEN %(first)s AND %(last)s""",
            span,
        )
        index_customers([row[0] for row in cursor.fetchall()])
        crash_point("import.customers")

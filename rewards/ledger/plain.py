"""Plain sales, posted without reading the account first: what they bring does not depend on what is there.

A sale depends on the account where it repays arrears, sweeps lots that have ended or prolongs others. Where the account
has none of these, `replay` says the same of an empty account, and the statement that books it makes sure of that: it
books on the very row version that it judged, and nothing where the account was another by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection

from loyaltycrm.core.actions.announcing import HAS_RECEIVERS
from loyaltycrm.core.models import User
from loyaltycrm.lib.together import Part, as_text
from rewards.ledger.state import Entry
from rewards.models import AccountKind, PostingKind
from rewards.programme import SAME_VERSIONS, Programmes, programmes_of, versions_values

HELD: Final = "l.account_id = a.id AND l.remaining > 0"
# Each look at the lots is one at an index that holds their days, however many lots there are. OFFSET 0 keeps the
# planner from joining everybody's lots: not knowing the day it would take that for dear, and plan the statement anew
# each time, which takes as long as the sale.
_ACCOUNT: Final = f"""
    SELECT a.id, a.xmin AS version, ranked.version AS standing, (
        SELECT coalesce(sum(l.remaining), 0)::bigint FROM rewards_lot l
        WHERE {HELD} AND l.available_on > %(plain_day)s::date) AS pending
    FROM rewards_account a, ({{ranked}}) AS ranked
    WHERE a.customer_id = %(plain_customer)s::bigint AND a.arrears = 0 AND a.merged_into_id IS NULL
        AND a.closed_at IS NULL AND {SAME_VERSIONS} AND NOT {HAS_RECEIVERS}
        AND (SELECT time_zone FROM core_company) = %(plain_zone)s
        AND NOT EXISTS (SELECT FROM rewards_lot l WHERE {HELD} AND l.good_through < %(plain_day)s::date OFFSET 0)
        AND NOT EXISTS (SELECT FROM rewards_lot l WHERE {HELD} AND l.idle_days IS NOT NULL OFFSET 0)"""  # noqa: S608
# By xmin, not by ctid: whoever waits for the row looks again at this, but not in every PostgreSQL at a ctid.
_BOOKED: Final = """
    UPDATE rewards_account a SET book_balance = a.book_balance + %(plain_points)s::bigint
    FROM plain, {sale} WHERE a.id = plain.id AND a.xmin = plain.version
    RETURNING a.id, a.book_balance - %(plain_points)s::bigint - plain.pending AS available, plain.standing"""
_POSTED: Final = """
    INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
        occurred_at, programme_version_id, visit_id, posted_by_id, posted_at)
    SELECT 'visit:' || s.id, '{kind}',
        (SELECT c.id FROM rewards_account c WHERE c.kind = '{counter}' AND NOT c.kind IN ('customer', 'partner')),
        booked.id, %(plain_points)s::bigint, 0, %(plain_day)s::date, %(plain_at)s::timestamptz,
        %(plain_version)s::bigint, s.id, {by}::bigint, now()
    FROM {sale} s, booked RETURNING id, reference, destination_id"""
_OPENED: Final = """
    INSERT INTO rewards_lot (reference, account_id, posting_id, points, remaining, earned_at, earned_on, available_on,
        good_through)
    SELECT reference || '{part}', destination_id, id, %(plain_points)s::bigint, %(plain_points)s::bigint,
        %(plain_at)s::timestamptz, %(plain_day)s::date, %(plain_from)s::date, {until}::date FROM posted"""


@dataclass(frozen=True, slots=True)
class Assumed:
    """What held when this process last opened an account: a guess, which the statement makes sure of."""

    fingerprint: str
    time_zone: str

    @property
    def programmes(self) -> Programmes:
        """The versions of the programme."""
        return programmes_of(self.fingerprint)

    @property
    def zone(self) -> tzinfo:
        """The company's time zone."""
        return ZoneInfo(self.time_zone)


_assumed: dict[tuple[str, str, str], Assumed | None] = {}


def _database() -> tuple[str, str, str]:
    settings = connection.settings_dict
    return settings["HOST"], settings["PORT"], settings["NAME"]


def assume(read: Assumed | None) -> None:
    """Remember what was read with an account; None where somebody listens, so that no sale is plain."""
    _assumed[_database()] = read


def assumed() -> Assumed | None:
    """What was remembered of this database."""
    return _assumed.get(_database())


def plain_entry(entries: Sequence[Entry]) -> Entry | None:
    """The one posting, opening one lot that nothing prolongs, that these entries of a sale are; None if they are not.

    `entries` are what the sale brings to an empty account.
    """
    if len(entries) != 1 or len(entries[0].new_lots) != 1:
        return None
    entry, lot = entries[0], entries[0].new_lots[0]
    is_plain = (entry.kind, entry.counter) == (PostingKind.EARN, AccountKind.ISSUED)
    return entry if is_plain and lot.idle_days is None and lot.remaining == entry.points else None


def plain_sale_parts(
    entries: Sequence[Entry],
    customer_id: int,
    known: Assumed,
    *,
    at: datetime,
    sale: str,
    ranked: str,
    by: User | None,
) -> list[Part]:
    """`plain`, which has a row where the account is such a one, and the parts that post the sale on it.

    `entries` are what a sale of that day brings to an empty account, `at` is its instant; `sale` names the part that
    writes the visit, which has to take its row from `plain`; `ranked` is a SELECT, about values of other parts, of the
    `version` of a standing that such a sale moves, or of nothing: then the sale is not plain. Nothing where such a
    sale is never plain. `booked` answers the points that can be used on the day, but for those that the sale brings,
    and tells the version of the `standing`.
    """
    entry = plain_entry(entries)
    if entry is None:
        return []
    lot = entry.new_lots[0]
    posted = {
        "plain_at": at,
        "plain_version": as_text(entry.version_id),
    }
    opened = {"plain_from": lot.available_on}
    if by is not None:
        posted["plain_by"] = as_text(by.pk)
    if lot.good_through is not None:
        opened["plain_until"] = lot.good_through
    judged = {
        "plain_day": entry.business_date,
        "plain_customer": as_text(customer_id),
        "plain_zone": known.time_zone,
        **versions_values(known.fingerprint),
    }
    account, booking, posting, opening = _statements(
        sale, ranked, lot.reference.removeprefix(entry.reference), by is not None, lot.good_through is not None
    )
    return [
        Part("plain", account, judged),
        Part("booked", booking, {"plain_points": as_text(entry.points)}, answer="'', available"),
        Part("posted", posting, posted),
        Part("opened", opening, opened),
    ]


@cache
def _statements(sale: str, ranked: str, lot: str, is_by_somebody: bool, has_end: bool) -> tuple[str, str, str, str]:
    """The statements of the parts, the very same each time."""
    by, until = "%(plain_by)s" if is_by_somebody else "NULL", "%(plain_until)s" if has_end else "NULL"
    return (
        _ACCOUNT.format(ranked=ranked),
        _BOOKED.format(sale=sale),
        _POSTED.format(sale=sale, by=by, kind=PostingKind.EARN.value, counter=AccountKind.ISSUED.value),
        _OPENED.format(until=until, part=lot),
    )

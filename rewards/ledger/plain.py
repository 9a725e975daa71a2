"""Plain sales, posted without reading the account first: what they bring does not depend on what is there.

A sale depends on the account where it repays arrears, sweeps lots that have ended or prolongs others. Where the account
has none of these, `replay` says the same of an empty account, and the statement that books it makes sure of that: it
books on the very row version that it judged, and nothing where the account was another by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection

from loyaltycrm.core.actions.announcing import HAS_RECEIVERS
from loyaltycrm.core.models import User
from loyaltycrm.lib.together import Part, as_text
from rewards.ledger.state import Entry
from rewards.programme import FINGERPRINT, Programmes, programmes_of

_ACCOUNT: Final = f"""
    SELECT a.id, a.ctid AS version, l.pending FROM rewards_account a, LATERAL (
        SELECT count(*) FILTER (WHERE l.good_through < %(plain_day)s::date OR l.idle_days IS NOT NULL) AS touched,
            coalesce(sum(l.remaining) FILTER (WHERE l.available_on > %(plain_day)s::date), 0)::bigint AS pending
        FROM rewards_lot l WHERE l.account_id = a.id AND l.remaining > 0) l
    WHERE a.customer_id = %(plain_customer)s::bigint AND a.arrears = 0 AND a.merged_into_id IS NULL
        AND a.closed_at IS NULL AND l.touched = 0 AND {FINGERPRINT} = %(plain_programmes)s AND NOT {HAS_RECEIVERS}
        AND (SELECT time_zone FROM core_company) = %(plain_zone)s AND {{and_if}}"""  # noqa: S608
_BOOKED: Final = """
    UPDATE rewards_account a SET book_balance = a.book_balance + %(plain_points)s::bigint
    FROM plain, {sale} WHERE a.id = plain.id AND a.ctid = plain.version
    RETURNING a.id, a.book_balance - %(plain_points)s::bigint - plain.pending AS available"""
_POSTED: Final = """
    INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
        occurred_at, programme_version_id, visit_id, posted_by_id, posted_at)
    SELECT 'visit:' || s.id, %(plain_kind)s::text,
        (SELECT c.id FROM rewards_account c WHERE c.kind = %(plain_counter)s AND NOT c.kind IN ('customer', 'partner')),
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


def plain_sale_parts(
    entries: Sequence[Entry], customer_id: int, known: Assumed, *, sale: str, and_if: str, by: User | None
) -> list[Part]:
    """`plain`, which has a row where the account is such a one, and the parts that post the sale on it.

    `entries` are what it brings to an empty account; `sale` names the part that writes the visit, which has to take
    its row from `plain`; `and_if` is one more condition, about values of other parts. Nothing where such a sale is
    never plain. `booked` answers the points that can be used on the day, but for those that the sale brings.
    """
    if len(entries) != 1 or len(entries[0].new_lots) != 1:
        return []
    entry, lot = entries[0], entries[0].new_lots[0]
    if lot.idle_days is not None or lot.remaining != entry.points:
        return []
    judged = {
        "plain_day": entry.business_date,
        "plain_customer": as_text(customer_id),
        "plain_programmes": known.fingerprint,
        "plain_zone": known.time_zone,
    }
    posted = {
        "plain_kind": str(entry.kind),
        "plain_counter": str(entry.counter),
        "plain_at": entry.occurred_at,
        "plain_version": as_text(entry.version_id),
    }
    opened = {"plain_from": lot.available_on}
    if by is not None:
        posted["plain_by"] = as_text(by.pk)
    if lot.good_through is not None:
        opened["plain_until"] = lot.good_through
    by_whom, until = "%(plain_by)s" if by else "NULL", "%(plain_until)s" if lot.good_through else "NULL"
    return [
        Part("plain", _ACCOUNT.format(and_if=and_if), judged),
        Part("booked", _BOOKED.format(sale=sale), {"plain_points": as_text(entry.points)}, answer="'', available"),
        Part("posted", _POSTED.format(sale=sale, by=by_whom), posted),
        Part("opened", _OPENED.format(until=until, part=lot.reference.removeprefix(entry.reference)), opened),
    ]

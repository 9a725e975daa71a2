"""What a partner is invoiced for a month: the postings from its account and to it, each at the rate that held."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final

from django.db import connection
from django.utils.translation import gettext_lazy as _

from rewards.accounts.months import last_day_of, month_of
from rewards.models import Partner


class Did(StrEnum):
    """What customers did at a partner."""

    EARNED = "earned"
    EARNED_BACK = "earned_back"
    USED = "used"
    USED_BACK = "used_back"

    @property
    def label(self) -> str:
        return str(_DID[self])

    @property
    def is_paid_by_partner(self) -> bool:
        """Whether the partner pays for it; else we do."""
        return self in (Did.EARNED, Did.USED_BACK)


_DID: Final = {
    Did.EARNED: _("Points earned there"),
    Did.EARNED_BACK: _("Of points earned there, taken back"),
    Did.USED: _("Points used there"),
    Did.USED_BACK: _("Of points used there, given back"),
}


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One thing done in the month at one rate (cents for a point): postings, points, and what the partner owes for it,
    negative where we owe. Rounded to a cent, half up, once for the line."""

    did: Did
    rate: Decimal
    postings: int
    points: int

    @property
    def due_cents(self) -> int:
        cents = int((self.points * self.rate).quantize(Decimal(1), ROUND_HALF_UP))
        return cents if self.did.is_paid_by_partner else -cents


@dataclass(frozen=True, slots=True)
class Statement:
    """A partner's month. `due_cents`: the partner pays it; negative: we do."""

    first: date
    last: date
    lines: list[StatementLine] = field(default_factory=list)

    @property
    def due_cents(self) -> int:
        return sum(line.due_cents for line in self.lines)

    def points(self, did: Did) -> int:
        return sum(line.points for line in self.lines if line.did == did)

    @property
    def earned(self) -> int:
        """Points earned there less those taken back."""
        return self.points(Did.EARNED) - self.points(Did.EARNED_BACK)

    @property
    def used(self) -> int:
        """Points used there less those given back."""
        return self.points(Did.USED) - self.points(Did.USED_BACK)


@dataclass(frozen=True, slots=True)
class Activity:
    """One posting of a statement under the partner's own reference; `cents` is not rounded."""

    reference: str
    day: date
    did: Did
    points: int
    rate: Decimal

    @property
    def cents(self) -> Decimal:
        return self.points * self.rate * (1 if self.did.is_paid_by_partner else -1)


# What reverses another posting is invoiced at the rate of the day of that one.
_POSTINGS: Final = """
    WITH terms AS (
        SELECT partner_id, starts_on, issued_rate, burned_rate,
               lead(starts_on) OVER (PARTITION BY partner_id ORDER BY starts_on) AS next_on
        FROM rewards_partnerterms WHERE partner_id = ANY(%(partners)s::bigint[])),
    own AS (SELECT id, partner_id FROM rewards_account WHERE partner_id = ANY(%(partners)s::bigint[])),
    posted AS (
        SELECT o.partner_id, p.* FROM own o JOIN rewards_posting p ON p.source_id = o.id
        UNION ALL SELECT o.partner_id, p.* FROM own o JOIN rewards_posting p ON p.destination_id = o.id),
    at_partners AS (
        SELECT partner_id, id, reference, business_date, points, reverses_id,
               CASE WHEN kind IN ('earn', 'take_back') THEN 'earned' ELSE 'used' END
               || CASE WHEN kind IN ('take_back', 'give_back') THEN '_back' ELSE '' END AS did
        FROM posted WHERE business_date BETWEEN %(first)s::date AND %(last)s::date),
    priced AS (
        SELECT p.partner_id, p.id, p.reference, p.business_date, p.points, p.did,
               CASE WHEN p.did LIKE 'earned%%' THEN t.issued_rate ELSE t.burned_rate END AS rate
        FROM at_partners p LEFT JOIN rewards_posting o ON o.id = p.reverses_id
        JOIN terms t ON t.partner_id = p.partner_id AND t.starts_on <= coalesce(o.business_date, p.business_date)
          AND (t.next_on IS NULL OR coalesce(o.business_date, p.business_date) < t.next_on))"""
_LINES: Final = (
    _POSTINGS
    + """
    SELECT partner_id, did, rate, count(*)::int, sum(points)::bigint FROM priced GROUP BY 1, 2, 3"""
)
_ACTIVITY: Final = (
    _POSTINGS
    + """
    SELECT split_part(reference, ':', 3), business_date, did, points, rate FROM priced ORDER BY business_date, id"""
)


def statements(partner_ids: Collection[int], month: date) -> dict[int, Statement]:
    """The statement of each of these partners for the month that a day lies in. One query.

    It is the sum of the postings; what arrives late counts on its own day, so a statement is sent when the partner's
    last file of the month is in.
    """
    first = month_of(month)
    last = last_day_of(first)
    lines: dict[int, list[StatementLine]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_LINES, {"partners": list(partner_ids), "first": first, "last": last})
        for partner_id, did, rate, postings, points in cursor.fetchall():
            lines[partner_id].append(StatementLine(Did(did), rate, postings, points))
    order = list(Did)
    return {
        partner_id: Statement(
            first, last, sorted(lines[partner_id], key=lambda line: (order.index(line.did), line.rate))
        )
        for partner_id in partner_ids
    }


def activity_of(partner: Partner, month: date) -> Iterator[Activity]:
    """Every posting of a partner's month in its order, streamed."""
    first = month_of(month)
    with connection.chunked_cursor() as cursor:
        cursor.execute(_ACTIVITY, {"partners": [partner.pk], "first": first, "last": last_day_of(first)})
        for reference, day, did, points, rate in cursor:
            yield Activity(reference, day, Did(did), points, rate)

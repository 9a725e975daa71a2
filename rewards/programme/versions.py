"""Versions of the programme: what one lays down, and which holds on a day."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

from django.db import connection
from django.db.models.expressions import RawSQL

from rewards.models import ProgrammeVersion
from rewards.programme.basket import Amount, Basket
from rewards.programme.earning_rules import EarningRule
from rewards.programme.evaluation import EarningLine, Evaluator
from rewards.programme.life import good_through
from rewards.programme.needs import Needs, needs_of
from rewards.programme.schema import DaysAfterActivity, Rules

Source = Literal["earned", "goodwill", "bonus"]


class Programme:
    """One version of the programme, in force from `starts_on` (None: since ever) until the next one starts."""

    def __init__(self, *, version_id: int, number: int, starts_on: date | None, rules: Mapping[str, Any]) -> None:
        self.version_id = version_id
        self.number = number
        self.starts_on = starts_on
        self.rules = Rules.model_validate(rules)
        self._evaluator = Evaluator(self.rules.earning)
        self._earning_of_amount = lru_cache(maxsize=4096)(self._lines_of)

    def earning_of(self, basket: Basket) -> Sequence[EarningLine]:
        """What a sale earns, as addends by rule; their sum is the award. The same amounts come again and again."""
        if self.needs.anything or basket.extra:
            return self._evaluator.lines(basket)
        return self._earning_of_amount(basket.net_cents, basket.day)

    def _lines_of(self, net_cents: Amount, day: date) -> Sequence[EarningLine]:
        return tuple(self._evaluator.lines(Basket(net_cents=net_cents, day=day)))

    def applying(self, basket: Basket) -> list[EarningRule]:
        """The rules whose conditions hold for a sale, in stacking order."""
        return [rule for rule in self.rules.earning.rules if self._evaluator.applies(rule.key, basket)]

    def points_for(self, basket: Basket) -> int:
        """The whole number of points that a sale earns."""
        return sum(line.points for line in self.earning_of(basket))

    def given_by(self, basket: Basket) -> dict[str, int]:
        """The points of a sale by key of the rule that gave them."""
        return {line.rule.key: line.points for line in self.earning_of(basket) if line.rule and line.points}

    @cached_property
    def needs(self) -> Needs:
        """What must be known of a sale beyond its net and day."""
        return needs_of(self.rules)

    def good_through(self, earned_on: date, source: Source = "earned") -> date | None:
        """The last shop-local day on which points got that day are good; None: they never end."""
        return good_through(getattr(self.rules.expiry, source), earned_on)

    def idle_days(self, source: Source = "earned") -> int | None:
        """The days after the last activity for which points are good; None where activity does not prolong them."""
        policy = getattr(self.rules.expiry, source)
        return policy.days if isinstance(policy, DaysAfterActivity) else None

    @cached_property
    def bonus_ends_apart(self) -> bool:
        """Whether points of bonus rules end by another policy than the rest of a visit's points."""
        return self.rules.expiry.bonus != self.rules.expiry.earned

    def available_on(self, earned_on: date) -> date:
        """The first day on which points earned that day can be used."""
        return earned_on + timedelta(days=self.rules.earning.pending_days)

    def value_cents_of(self, points: int) -> int:
        """What points are worth as money off, in cents, rounded down."""
        redemption = self.rules.redemption
        return int(Fraction(points * redemption.value_cents, redemption.points))

    def money_off_cents(self, points: int) -> int:
        """What a till takes off for so many points at once, in cents: their whole multiples; 0 below the minimum."""
        redemption = self.rules.redemption
        usable = points - points % redemption.points
        return self.value_cents_of(usable) if usable >= max(redemption.minimum_points, redemption.points) else 0

    @cached_property
    def tier_keys(self) -> list[str]:
        """The ranks, lowest first."""
        return [level.key for level in self.rules.tiers.levels]

    def tier_for(self, qualifying: int) -> str:
        """The rank that this much of what tiers qualify on reaches: cents, points or visits."""
        held = self.rules.tiers.levels[0].key
        for level in self.rules.tiers.levels:
            if qualifying >= level.threshold:
                held = level.key
        return held

    def threshold_of(self, key: str) -> int:
        """From what on a rank is held: cents, points or visits."""
        return next(level.threshold for level in self.rules.tiers.levels if level.key == key)

    def next_tier(self, qualifying: int) -> tuple[str, int] | None:
        """The next rank up and what is still missing for it (cents, points or visits); None at the top."""
        for level in self.rules.tiers.levels:
            if qualifying < level.threshold:
                return level.key, level.threshold - qualifying
        return None


class Programmes:
    """All versions in force one after the other."""

    def __init__(self, versions: Sequence[Programme]) -> None:
        if not versions or versions[0].starts_on is not None:
            raise ValueError("The first programme version holds from the beginning of time.")
        self._versions = list(versions)
        self._starts = [version.starts_on for version in versions[1:] if version.starts_on is not None]
        self._by_id = {version.version_id: version for version in versions}

    def at(self, day: date) -> Programme:
        """The version in force on a shop-local day."""
        return self._versions[bisect.bisect_right(self._starts, day)]

    def by_id(self, version_id: int) -> Programme:
        """The version that a posting names."""
        return self._by_id[version_id]

    @property
    def all(self) -> list[Programme]:
        """Every version, oldest first."""
        return list(self._versions)

    @cached_property
    def keep_facts(self) -> bool:
        """Whether a version asks for more than net and day, so that visits may have facts of their own."""
        return any(version.needs.anything for version in self._versions)

    @cached_property
    def promise_anything(self) -> bool:
        """Whether a version promises something to whoever reaches a tier."""
        levels = (level for version in self._versions for level in version.rules.tiers.levels)
        return any(privilege.within_days is not None for level in levels for privilege in level.privileges)

    @cached_property
    def tier_names(self) -> dict[str, Mapping[str, str]]:
        """The names of every tier that any version has, by its key: those of the newest version that has it."""
        return {level.key: level.names for version in self._versions for level in version.rules.tiers.levels}

    @property
    def starts(self) -> list[date]:
        """The days on which a later version takes over."""
        return list(self._starts)


# Versions are only ever added, so these three say which there are.
FINGERPRINT: Final = "(SELECT concat_ws(' ', count(*), max(id), max(signed_at)) FROM rewards_programmeversion)"
# Whether they are still those of a fingerprint, without writing them out.
SAME_VERSIONS: Final = """EXISTS (SELECT FROM rewards_programmeversion
        HAVING count(*) = %(versions_count)s::bigint AND max(id) = %(versions_newest)s::bigint
            AND max(signed_at) IS NOT DISTINCT FROM %(versions_signed)s::timestamptz)"""
_last_read: Programmes | None = None


def load_programmes() -> Programmes:
    """All programme versions, oldest first. One short query, and a second one where a version is new."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {FINGERPRINT}")
        return programmes_of(cursor.fetchone()[0])


def programmes_of(fingerprint: str) -> Programmes:
    """The versions that a statement saw which asked for `FINGERPRINT` on its way; those of now, where they changed."""
    global _last_read  # noqa: PLW0603 - what a page has read already serves the names on it
    settings = connection.settings_dict
    try:
        _last_read = _read_all((settings["HOST"], settings["PORT"], settings["NAME"]), fingerprint)
    except _OthersByNow as others:
        _last_read = others.programmes
    return _last_read


def versions_values(fingerprint: str) -> dict[str, str | None]:
    """The values of `SAME_VERSIONS`."""
    count, newest, *signed = fingerprint.split(" ", 2)
    return {"versions_count": count, "versions_newest": newest, "versions_signed": signed[0] if signed else None}


def programmes_last_read() -> Programmes:
    """The versions as this process last read them: for names on a page that shows customers, without a query a row."""
    return _last_read or load_programmes()


def read_programmes() -> Programmes:
    """All versions from their rows, never from memory: for the check, which must see a row that was changed."""
    return _read()[1]


class _OthersByNow(Exception):
    """The versions are not those of the fingerprint any more, or not yet: nothing is to be remembered of them by it."""

    def __init__(self, programmes: Programmes) -> None:
        super().__init__()
        self.programmes = programmes


@lru_cache(maxsize=16)
def _read_all(database: tuple[str, str, str], fingerprint: str) -> Programmes:
    read, programmes = _read()
    if read != fingerprint:
        raise _OthersByNow(programmes)
    return programmes


def _read() -> tuple[str, Programmes]:
    """The fingerprint and the versions, as one statement saw them."""
    versions = ProgrammeVersion.objects.order_by("number").annotate(read=RawSQL(FINGERPRINT, ()))  # noqa: S611
    rows = list(versions.values_list("id", "number", "starts_on", "rules", "read"))
    programmes = Programmes([Programme(version_id=i, number=n, starts_on=s, rules=r) for i, n, s, r, _read in rows])
    return rows[0][4] if rows else "0", programmes

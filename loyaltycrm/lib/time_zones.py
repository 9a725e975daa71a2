"""Telling a shop's time zone from the distances from UTC that its till wrote."""

import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

ENOUGH: Final = 0.9
WELL_KNOWN: Final = (
    "Europe/Riga",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Moscow",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Toronto",
    "America/Sao_Paulo",
    "Europe/Istanbul",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "UTC",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A number of receipts between two readings of a shop's clock, all at one distance from UTC in minutes."""

    first: datetime
    last: datetime
    offset_minutes: int
    count: int


@cache
def known_zones() -> frozenset[str]:
    """The IANA names this machine knows, read from its files once."""
    return frozenset(zoneinfo.available_timezones())


def zone_of(seen: Sequence[Seen], *, prefer: Iterable[str]) -> str | None:
    """The IANA zone that the readings fit: the preferred ones first, then well-known ones, then their region's.

    None without readings, or where no zone fits at least nine in ten of the receipts.
    """
    total = sum(one.count for one in seen)
    if not total:
        return None
    candidates = list(dict.fromkeys([*prefer, *WELL_KNOWN]))
    if found := _best(candidates, seen, total):
        return found
    region = candidates[0].split("/")[0]
    every = sorted(known_zones(), key=lambda name: (not name.startswith(region), name))
    return _best([name for name in every if "/" in name and not name.startswith("Etc/")], seen, total)


def _best(names: Iterable[str], seen: Sequence[Seen], total: int) -> str | None:
    """The name that fits most receipts, the earliest of equals; None if that is too few."""
    best, most = None, 0
    for name in names:
        fitting = _fitting(name, seen)
        if fitting > most:
            best, most = name, fitting
        if fitting == total:
            break
    return best if most >= ENOUGH * total else None


def _fitting(name: str, seen: Sequence[Seen]) -> int:
    zone = zoneinfo.ZoneInfo(name)
    return sum(one.count for one in seen if all(_fits(zone, one.offset_minutes, at) for at in (one.first, one.last)))


def _fits(zone: zoneinfo.ZoneInfo, offset_minutes: int, clock: datetime) -> bool:
    offset = timedelta(minutes=offset_minutes)
    return (clock - offset).replace(tzinfo=UTC).astimezone(zone).utcoffset() == offset

"""What can happen to an account. A visit is named by any hashable key: its row's id once it has one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date, datetime

from rewards.programme import Basket


@dataclass(frozen=True, slots=True)
class Event:
    """Something at an instant; `business_date` is the shop-local day it counts for."""

    occurred_at: datetime
    business_date: date
    reference: str


@dataclass(frozen=True, slots=True)
class Sold(Event):
    """A visit with what was bought and the customer's facts at it. `reference` is `visit:<id>`."""

    visit: Hashable
    receipt_key: str
    basket: Basket


@dataclass(frozen=True, slots=True)
class GaveMoneyBack(Event):
    """A refund on an earlier visit, positive cents. `reference` is `refund:<id>`.

    `lines` are the numbers of the lines that came back, each with its cents; without any, all goods in proportion.
    """

    visit: Hashable
    receipt_key: str
    net_cents: int
    lines: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class UsedPoints(Event):
    """Points used at a till, perhaps on a visit. `at_rate`: as money off, in the programme's steps."""

    points: int
    visit: Hashable = None
    receipt_key: str = ""
    at_rate: bool = False


@dataclass(frozen=True, slots=True)
class UndidVisit(Event):
    """A visit undone whole: points it earned go, points used on it come back. `reference` is `undo:visit:<id>`."""

    visit: Hashable


@dataclass(frozen=True, slots=True)
class UndidRefund(Event):
    """A refund typed by mistake and undone: it was never made. `reference` is `undo:refund:<id>`.

    `origin` is the reference of the refund; its cents and lines are as they were given with it.
    """

    visit: Hashable
    origin: str
    net_cents: int
    lines: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class UndidRedemption(Event):
    """Points used by mistake come back; `origin` is the reference of the posting that used them."""

    origin: str


@dataclass(frozen=True, slots=True)
class GaveGoodwill(Event):
    """Points given beyond what was owed."""

    points: int


@dataclass(frozen=True, slots=True)
class TookGoodwillBack(Event):
    """Goodwill reversed; `origin` is the reference of the posting that gave it."""

    origin: str
    points: int


_RANK: dict[type[Event], int] = {UsedPoints: 0, Sold: 1, GaveMoneyBack: 2}


def in_order(event: Event) -> tuple[datetime, int, str, str]:
    """The order of events: by instant; at one instant redemption, sale by receipt id, refund, the rest."""
    return (event.occurred_at, _RANK.get(type(event), 3), getattr(event, "receipt_key", ""), event.reference)

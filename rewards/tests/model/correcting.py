"""Points moved by a manager's hand and points from earlier books, in the model: from the words of the specification
(point 11 of its section on points, and its section on data that come in), and of the settings that managers see.

- One person may adjust so many points in a day, given and taken together over all customers.
- What one person gives or takes on one customer in a day needs a second person once it is more than the threshold.
- An adjustment that waits moves nothing; approved, it is of the day of the approval, and taking is refused where the
  points are not there. It is reversed where it was posted.
- Points given by hand live as goodwill does; those of earlier books as those earned on their day, or to their own end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from rewards.tests.model.books import NotAllowed, Use
from rewards.tests.model.ledger import Ledger

CAP, THRESHOLD = 5_000, 1_000
OwnEnd = date | Literal["never"] | None


@dataclass
class Adjustment:
    """Points that a manager asked to give, or to take (negative); `owner` is who was to have them or lose them."""

    by: str
    owner: str
    points: int
    day: date
    state: Literal["waiting", "posted", "declined", "reversed"] = "waiting"
    posted_to: str = ""
    use: Use | None = None


class Office:
    """What managers of one shop did by hand."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.adjustments: dict[str, Adjustment] = {}

    def ask(self, name: str, owner: str, points: int, *, by: str, at: datetime, day: date) -> Adjustment:
        """Post an adjustment, or let it wait for a second person."""
        account = self.ledger.account(owner)
        mine = [one for one in self.adjustments.values() if (one.by, one.day) == (by, day) and one.state != "declined"]
        here = [one for one in mine if self.ledger.account(one.owner) is account]
        if sum(abs(one.points) for one in mine) + abs(points) > CAP or -points > max(account.available(day), 0):
            raise NotAllowed
        asked = Adjustment(by, account.name, points, day)
        if sum(abs(one.points) for one in here) + abs(points) <= THRESHOLD:
            self._post(name, asked, at=at, day=day)
        self.adjustments[name] = asked
        return asked

    def approve(self, name: str, *, by: str, at: datetime, day: date) -> None:
        """Let the points move; nobody approves what they asked for themselves. Approved again, nothing happens."""
        asked = self.adjustments[name]
        if asked.state in ("posted", "reversed"):
            return
        if asked.state == "declined" or asked.by == by:
            raise NotAllowed
        self._post(name, asked, at=at, day=day)

    def decline(self, name: str) -> None:
        asked = self.adjustments[name]
        if asked.state in ("posted", "reversed"):
            raise NotAllowed
        asked.state = "declined"

    def reverse(self, name: str, *, day: date) -> None:
        """Take a posted adjustment back: what it gave from its own lot, then from others; what it took returns."""
        asked = self.adjustments[name]
        if asked.state == "reversed":
            return
        if asked.state != "posted":
            raise NotAllowed
        asked.state = "reversed"
        if asked.use is None:
            self.ledger.take_gift(f"adjust {name}", asked.points, asked.posted_to, day)
        else:
            self.ledger.undo_use(asked.use, day=day)

    def _post(self, name: str, asked: Adjustment, *, at: datetime, day: date) -> None:
        account = self.ledger.account(asked.owner)
        if asked.points > 0:
            life = self.ledger.policy(day).goodwill
            self.ledger.credit(account, "adjust", asked.points, f"adjust {name}", life, at, day, day)
        else:
            asked.use = self.ledger.spend(account, "adjust", -asked.points, at, day)
        asked.state, asked.posted_to = "posted", account.name

    def open_with(self, name: str, owner: str, points: int, end: OwnEnd, *, at: datetime, day: date) -> None:
        """Points earned on a day under earlier books."""
        if isinstance(end, date) and end < day:
            raise NotAllowed
        account = self.ledger.account(owner)
        life = self.ledger.policy(day).earned
        lot = self.ledger.credit(account, "opening", points, f"opening {name}", life, at, day, day)
        if lot is not None and end is not None:
            lot.last_day, lot.idle_days = (end if isinstance(end, date) else None), None

"""Points used just before a receipt was rung up, in the model: what was spent on it returns with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from rewards.tests.model.books import NotAllowed, Use
from rewards.tests.model.ledger import Ledger


def sell_after(
    ledger: Ledger,
    uses: Sequence[Use],
    name: str,
    owner: str,
    cents: int,
    *,
    at: datetime,
    day: date,
    now: datetime,
    store: str,
) -> int:
    """A receipt on which these were used: in its store, by its customer, at most a day away, each on one receipt only,
    and as money off no more than it costs. All of that, or no sale. Gives the points."""
    taken = [id(use) for sale in ledger.sales.values() for use in sale.uses]
    for use in uses:
        is_ours = ledger.account(use.owner) is ledger.account(owner) and use.store == store
        if not is_ours or id(use) in taken or use.undone or abs(at - use.at) > timedelta(days=1):
            raise NotAllowed
    if sum(use.points for use in uses if use.is_money) > cents:
        raise NotAllowed
    earned = ledger.sell(name, owner, cents, at=at, day=day, now=now)
    ledger.sales[name].uses += uses
    return earned

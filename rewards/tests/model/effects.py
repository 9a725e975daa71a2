"""What one refund did in the model, and putting it back: a refund typed wrong was never made.

It is refused where money was given back on the receipt since, where its points were used, taken,
given back or moved since, they have ended, or what it let be owed was repaid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from rewards.tests.model.books import Account, Lot, NotAllowed, Sale

if TYPE_CHECKING:
    from rewards.tests.model.ledger import Ledger


class Effect:
    """All that a refund can change, as it was before; `see` notes what it changed."""

    def __init__(self, ledger: Ledger, sale: Sale) -> None:
        self.claimed, self.taken = sale.claimed, sale.taken
        self.uses = [(use, use.returned, [(draw, draw.points) for draw in use.draws]) for use in sale.uses]
        self._lots = {id(lot): lot.left for lot in ledger.lots}
        self._owed = {name: account.arrears for name, account in ledger.accounts.items()}
        self._moved = {name: Counter(account.moved) for name, account in ledger.accounts.items()}
        self.lots: list[tuple[Lot, int]] = []
        self.owed: list[tuple[Account, int]] = []
        self.points: list[tuple[Account, int]] = []

    def see(self, ledger: Ledger) -> None:
        self.lots = [(lot, change) for lot in ledger.lots if (change := lot.left - self._lots.pop(id(lot), 0))]
        for name, account in ledger.accounts.items():
            if points := (account.moved - self._moved.pop(name)).total():
                self.points.append((account, points))
                self.owed.append((account, account.arrears - self._owed[name]))

    def accounts(self) -> Iterator[Account]:
        return (account for account, _points in self.points)

    def check(self, name: str, day: date) -> None:
        """Raise `NotAllowed` where it cannot be put back as it was."""
        back = {id(lot): -change for lot, change in self.lots}
        for lot, change in self.lots:
            if change > (0 if lot.is_over(day) else lot.left) or (change < 0 and (lot.lapsed or lot.is_over(day))):
                raise NotAllowed
        for account, owed in self.owed:
            there = sum(lot.left + back.get(id(lot), 0) for lot in account.lots if not lot.is_over(day))
            since = account.marks[len(account.marks) - account.marks[::-1].index(name) :]
            if since or account.merged_into or account.arrears < owed or (account.arrears > owed and there):
                raise NotAllowed

    def put_back(self, sale: Sale, name: str) -> None:
        sale.claimed, sale.taken = self.claimed, self.taken
        for use, returned, draws in self.uses:
            use.returned = returned
            for draw, points in draws:
                draw.points = points
        for lot, change in self.lots:
            lot.left -= change
        for account, owed in self.owed:
            account.arrears -= owed
        for account, points in self.points:
            account.moved["undo"] += points
            account.marks = [mark for mark in account.marks if mark != name]


def take_off(ledger: Ledger, sale_name: str, name: str, day: date) -> None:
    """Undo the last refund of a receipt."""
    sale = ledger.sales[sale_name]
    if sale.voided or list(sale.refunds)[-1:] != [name]:
        raise NotAllowed
    if sale.owner is not None:
        effect = ledger.effects[name]
        effect.check(name, day)
        for account in (ledger.account(sale.owner), *effect.accounts()):
            ledger.begin(account, day)
        effect.put_back(sale, name)
        ledger.taken_back[sale_name].pop()
    del sale.refunds[name], sale.named[name]
    refunds, sale.refunds = sale.refunds, {}
    sale.kept_goods = [Fraction(money) for _name, money in sale.goods]
    for other, (on, cents) in refunds.items():
        sale.keep_less(cents, sale.named[other])
        sale.refunds[other] = (on, cents)

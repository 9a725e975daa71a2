"""One shop's story, told to the model and to the product at once, and compared after every operation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rewards.ledger.audit import audit
from rewards.tests.model.books import NotAllowed, Sale, Use
from rewards.tests.model.choices import a_policy
from rewards.tests.model.correcting import Office
from rewards.tests.model.ledger import Ledger
from rewards.tests.model.merging import Merges
from rewards.tests.model.policy import Policy
from rewards.tests.model.shop import REFUSALS, STORES, RealShop

UNDO = timedelta(minutes=15)
HOME = ZoneInfo(STORES["riga"])
BUSY = 6

Lots = Counter[tuple[date, date, date]]


class Differs(AssertionError):
    """Product and model disagree; the message replays."""


class Story:
    """Model and product of one shop side by side, wholly decided by `seed`; `move_to` sets the clock of both."""

    def __init__(self, seed: int, operations: int, *, folder: Path, move_to: Callable[[datetime], object]) -> None:
        self.seed = seed
        self.operations = operations
        self.chance = random.Random(seed)
        self.move_to = move_to
        self.now = datetime(
            self.chance.choice([2027, 2028, 2031]),
            self.chance.choice([1, 2, 3, 10]),
            self.chance.randint(1, 28),
            self.chance.randint(0, 23),
            tzinfo=UTC,
        )
        self.newest = self.now
        self.was_set_back = False
        self.log: list[tuple[str | None, str]] = []
        self.names = 0
        self.done = 0
        self.uses: dict[str, Use] = {}
        self.sent: list[tuple[str, str | None, str, int, datetime, tuple[tuple[str, int], ...]]] = []
        self.sent_refunds: list[tuple[str, str, str, int, datetime, dict[int, int] | None]] = []
        self.refunded_at: dict[str, datetime] = {}
        self.undone_refunds: set[str] = set()
        self.receipts: dict[str, str] = {}
        self.opened: list[tuple[str, str, int, date, str]] = []
        self.owners: list[str] = []
        self.touched: set[str] = set()
        self.model = Ledger(Policy())
        self.merges = Merges(self.model)
        self.office = Office(self.model)
        self.move_to(self.now)
        self.real = RealShop(folder)
        self._begin()

    def _begin(self) -> None:
        first = a_policy(self.chance)
        starts_on = self.today - timedelta(days=400)
        self.model.sign(first, starts_on)
        self.real.sign(first, starts_on)
        self.note(None, f"{self.now:%F %H:%M} first policy {first}")
        for _ in range(4):
            self.join()

    def step(self, operation: Callable[[Story], None]) -> None:
        """Do one operation, and compare those whom it touched."""
        self.done += 1
        self.touched = set()
        operation(self)
        self.compare(sorted(self.touched))

    # Who, when and where.

    def join(self) -> None:
        owner = self.name("c")
        self.owners.append(owner)
        self.model.join(owner)
        self.real.join(owner, self.today)

    def owner(self) -> str:
        """Few customers are busy, so that their stories become long; now and then there is a new one."""
        if self.chance.random() < 0.02 and len(self.owners) < 400:
            self.join()
        return self.chance.choice(self.owners[-BUSY:])

    def store(self) -> str:
        return self.chance.choice([*STORES, "riga"])

    def name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    @property
    def today(self) -> date:
        return self.now.astimezone(HOME).date()

    def day(self, store: str, at: datetime) -> date:
        return at.astimezone(ZoneInfo(STORES[store])).date()

    def is_own(self, sale: Sale, owner: str) -> bool:
        """Whether a sale stands and is this customer's now, since it came in or since a merge."""
        own = sale.owner is not None and self.model.account(sale.owner) is self.model.account(owner)
        return own and not sale.voided

    # Doing it in both.

    def touch(self, owner: str | None) -> None:
        if owner is not None:
            self.touched |= {owner, self.model.account(owner).name}

    def touch_users(self, sale: Sale) -> None:
        """Who used points on a sale: they come back to them, whoever the sale is of."""
        for use in sale.uses:
            self.touch(use.owner)

    def both(self, owner: str | None, in_model: Callable[[], object], in_real: Callable[[], object]) -> bool:
        """Do it in both; what the words refuse, the product must refuse, and nothing else. Whether it was done."""
        self.touch(owner)
        try:
            in_model()
        except NotAllowed:
            self.must_refuse(owner, in_real)
            return False
        try:
            in_real()
        except REFUSALS as refusal:
            self.differ(owner, f"refused though allowed: {refusal}")
        return True

    def must_refuse(self, owner: str | None, in_real: Callable[[], object]) -> None:
        with suppress(*REFUSALS):
            in_real()
            self.differ(owner, "accepted though to be refused")

    # Comparing.

    def lots_of(self, owner: str) -> Lots:
        """What the model says is left, by the days on which it was earned, opens and ends."""
        lots = Lots()
        for lot in self.model.accounts[owner].standing(self.today):
            lots[lot.earned_on, lot.opens_on, lot.last_day or date.max] += lot.left
        return lots

    def compare(self, owners: list[str]) -> None:
        """Lots, arrears and balance of these customers; the books of each must be equal."""
        if not owners:
            return
        today = self.today
        for owner, rows in self.real.standing(owners).items():
            if not rows.is_equal:
                self.differ(owner, f"the books are unequal: {rows}")
            in_model, in_real = self.lots_of(owner), Lots()
            for earned_on, opens_on, last_day, left in rows.lots:
                in_real[earned_on, opens_on, last_day] += left if last_day >= today else 0
            self.expect_same(owner, told(in_model - in_real), told(in_real - in_model), "lots that differ")
            self.expect_same(owner, self.model.accounts[owner].arrears, rows.arrears, "arrears")
        owner = self.chance.choice(owners)
        account = self.model.accounts[owner]
        balance = (account.available(today), account.pending(today), account.arrears)
        self.expect_same(owner, balance, self.real.balance(owner, today), "available, pending, arrears")

    def compare_books(self, owners: list[str]) -> None:
        """After a night the book balance is known too: what has ended is posted."""
        self.compare(owners)
        for owner, rows in self.real.standing(owners).items():
            account = self.model.accounts[owner]
            book = sum(lot.left for lot in account.lots) - account.arrears
            self.expect_same(owner, book, rows.book, "book balance after the sweep")

    def compare_ranks(self, days: Iterable[date]) -> None:
        for owner in self.owners:
            if self.model.accounts[owner].merged_into is None:
                for day in days:
                    self.expect_same(owner, self.model.rank(owner, day), self.real.rank(owner, day), f"rank on {day}")

    def compare_all(self) -> None:
        """Everything, by kind of posting too, and the books are audited."""
        self.compare_books(self.owners)
        for owner in self.owners:
            moved = {kind: points for kind, points in self.model.accounts[owner].moved.items() if points}
            self.expect_same(owner, moved, self.real.moved(owner) if moved else {}, "points moved by kind")
        self.compare_ranks([self.today, *(self.today - timedelta(days=self.chance.randint(1, 400)) for _ in range(2))])
        if findings := list(audit()):
            self.differ(None, f"the audit finds {findings[:5]}")

    def expect_same(self, owner: str | None, expected: object, got: object, what: str) -> None:
        if expected != got:
            self.differ(owner, f"{what}:\n    model   {expected}\n    product {got}")

    def note(self, owner: str | None, words: str) -> None:
        self.log.append((owner, f"{self.done:>6} {words}"))

    def differ(self, owner: str | None, what: str) -> None:
        about = {owner, None}
        for one in self.merges.all:
            if about & {one.survivor.name, one.merged.name}:
                about |= {one.survivor.name, one.merged.name}
        lines = [f"{words} ({whom or 'all'})" for whom, words in self.log if owner is None or whom in about][-80:]
        told = "\n".join(lines)
        raise Differs(f"{owner or 'all'}: {what}\n{told}")

    def replay_with(self) -> str:
        """The command that tells this story again."""
        variables = f"LEDGER_SEED={self.seed} OPERATIONS={self.operations}"
        return f"replay: {variables} python -m pytest -k test_replay_one_seed rewards/tests/test_ledger_model.py"


def told(lots: Lots) -> list[str]:
    return [f"earned {earned}, opens {opens}, ends {end}: {lots[earned, opens, end]}" for earned, opens, end in lots]

"""Random stories of a shop, told to the model and to the product at once, compared after every operation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import time_machine

from rewards.ledger.audit import audit
from rewards.tests.model.books import NotAllowed, Sale, Use
from rewards.tests.model.ledger import Ledger
from rewards.tests.model.merging import Merge, merge, undo_merge
from rewards.tests.model.policy import (
    ARREARS,
    ONLY_PENDING,
    WITHIN_BALANCE,
    Kind,
    Life,
    LifePolicy,
    Policy,
    Ranks,
    Rule,
)
from rewards.tests.model.shop import COSTS, REFUSALS, STORES, RealShop

UNDO = timedelta(minutes=15)
HOME = ZoneInfo(STORES["riga"])


class Differs(AssertionError):
    """Product and model disagree; the message replays."""


class Story:
    """One shop's story of `operations` operations, wholly decided by `seed`; without merges where `merging` is off."""

    def __init__(self, seed: int, operations: int, *, start: datetime | None = None, merging: bool = True) -> None:
        self.seed = seed
        self.operations = operations
        self.chance = random.Random(seed)
        self.now = start or datetime(
            self.chance.choice([2027, 2028, 2031]),
            self.chance.choice([1, 2, 3, 10]),
            self.chance.randint(1, 28),
            self.chance.randint(0, 23),
            tzinfo=UTC,
        )
        self.possible = [one for one in OPERATIONS if merging or one[0] not in (Story.merge, Story.undo_merge)]
        self.log: list[tuple[str | None, str]] = []
        self.names = 0
        self.done = 0
        self.merges: list[Merge] = []
        self.uses: dict[str, Use] = {}
        self.sent: list[tuple[str, str | None, str, int, datetime]] = []
        self.sent_refunds: list[tuple[str, str, str, int, datetime]] = []
        self.owners: list[str] = []
        self.touched: set[str] = set()

    def tell(self) -> None:
        """Tell the whole story; raises `Differs` at the first difference."""
        with time_machine.travel(self.now, tick=False) as self.clock:
            self.model = Ledger(Policy())
            self.real = RealShop()
            first = self.a_policy()
            starts_on = self.today - timedelta(days=400)
            self.model.sign(first, starts_on)
            self.real.sign(first, starts_on)
            self.note(None, f"{self.now:%F %H:%M} first policy {first}")
            for _ in range(4):
                self.join()
            while self.done < self.operations:
                self.done += 1
                self.step()
            self.finish()

    # Operations.

    def step(self) -> None:
        self.touched = set()
        operation = self.chance.choices(*zip(*self.possible, strict=True))[0]
        operation(self)
        self.compare(sorted(self.touched))

    def join(self) -> None:
        owner = self.name("c")
        self.owners.append(owner)
        self.model.join(owner)
        self.real.join(owner, self.today)

    def pass_time(self) -> None:
        """Minutes, hours, days, months; sometimes to the minute before or after midnight, or a night clocks change."""
        kind = self.chance.random()
        if kind < 0.45:
            self.now += timedelta(minutes=self.chance.randint(1, 600))
        elif kind < 0.75:
            self.now += timedelta(days=self.chance.choice([1, 1, 2, 3, 7]), minutes=self.chance.randint(0, 90))
        elif kind < 0.9:
            midnight = datetime.combine(self.today + timedelta(days=1), datetime.min.time(), HOME)
            self.now = max(self.now, midnight.astimezone(UTC) + timedelta(minutes=self.chance.choice([-1, 0, 1])))
        elif kind < 0.95:
            self.now = self.next_odd_night() + timedelta(minutes=self.chance.choice([-61, -1, 0, 1, 59, 60]))
        else:
            self.now += timedelta(days=self.chance.choice([20, 31, 90, 200]))
        self.clock.move_to(self.now, tick=False)
        self.note(None, f"it is {self.now:%F %H:%M} UTC")
        if self.chance.random() < 0.6:
            self.night()

    def next_odd_night(self) -> datetime:
        """The next night on which clocks change, or the midnight before or after a 29 February."""
        day = self.today + timedelta(days=1)
        while True:
            midnight, noon = (datetime.combine(day, datetime.min.time(), HOME).replace(hour=hour) for hour in (0, 12))
            if midnight.utcoffset() != noon.utcoffset():
                return datetime.combine(day, datetime.min.time(), UTC).replace(hour=1)
            if (day.month, day.day) in {(2, 29), (3, 1)} and day.year % 4 == 0:
                return midnight.astimezone(UTC)
            day += timedelta(days=1)

    def night(self) -> None:
        self.note(None, f"night before {self.today}")
        self.model.sweep(self.today)
        self.real.night(self.today)
        self.compare(self.owners[-12:])
        standing = self.real.standing(self.owners[-12:])
        for owner, rows in standing.items():
            account = self.model.accounts[owner]
            book = sum(lot.left for lot in account.lots) - account.arrears
            self.expect_same(owner, book, rows.book, "book balance after the sweep")

    def sell(self) -> None:
        owner = self.owner() if self.chance.random() < 0.95 else None
        cents = self.cents()
        store = self.chance.choice([*STORES, "riga"])
        at = self.now
        if self.chance.random() < 0.2:
            at -= timedelta(days=self.chance.choice([0, 1, 2, 5, 40, 300]), minutes=self.chance.randint(0, 300))
        name = self.name("v")
        sent = (name, owner, store, cents, at)
        self.note(owner, f"sale {name} of {cents} at {store}, {at:%F %H:%M}")
        expected = self.model.sell(name, owner, cents, at=at, day=self.day(store, at), now=self.now)
        self.expect_same(owner, expected, self.real.sell(*sent), "points earned")
        self.sent.append(sent)
        self.touch(owner)

    def sell_again(self) -> None:
        """A till that retries, days later too, with blanks and case of the receipt number changed."""
        if not self.sent:
            return
        name, owner, store, cents, at = self.chance.choice(self.sent)
        other = self.chance.random() < 0.3
        self.note(owner, f"sale {name} again, {'another amount' if other else 'the same'}")
        earned = self.model.sales[name].earned
        spelled = self.chance.choice([name, name.upper(), f" {name[:1]} {name[1:]} "])
        visit = self.real.visits[name]
        sent = (spelled, owner, store, cents + other, at)
        if other:
            self.must_refuse(owner, lambda: self.real.sell(*sent))
        else:
            try:
                self.expect_same(owner, earned, self.real.sell(*sent), "points of the sale sent again")
            except REFUSALS as refusal:
                self.differ(owner, f"refused though known: {refusal}")
            if self.real.visits.pop(spelled).pk != visit.pk:
                self.differ(owner, "the sale sent again is another visit")
            self.real.visits[name] = visit
        self.touch(owner)

    def refund(self) -> None:
        if not self.sent:
            return
        sale_name = self.chance.choice(self.sent[-60:])[0]
        sale = self.model.sales[sale_name]
        cents = sale.kept if self.chance.random() < 0.4 else self.chance.randint(0, sale.kept + 50)
        store = self.chance.choice([*STORES, "riga"])
        at = self.now
        if self.chance.random() < 0.15:
            at = max(sale.at, at - timedelta(days=self.chance.choice([0, 1, 3, 30]), minutes=5))
        name = self.name("b")
        sent = (sale_name, name, store, cents, at)
        self.note(sale.owner, f"refund {name} of {cents} on {sale_name} at {store}, {at:%F %H:%M}")
        self.touch_users(sale)
        self.both(
            sale.owner,
            lambda: self.model.refund(sale_name, name, cents, at=at, day=self.day(store, at)),
            lambda: self.real.refund(*sent),
        )
        if name in sale.refunds:
            self.sent_refunds.append(sent)

    def refund_again(self) -> None:
        if not self.sent_refunds:
            return
        sale_name, name, store, cents, at = self.chance.choice(self.sent_refunds)
        owner = self.model.sales[sale_name].owner
        other = self.chance.random() < 0.3
        self.note(owner, f"refund {name} again, {'another amount' if other else 'the same'}")
        sent = (sale_name, name, store, cents + other, at)
        if other:
            self.must_refuse(owner, lambda: self.real.refund(*sent))
        else:
            self.real.refund(*sent)
        self.touch(owner)

    def undo_sale(self) -> None:
        """The till's own undo, in the minutes after saving."""
        recent = [sent[0] for sent in self.sent[-12:] if self.now - self.model.sales[sent[0]].recorded_at <= UNDO]
        if not recent:
            return
        name = self.chance.choice(recent)
        owner = self.model.sales[name].owner
        store = next(sent[2] for sent in self.sent if sent[0] == name)
        self.note(owner, f"undo of sale {name}")
        self.touch_users(self.model.sales[name])
        day = self.day(store, self.now)
        self.both(owner, lambda: self.model.void(name, at=self.now, day=day), lambda: self.real.undo_sale(name))

    def use(self) -> None:
        owner = self.owner()
        cost = self.chance.choice(COSTS)
        store = self.chance.choice([*STORES, "riga"])
        own = [sent[0] for sent in self.sent[-30:] if self.is_own(self.model.sales[sent[0]], owner)]
        sale = self.chance.choice(own) if own and self.chance.random() < 0.7 else None
        name = self.name("u")
        self.note(owner, f"use {name} of {cost} at {store} on {sale}")

        def in_model() -> None:
            day = self.day(store, self.now)
            self.uses[name] = self.model.use(owner, cost, at=self.now, day=day, sale_name=sale)

        self.both(owner, in_model, lambda: self.real.use(name, owner, store, cost, sale))
        if name in self.uses and self.chance.random() < 0.2:
            self.note(owner, f"use {name} sent again")
            self.real.use(name, owner, store, cost, sale)

    def undo_use(self) -> None:
        recent = [name for name, use in list(self.uses.items())[-8:] if self.now - use.at <= UNDO]
        if not recent:
            return
        name = self.chance.choice(recent)
        use = self.uses[name]
        store = self.real.uses[name].store
        assert store is not None
        day = store.business_date(self.now)
        self.note(use.owner, f"undo of use {name}")
        self.both(use.owner, lambda: self.model.undo_use(use, day=day), lambda: self.real.undo_use(name))

    def give(self) -> None:
        owner, points, name = self.owner(), self.chance.choice([1, 50, 333]), self.name("g")
        self.note(owner, f"goodwill {name} of {points}")
        self.model.give(name, owner, points, at=self.now, day=self.today)
        self.real.give(name, owner, points)
        if self.chance.random() < 0.2:
            self.real.give(name, owner, points)
        self.touch(owner)

    def take_goodwill(self) -> None:
        open_ones = [name for name, (_owner, _points, taken) in self.model.goodwill.items() if not taken]
        if not open_ones:
            return
        name = self.chance.choice(open_ones)
        owner = self.model.goodwill[name][0]
        self.note(owner, f"goodwill {name} taken back")
        self.model.take_goodwill(name, at=self.now, day=self.today)
        self.real.take_goodwill(name)
        self.touch(owner)

    def merge(self) -> None:
        """Two who were busy lately; one in ten times one who is merged already."""
        survivor, merged = self.chance.sample(self.owners[-6:] if self.chance.random() < 0.9 else self.owners, 2)
        self.note(survivor, f"merge of {merged} into {survivor}")
        self.touch(merged)
        self.both(
            survivor,
            lambda: merge(self.model, self.merges, survivor, merged, day=self.today),
            lambda: self.real.merge(survivor, merged),
        )

    def undo_merge(self) -> None:
        """Mostly the newest; an earlier one may have to wait."""
        standing = [place for place, one in enumerate(self.merges) if not one.undone]
        if not standing:
            return
        place = self.chance.choice([standing[-1], self.chance.choice(standing)])
        one = self.merges[place]
        self.note(one.survivor.name, f"undo of the merge of {one.merged.name} into {one.survivor.name}")
        self.touch(one.merged.name)
        self.both(
            one.survivor.name,
            lambda: undo_merge(self.model, self.merges, one, day=self.today),
            lambda: self.real.undo_merge(place),
        )

    def sign(self) -> None:
        starts_on = max(self.today, self.model.versions[-1][0]) + timedelta(days=self.chance.choice([2, 3, 30]))
        policy = self.a_policy()
        self.note(None, f"from {starts_on}: {policy}")
        self.model.sign(policy, starts_on)
        self.real.sign(policy, starts_on)

    # Choices.

    def a_policy(self) -> Policy:
        pick = self.chance.choice
        earned = self.a_life()
        return Policy(
            rules=tuple(self.some_rules()),
            rounding=pick(["down", "down", "nearest", "up"]),
            pending_days=pick([0, 0, 1, 14]),
            earned=earned,
            goodwill=pick([earned, self.a_life()]),
            bonus=pick([earned, self.a_life()]),
            shortfall=pick([ARREARS, ARREARS, WITHIN_BALANCE, ONLY_PENDING]),
            grace_days=pick([1, 14]),
            ranks=Ranks(
                levels=(("member", 0), ("silver", pick([3, 50_00, 1_000_00])), ("gold", pick([1_200_00, 2_500_00]))),
                by=pick(["net_spend", "net_spend", "earned_points", "visits"]),
                window_days=pick([1, 30, 365, None]),
                review=pick(["daily", "daily", "monthly", "yearly"]),
                grace_days=pick([0, 0, 5, 40]),
            ),
        )

    def a_life(self) -> Life:
        pick = self.chance.choice
        month, day = pick([(2, 29), (12, 31), (6, 30), (3, 26)])
        policy: LifePolicy = pick(
            [
                "days_after_earning",
                "days_after_earning",
                "days_after_activity",
                "fixed_date",
                "end_of_month_plus",
                "never",
            ]
        )
        return Life(policy, days=pick([1, 2, 14, 60, 365]), month=month, day=day, months=pick([0, 1, 13]))

    def some_rules(self) -> Iterator[Rule]:
        """Points for amounts first, then multipliers and bonuses in any order."""
        pick = self.chance.choice
        yield Rule("amount", pick([1, 1, 3, 0]), pick([100, 100, 7, 250]), proportional=pick([False, True]))
        kinds: list[Kind] = self.chance.choices(["times", "times", "bonus", "amount"], k=pick([0, 1, 2, 3]))
        for kind in sorted(kinds, key=lambda kind: kind != "amount"):
            yield Rule(
                kind,
                points=pick([1, 25]),
                factor=pick([Fraction(2), Fraction(3, 2), Fraction(11, 10)]),
                weekdays=frozenset(self.chance.sample(range(7), pick([1, 2, 5]))),
                from_cents=pick([0, 0, 50_00]),
            )

    def cents(self) -> int:
        return self.chance.choice([0, 99, 100, 101, 10_000, 70_050, *[self.chance.randint(0, 20_000)] * 4])

    def owner(self) -> str:
        """Few customers are busy, so that their stories become long; now and then there is a new one."""
        if self.chance.random() < 0.02 and len(self.owners) < 400:
            self.join()
        return self.chance.choice(self.owners[-6:])

    def name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    @property
    def today(self) -> date:
        return self.now.astimezone(HOME).date()

    def day(self, store: str, at: datetime) -> date:
        return at.astimezone(ZoneInfo(STORES[store])).date()

    # Comparing.

    def is_own(self, sale: Sale, owner: str) -> bool:
        """Whether a sale stands and is this customer's now, since it came in or since a merge."""
        own = sale.owner is not None and self.model.account(sale.owner) is self.model.account(owner)
        return own and not sale.voided

    def touch_users(self, sale: Sale) -> None:
        """Who used points on a sale: they come back to them, whoever the sale is of."""
        for use in sale.uses:
            self.touch(use.owner)

    def touch(self, owner: str | None) -> None:
        if owner is not None:
            self.touched |= {owner, self.model.account(owner).name}

    def both(self, owner: str | None, in_model: Callable[[], object], in_real: Callable[[], object]) -> None:
        """Do it in both; what the words refuse, the product must refuse, and nothing else."""
        self.touch(owner)
        try:
            in_model()
        except NotAllowed:
            self.must_refuse(owner, in_real)
            return
        try:
            in_real()
        except REFUSALS as refusal:
            self.differ(owner, f"refused though allowed: {refusal}")

    def must_refuse(self, owner: str | None, in_real: Callable[[], object]) -> None:
        try:
            in_real()
        except REFUSALS:
            return
        self.differ(owner, "accepted though to be refused")

    def compare(self, owners: list[str]) -> None:
        """Lots, arrears and balance of these customers; the books of each must be equal."""
        if not owners:
            return
        today = self.today
        for owner, rows in self.real.standing(owners).items():
            account = self.model.accounts[owner]
            if not rows.is_equal:
                self.differ(owner, f"the books are unequal: {rows}")
            in_model, in_real = Counter[tuple[date, date, date]](), Counter[tuple[date, date, date]]()
            for lot in account.standing(today):
                in_model[lot.earned_on, lot.opens_on, lot.last_day or date.max] += lot.left
            for earned_on, opens_on, last_day, left in rows.lots:
                in_real[earned_on, opens_on, last_day] += left if last_day >= today else 0
            self.expect_same(owner, told(in_model - in_real), told(in_real - in_model), "lots that differ")
            self.expect_same(owner, account.arrears, rows.arrears, "arrears")
        owner = self.chance.choice(owners)
        account = self.model.accounts[owner]
        balance = (account.available(today), account.pending(today), account.arrears)
        self.expect_same(owner, balance, self.real.balance(owner, today), "available, pending, arrears")

    def compare_ranks(self) -> None:
        for owner in self.owners:
            if self.model.accounts[owner].merged_into is not None:
                continue
            for day in (self.today, self.today - timedelta(days=self.chance.randint(1, 400))):
                self.expect_same(owner, self.model.rank(owner, day), self.real.rank(owner, day), f"rank on {day}")

    def finish(self) -> None:
        """At the end everything is compared, by kind of posting too, and the books are audited."""
        self.night()
        self.compare(self.owners)
        for owner in self.owners:
            if moved := {kind: points for kind, points in self.model.accounts[owner].moved.items() if points}:
                self.expect_same(owner, moved, self.real.moved(owner), "points moved by kind")
        self.compare_ranks()
        if findings := list(audit()):
            self.differ(None, f"the audit finds {findings[:5]}")

    def expect_same(self, owner: str | None, expected: object, got: object, what: str) -> None:
        if expected != got:
            self.differ(owner, f"{what}:\n    model   {expected}\n    product {got}")

    def note(self, owner: str | None, words: str) -> None:
        self.log.append((owner, f"{self.done:>6} {words}"))

    def differ(self, owner: str | None, what: str) -> None:
        about = {owner, None}
        for one in self.merges:
            if about & {one.survivor.name, one.merged.name}:
                about |= {one.survivor.name, one.merged.name}
        lines = [f"{words} ({whom or 'all'})" for whom, words in self.log if owner is None or whom in about][-80:]
        told = "\n".join(lines)
        raise Differs(
            f"{owner or 'all'}: {what}\n  replay: LEDGER_SEED={self.seed} OPERATIONS={self.operations} "
            f"python -m pytest -k test_replay_one_seed rewards/tests/test_ledger_model.py\n{told}"
        )


def told(lots: Counter[tuple[date, date, date]]) -> list[str]:
    return [f"earned {earned}, opens {opens}, ends {end}: {lots[earned, opens, end]}" for earned, opens, end in lots]


OPERATIONS: list[tuple[Callable[[Story], None], int]] = [
    (Story.sell, 30),
    (Story.sell_again, 5),
    (Story.refund, 14),
    (Story.refund_again, 3),
    (Story.undo_sale, 4),
    (Story.use, 18),
    (Story.undo_use, 4),
    (Story.give, 4),
    (Story.take_goodwill, 3),
    (Story.merge, 2),
    (Story.undo_merge, 2),
    (Story.pass_time, 12),
    (Story.sign, 1),
]

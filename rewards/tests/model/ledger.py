"""A plain model of one shop's ledger, written only from the words of the specification (its section on points).

It knows no database and no product code: dictionaries, lists and dates. It says what must be refused (`NotAllowed`)
and what stands afterwards. Where the words leave room it follows the decision on the ledger's shape (ADR 3), and:

- What ends before the day of an event ends before the event; the day is that of the shop where it happens.
- Points used on one receipt return together: their sum in proportion to the money, the last used first.
- What is taken back beyond the visit's own lot comes from points that can be used, then from pending ones.
- What lapsed counts first against what earlier refunds asked for and did not get.
- Only a refund's shortfall has a policy; where a sale is voided or a gift is taken back, the rest is owed.
- Earning and using points is activity; it moves the end of lots that have points, never of spent ones.
- Points moved or given back keep the place of the lot of their earning: "then id" is that lot's.
- Of lots that come in together, those that are used first repay what is owed.
- An undone refund was never made: what it did is put back where that was left alone, or else it is refused.
- Of a receipt that was given back whole nothing is kept, and what was not kept earns nothing.
- A refund that names goods keeps the others; one that names none keeps of all in proportion, and ends the naming.
- A receipt that is claimed is what it would have been with its customer, and then each of its refunds, as they came.
- A late event takes effect on its own day: what it returns to a lot that was good then has that lot's end, be it past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from rewards.tests.model.books import Account, Draw, Lot, NotAllowed, Sale, Use
from rewards.tests.model.effects import Effect
from rewards.tests.model.policy import ARREARS, ONLY_PENDING, Life, Policy, Ranks

CLAIM_DAYS = 30


class Ledger:
    """All accounts of one shop under its versions, each from its first day on."""

    def __init__(self, first: Policy) -> None:
        self.versions: list[tuple[date, Policy]] = [(date.min, first)]
        self.accounts: dict[str, Account] = {}
        self.sales: dict[str, Sale] = {}
        self.goodwill: dict[str, tuple[str, int, bool]] = {}
        self.taken_back: dict[str, list[tuple[date, int]]] = {}
        self.lots: list[Lot] = []
        self.effects: dict[str, Effect] = {}
        self.cause = ""

    def account(self, name: str) -> Account:
        """The account that stands for a customer now, however many merges lie between."""
        account = self.accounts[name]
        return account if account.merged_into is None else self.account(account.merged_into)

    def join(self, name: str) -> None:
        self.accounts[name] = Account(name)

    def policy(self, day: date) -> Policy:
        """The version in force on a day."""
        return [policy for starts_on, policy in self.versions if starts_on <= day][-1]

    def sign(self, policy: Policy, starts_on: date) -> None:
        """A change is a new version with a start date."""
        assert starts_on > self.versions[-1][0]
        self.versions.append((starts_on, policy))

    # What happens.

    def sell(
        self,
        name: str,
        owner: str | None,
        cents: int,
        *,
        at: datetime,
        day: date,
        now: datetime,
        goods: tuple[tuple[str, int], ...] = (),
    ) -> int:
        """A receipt: what it earns is computed once, under the version of its day. Gives the points."""
        policy = self.policy(day)
        owner = None if owner is None else self.account(owner).name
        self.sales[name] = sale = Sale(owner, at, day, cents, policy, now, goods=goods)
        sale.kept_goods = [Fraction(money) for _name, money in goods]
        return self._earn(name, sale)

    def claim(self, name: str, owner: str, *, day: date) -> int:
        """A receipt without a customer finds one within its days: it earns, and each refund of it takes back."""
        sale = self.sales[name]
        if sale.voided or sale.owner is not None or day - sale.day > timedelta(days=CLAIM_DAYS):
            raise NotAllowed
        sale.owner = self.account(owner).name
        refunds, sale.refunds = sale.refunds, {}
        sale.kept_goods = [Fraction(money) for _name, money in sale.goods]
        earned = self._earn(name, sale)
        for refund, (on, cents) in refunds.items():
            self._give_money_back(name, sale, refund, cents, sale.named[refund], on)
        return earned

    def _earn(self, name: str, sale: Sale) -> int:
        owner, policy, at, day = sale.owner, sale.policy, sale.at, sale.day
        if owner is None:
            return 0
        sale.earned, bonus = policy.earns(sale.cents, day, sale.goods)
        opens_on = day + timedelta(days=policy.pending_days)
        if policy.bonus == policy.earned:
            bonus = 0
        account = self.accounts[owner]
        parts = [(sale.earned - bonus, policy.earned), (bonus, policy.bonus)]
        self.credit_all(account, "earn", parts, f"sale {name}", at, day, opens_on)
        if sale.earned:
            self._prolong(account, day)
        return sale.earned

    def refund(
        self,
        sale_name: str,
        name: str,
        cents: int,
        *,
        at: datetime,
        day: date,
        lines: Mapping[int, int] | None = None,
    ) -> None:
        """Money given back: points used on the receipt return in proportion, then earned points are taken back.

        `lines` are the goods that come back, by number, with the money for each.
        """
        sale = self.sales[sale_name]
        if sale.voided or not 0 < cents <= sale.kept or at < sale.at:
            raise NotAllowed
        if lines and not (all(sale.named.values()) and self._are_there(sale, lines) and sum(lines.values()) == cents):
            raise NotAllowed
        self._give_money_back(sale_name, sale, name, cents, lines or {}, day)

    def _are_there(self, sale: Sale, lines: Mapping[int, int]) -> bool:
        left = {place: money or 0 for place, money in enumerate(sale.kept_goods, start=1)}
        return all(0 < money <= left.get(number, 0) for number, money in lines.items())

    def _give_money_back(
        self, sale_name: str, sale: Sale, name: str, cents: int, lines: Mapping[int, int], day: date
    ) -> None:
        sale.keep_less(cents, lines)
        sale.refunds[name], sale.named[name] = (day, cents), lines
        if sale.owner is None:
            return
        account = self.account(sale.owner)
        for name_of_user in (sale.owner, *(use.owner for use in sale.uses)):
            self.begin(self.account(name_of_user), day)
        self.effects[name] = effect = Effect(self, sale)
        self.cause = name
        left = sum(use.points - use.returned for use in sale.uses)
        spent = sum(use.points for use in sale.uses if not use.withdrawn)
        share = left if sale.kept == 0 else min(left, spent * cents // sale.cents)
        for use in reversed(sale.uses):
            part = min(share, use.points - use.returned)
            share -= part
            self._give_back(use, part, day)
        due = sale.earned - sale.rest_earns() - sale.claimed
        sale.claimed += due
        due = min(due, sale.claimed - sale.taken - self._lapsed(f"sale {sale_name}"))
        taken = self._take_back(account, due, f"sale {sale_name}", day, sale.policy.shortfall)
        sale.taken += taken
        self.taken_back.setdefault(sale_name, []).append((day, taken))
        effect.see(self)
        self.cause = ""

    def void(self, sale_name: str, *, at: datetime, day: date) -> None:
        """Reverse everything that the visit caused and that was not reversed yet."""
        sale = self.sales[sale_name]
        if sale.voided:
            raise NotAllowed
        sale.voided = True
        if sale.owner is None:
            return
        account = self.account(sale.owner)
        self.begin(account, day)
        for use in reversed(sale.uses):
            self._give_back(use, use.points - use.returned, day)
            use.undone = True
        due, sale.claimed = sale.earned - sale.claimed, sale.earned
        due = min(due, sale.claimed - sale.taken - self._lapsed(f"sale {sale_name}"))
        sale.taken += self._take_back(account, due, f"sale {sale_name}", day, ARREARS)

    def use(self, owner: str, points: int, *, at: datetime, day: date, sale_name: str | None) -> Use:
        """Spend available points, soonest expiry first."""
        account = self.account(owner)
        use = self.spend(account, "redeem", points, at, day)
        self._prolong(account, day)
        if sale_name is not None:
            self.sales[sale_name].uses.append(use)
        return use

    def undo_use(self, use: Use, *, day: date) -> None:
        """Take a use back: its points return to their lots."""
        if use.undone:
            raise NotAllowed
        use.undone = True
        use.withdrawn = use.points > use.returned
        self.begin(self.account(use.owner), day)
        self._give_back(use, use.points - use.returned, day)

    def give(self, name: str, owner: str, points: int, *, at: datetime, day: date) -> None:
        """Goodwill: points beyond what was owed, usable at once."""
        account = self.account(owner)
        self.goodwill[name] = (account.name, points, False)
        life = self.policy(day).goodwill
        self.credit(account, "goodwill", points, f"goodwill {name}", life, at, day, day)

    def take_goodwill(self, name: str, *, at: datetime, day: date) -> None:
        """Goodwill taken back: from its own lot, then in spending order, the rest owed."""
        owner, points, taken = self.goodwill[name]
        assert not taken
        self.goodwill[name] = (owner, points, True)
        self.take_gift(f"goodwill {name}", points, owner, day)

    def sweep(self, today: date) -> None:
        """The end of every lot that was last good before today."""
        for account in self.accounts.values():
            self.begin(account, today)

    # What is asked.

    def rank(self, owner: str, day: date) -> str:
        """The rank at a day's end: up on the day that reaches it, down at the end of a review period and its grace."""
        deeds = self._deeds(owner)
        if not deeds or min(deeds) > day:
            return self.policy(day).ranks.levels[0][0]
        held, fall_on, today = self.policy(min(deeds)).ranks.levels[0][0], None, min(deeds)
        found, reviewed_on = held, today
        while today <= day:
            ranks = self.policy(today).ranks
            keys = [key for key, _threshold in ranks.levels]
            reached = ranks.reached(_held_by_window(deeds, ranks, today))
            if held in keys and reached < keys.index(held):
                if fall_on is None and ranks.ends_review(today):
                    fall_on = today + timedelta(days=ranks.grace_days)
                    found, reviewed_on = keys[reached], today
                if fall_on is not None and today >= fall_on:
                    lower, held, fall_on = keys[: keys.index(held)], keys[reached], None
                    if found in lower and ranks.first_day(today) > reviewed_on:
                        # What the review looked at is over: nobody falls below what it found.
                        held = max(held, found, key=keys.index)
            else:
                held, fall_on = keys[reached], None
            today += timedelta(days=1)
        return held

    def _deeds(self, owner: str) -> dict[date, Counter[str]]:
        """What each day brought: net spend, points earned and visits, refunds subtracted on their day."""
        days: dict[date, Counter[str]] = {}
        for name, sale in self.sales.items():
            if sale.voided or sale.owner is None or self.account(sale.owner).name != owner:
                continue
            days.setdefault(sale.day, Counter()).update(net_spend=sale.cents, visits=1, earned_points=sale.earned)
            for back_day, back in sale.refunds.values():
                days.setdefault(back_day, Counter()).subtract({"net_spend": back})
            if sale.refunds and not sale.kept:
                days[max(day for day, _cents in sale.refunds.values())].subtract({"visits": 1})
            for back_day, points in self.taken_back.get(name, []):
                days.setdefault(back_day, Counter()).subtract({"earned_points": points})
        return days

    # How points move.

    def begin(self, account: Account, day: date) -> None:
        """End what was last good before the day."""
        for lot in account.lots:
            if lot.left and lot.last_day is not None and lot.last_day < day:
                account.moved["expire"] += lot.left
                lot.lapsed += lot.left
                lot.left = 0

    def spend(self, account: Account, kind: str, points: int, at: datetime, day: date) -> Use:
        """Take available points, soonest expiry first."""
        if points > account.available(day):
            raise NotAllowed
        self.begin(account, day)
        use = Use(account.name, points, [], at)
        for lot in account.usable(day):
            part = min(lot.left, points)
            lot.left -= part
            points -= part
            if part:
                use.draws.append(Draw(lot, part))
        account.moved[kind] += use.points
        account.marks.append(kind)
        return use

    def take_gift(self, root: str, points: int, owner: str, day: date) -> None:
        """Take back what was given: from its own lot, then in spending order, the rest owed; not what lapsed of it."""
        account = self.account(owner)
        self.begin(account, day)
        self._take_back(account, points - self._lapsed(root), root, day, ARREARS)

    def credit(
        self, account: Account, kind: str, points: int, root: str, life: Life, at: datetime, day: date, opens_on: date
    ) -> Lot | None:
        """A new lot, good for a life; what is owed is repaid out of it first. None for no points."""
        return next(iter(self.credit_all(account, kind, [(points, life)], root, at, day, opens_on)), None)

    def credit_all(
        self,
        account: Account,
        kind: str,
        parts: list[tuple[int, Life]],
        root: str,
        at: datetime,
        day: date,
        opens_on: date,
    ) -> list[Lot]:
        """Points of several lives that come in together."""
        self.begin(account, day)
        new = []
        for points, life in parts:
            if points:
                account.moved[kind] += points
                if kind == "adjust":
                    account.marks.append(kind)
                lot = Lot(0, root, at, day, opens_on, life.last_day(day), points, first_holder=account.name)
                lot.idle_days = life.idle_days
                new.append(self._add(account, lot))
        account.repay(new, day)
        return new

    def _prolong(self, account: Account, day: date) -> None:
        """Let activity on a day move the end of what is there."""
        for lot in account.standing(day):
            if lot.idle_days is not None and lot.last_day is not None:
                lot.last_day = max(lot.last_day, day + timedelta(days=lot.idle_days - 1))

    def _lapsed(self, root: str) -> int:
        return sum(lot.lapsed for lot in self.lots if lot.root == root)

    def _add(self, account: Account, lot: Lot) -> Lot:
        lot.number, lot.holder = len(self.lots) + 1, account.name
        lot.first_number = lot.first_number or lot.number
        self.lots.append(lot)
        account.lots.append(lot)
        return lot

    def carry_on(self, lot: Lot, points: int, account: Account, day: date) -> None:
        """The same points in another account, with the same days."""
        account.repay([self._copy(lot, points, account)], day)

    def _copy(self, lot: Lot, points: int, account: Account) -> Lot:
        return self._add(account, replace(lot, left=points, lapsed=0))

    def _give_back(self, use: Use, points: int, day: date) -> None:
        """Return points to the lots they came from, last drawn first, as if only the smaller number had been used.

        A lot that is over on the day gets a short grace: good on the day of the return and the days after it. They go
        to whom the use is of; where a lot is another's by now, or its end is past, they are in a lot of their own.
        """
        if not points:
            return
        account = self.account(use.owner)
        self.begin(account, day)
        use.returned += points
        account.moved["give_back"] += points
        account.marks.append(self.cause)
        grace = timedelta(days=self.policy(day).grace_days - 1)
        credited = []
        for draw in reversed(use.draws):
            part = min(draw.points, points)
            draw.points -= part
            points -= part
            lot = draw.lot
            if part and lot.is_over(day):
                graced = replace(lot, opens_on=day, last_day=day + grace, idle_days=None)
                credited.append(self._copy(graced, part, account))
            elif part and (lot.lapsed or lot.holder != account.name):
                credited.append(self._copy(lot, part, account))
            elif part:
                lot.left += part
                credited.append(lot)
        account.repay(credited, day)

    def _take_back(self, account: Account, due: int, root: str, day: date, shortfall: str) -> int:
        """Take points back from their own lots, then from others; the rest is owed or let go. Gives what was moved."""
        if due <= 0:
            return 0
        standing = account.to_take(day)
        if shortfall == ONLY_PENDING:
            standing = [lot for lot in standing if lot.opens_on > day]
        moved = 0
        for lot in sorted(standing, key=lambda lot: lot.root != root):
            part = min(lot.left, due - moved)
            lot.left -= part
            moved += part
        if shortfall == ARREARS:
            account.arrears += due - moved
            moved = due
        if moved:
            account.moved["take_back"] += moved
            account.marks.append(self.cause)
        return moved


def _held_by_window(deeds: dict[date, Counter[str]], ranks: Ranks, day: date) -> int:
    first = ranks.first_day(day)
    return sum(amounts[ranks.by] for on, amounts in deeds.items() if first <= on <= day and ranks.by in amounts)

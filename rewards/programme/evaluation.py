"""What a sale earns: one pure function over the rules in stacking order, in exact arithmetic, rounded once.

A version's rules are read once into `Evaluator`, which knows what each rule really asks: an import evaluates hundreds
of thousands of baskets. Amounts are whole numbers as long as they can be, else fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from fractions import Fraction
from itertools import groupby

from rewards.models.posting import LARGEST_POSTING_POINTS
from rewards.parts import folded
from rewards.programme.basket import Amount, Basket, BasketLine
from rewards.programme.earning_rules import Base, Bonus, Earning, EarningRule, PerAmount, When

Condition = Callable[[Basket], bool]


@dataclass(frozen=True, slots=True)
class EarningLine:
    """What one rule adds to a visit's points. Without a rule: points whose rules are not known any more.

    `counted_cents` is the money of the whole visit that earns points, down to the cent; None where it is not known.
    """

    rule: EarningRule | None
    points: int
    counted_cents: int | None = field(default=None, compare=False)

    @property
    def names(self) -> Mapping[str, str] | None:
        """The rule's names by language; None for the plain rate, which says its amounts instead."""
        return None if self.rule is None or self.is_plain_rate else self.rule.names

    @property
    def is_bonus(self) -> bool:
        """Whether a bonus rule gave the points, which may have an expiry of their own."""
        return self.rule is not None and isinstance(self.rule.gives, Bonus)

    @property
    def is_plain_rate(self) -> bool:
        """Whether it is points per amount of the whole visit, under no condition."""
        return self.rule is not None and isinstance(self.rule.gives, PerAmount) and self.rule.when == _ALWAYS


_ALWAYS = When()


class Evaluator:
    """The rules of earning of one version, ready to be asked."""

    def __init__(self, earning: Earning) -> None:
        read = {rule.key: _Reading(rule) for rule in earning.rules}
        self._by_key = read
        self._base = earning.base
        self._round = _ROUND[earning.rounding]
        # A rule without a group is a group of its own.
        groups = groupby(earning.rules, key=lambda rule: rule.group or f"#{rule.key}")
        self._groups = [[read[rule.key] for rule in members] for _name, members in groups]

    def lines(self, basket: Basket) -> list[EarningLine]:
        """What the basket earns, as addends in stacking order; their sum is the award, rounded once.

        Each rule that applies adds to the points above it: an amount's worth, a number, or the multiplier's part more.
        A rule that sees some lines only gives for their amount; its multiplier, for their share of the points so far.
        Of a group the member that adds most counts, at a draw the first. A rule gives no more than is left of its cap
        and budget. The rules of codes used on the visit come last, each within its cap. An addend is the difference of
        the rounded sums after and before it.
        """
        money = _Money(self._base, basket)
        counted = int(money.cents // 1)
        total: Amount = 0
        rounded = 0
        lines = []
        for members in self._groups:
            best: tuple[_Reading, Amount] | None = None
            for member in members:
                if member.applies(basket):
                    points = member.points(total, basket, money)
                    if best is None or points > best[1]:
                        best = member, points
            if best is not None:
                total += best[1]
                before, rounded = rounded, total if isinstance(total, int) else self._round(total)
                lines.append(EarningLine(best[0].rule, rounded - before, counted))
        for rule in basket.extra:
            points = _Reading(rule).points(total, basket, money)
            most = LARGEST_POSTING_POINTS if rule.cap is None else rule.cap.points
            total += max(min(points, most, LARGEST_POSTING_POINTS - total), 0)
            before, rounded = rounded, total if isinstance(total, int) else self._round(total)
            lines.append(EarningLine(rule, rounded - before))
        return lines

    def applies(self, key: str, basket: Basket) -> bool:
        """Whether the conditions of a rule hold for the basket."""
        return self._by_key[key].applies(basket)


class _Reading:
    """One rule and what it asks."""

    def __init__(self, rule: EarningRule) -> None:
        self.rule = rule
        self._conditions = list(_conditions(rule.when))
        self._sees_lines = rule.when.sees_lines
        self._sees = _line_test(rule.when)
        self._points = _GIVERS[rule.gives.kind](self)

    def applies(self, basket: Basket) -> bool:
        return all(condition(basket) for condition in self._conditions)

    def points(self, total: Amount, basket: Basket, money: _Money) -> Amount:
        """What the rule adds to `total`."""
        points = self._points(total, money)
        key = self.rule.key
        for room in (basket.cap_room, basket.budget_room):
            if key in room:
                points = min(points, max(room[key], 0))
        return points

    def per_amount(self) -> Callable[[Amount, _Money], Amount]:
        gives = self.rule.gives
        assert isinstance(gives, PerAmount)

        def points(_total: Amount, money: _Money) -> Amount:
            cents = money.cents * money.share(self._sees) if self._sees_lines else money.cents
            if gives.proportional:
                return _plain(Fraction(cents) * gives.points / gives.step_cents)
            return int(cents // gives.step_cents) * gives.points

        return points

    def times(self) -> Callable[[Amount, _Money], Amount]:
        gives = self.rule.gives
        assert gives.kind == "times"
        more, parts = gives.numerator - gives.denominator, gives.denominator

        def points(total: Amount, money: _Money) -> Amount:
            if self._sees_lines:
                total *= money.share(self._sees)
            return total * more if parts == 1 else _plain(Fraction(total * more) / parts)

        return points

    def bonus(self) -> Callable[[Amount, _Money], Amount]:
        gives = self.rule.gives
        assert isinstance(gives, Bonus)
        return lambda _total, _money: gives.points


_GIVERS: dict[str, Callable[[_Reading], Callable[[Amount, _Money], Amount]]] = {
    "per_amount": _Reading.per_amount,
    "times": _Reading.times,
    "bonus": _Reading.bonus,
}


class _Money:
    """The amounts of a basket that earn points: the whole base in `cents`, and a rule's share of it."""

    __slots__ = ("_base", "_basket", "_gift_cards", "_whole", "cents")

    def __init__(self, base: Base, basket: Basket) -> None:
        self._base = base
        self._basket = basket
        self.cents: Amount = basket.net_cents
        if basket.lines:
            # A discount on the whole receipt leaves lines that sum to more than the net, lines not told to less.
            self._whole = max(sum(line.net_cents for line in basket.lines), basket.net_cents)
        self._gift_cards: Amount = 0
        if base.gift_cards == "excluded" and basket.lines:
            self._gift_cards = self._part(self._is_gift_card)
            self.cents *= 1 - self._gift_cards
        if base.paid_with_points == "excluded":
            self.cents = max(self.cents - basket.paid_with_points_cents, 0)
        if base.tax == "without" and self.cents:
            self.cents *= self._untaxed()

    def share(self, sees: Callable[[BasketLine], bool]) -> Amount:
        """The part of what counts that falls on the lines which a rule sees."""
        counting = 1 - self._gift_cards
        if not self._basket.lines or not counting:
            return 0
        seen = self._part(lambda line: sees(line) and not (self._gift_cards and self._is_gift_card(line)))
        return min(Fraction(seen) / counting, Fraction(1))

    def _untaxed(self) -> Fraction:
        basket = self._basket
        if basket.tax_cents is not None:
            return 1 - min(Fraction(basket.tax_cents) / basket.net_cents, Fraction(1))
        return Fraction(10_000, 10_000 + self._base.tax_basis_points)

    def _is_gift_card(self, line: BasketLine) -> bool:
        listed = {folded(name) for name in self._base.gift_card_categories}
        return line.is_gift_card or bool(listed & _names_of(line))

    def _part(self, wanted: Callable[[BasketLine], bool]) -> Fraction:
        cents = sum(line.net_cents for line in self._basket.lines if wanted(line))
        return min(max(Fraction(cents) / self._whole, Fraction(0)), Fraction(1)) if self._whole > 0 else Fraction(0)


def _plain(amount: Fraction) -> Amount:
    """A fraction as a whole number where it is one."""
    return amount.numerator if amount.denominator == 1 else amount


_ROUND: dict[str, Callable[[Amount], int]] = {
    "down": lambda points: int(points // 1),
    "nearest": lambda points: int((points + Fraction(1, 2)) // 1),
    "up": lambda points: -int(-points // 1),
}


def _names_of(line: BasketLine) -> set[str]:
    return {folded(line.category), folded(line.department)} - {""}


def _line_test(when: When) -> Callable[[BasketLine], bool]:
    """Whether a rule that sees only some lines sees one."""
    products, categories = set(when.products), {folded(name) for name in when.categories}
    return lambda line: line.product in products or bool(categories & _names_of(line))


def _conditions(when: When) -> Iterator[Condition]:
    """What must hold of a basket, as far as the rule asks for it."""
    yield from _conditions_of_time(when)
    yield from _conditions_of_customer(when)
    if when.stores:
        yield _named(when.stores, lambda basket: basket.store)
    if when.partners:
        yield _named(when.partners, lambda basket: basket.partner)
    if channels := frozenset[str](when.channels):
        yield lambda basket: basket.channel in channels
    if methods := frozenset[str](when.payment_methods):
        yield lambda basket: basket.payment_method in methods
    if when.min_net_cents or when.sees_lines:
        yield _is_large_enough(when)


def _conditions_of_time(when: When) -> Iterator[Condition]:
    if when.weekdays:
        days = frozenset(when.weekdays)
        yield lambda basket: basket.day.weekday() in days
    if (first := when.first_day) is not None:
        yield lambda basket: basket.day >= first
    if (last := when.last_day) is not None:
        yield lambda basket: basket.day <= last
    if when.from_time is not None or when.until_time is not None:
        yield _in_hours(when.from_time or time(0), when.until_time)


def _conditions_of_customer(when: When) -> Iterator[Condition]:
    if tiers := frozenset(when.tiers):
        yield lambda basket: basket.tier in tiers
    if when.first_purchase:
        yield lambda basket: basket.is_first
    if when.members_only:
        yield lambda basket: basket.is_member
    if (birthday := when.birthday) is not None:
        yield lambda basket: birthday in basket.birthday


def _in_hours(start: time, end: time | None) -> Condition:
    if end is None:
        return lambda basket: basket.clock >= start
    if start < end:
        return lambda basket: start <= basket.clock < end
    return lambda basket: basket.clock >= start or basket.clock < end


def _named(names: Sequence[str], said: Callable[[Basket], str]) -> Condition:
    listed = {folded(name) for name in names}
    return lambda basket: folded(said(basket)) in listed


def _is_large_enough(when: When) -> Condition:
    least = when.min_net_cents
    if not when.sees_lines:
        return lambda basket: basket.net_cents >= least
    sees = _line_test(when)

    def holds(basket: Basket) -> bool:
        seen = [line.net_cents for line in basket.lines if sees(line)]
        return bool(seen) and sum(seen) >= least

    return holds

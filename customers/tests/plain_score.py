"""A second calculator of regular and loyal, for checking the product against.

Written from docs/loyalty.md alone, customer by customer with plain loops; it shares no code with the product. Settings
are those as shipped. Money is integer cents.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from statistics import mean, median, pstdev

WEIGHTS = {"says": 25, "brings": 15, "pays": 15, "stays": 20}
HALF_LIVES = {"says": 12, "brings": 24, "pays": 12, "stays": 12}
DOUBTS = {"says": 2, "brings": 1, "pays": 10, "stays": 4}


@dataclass(frozen=True, kw_only=True)
class Line:
    product: str
    category: str
    quantity: Decimal
    gross: int


@dataclass(kw_only=True)
class Receipt:
    customer: str
    store: str
    day: date
    gross: int
    net: int
    refunds: list[tuple[date, int]] = field(default_factory=list)
    is_voided: bool = False
    lines: Sequence[Line] = ()

    def is_given_back(self, on: date) -> bool:
        given_back = [cents for day, cents in self.refunds if day <= on]
        return bool(given_back) and sum(given_back) >= self.net


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A signal: +1 speaks for attachment, −1 against."""

    customer: str
    kind: str
    day: date
    strength: float
    is_withdrawn: bool = False


@dataclass(frozen=True, kw_only=True)
class Flag:
    customer: str
    loyal: bool
    first: date
    last: date


@dataclass(frozen=True, kw_only=True)
class Result:
    regular: bool
    repeat_days: int
    months_in_row: int
    score: Decimal | None
    loyal: bool | None
    thin: bool
    group: str


class PlainShop:
    """All facts of a shop, and what they say about each customer on a day."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.signs: list[Sign] = []
        self.flags: list[Flag] = []

    def result(self, customer: str, on: date) -> Result:
        own = [receipt for receipt in self.receipts if receipt.customer == customer]
        days = sorted({receipt.day for receipt in standing(own, on)})
        repeat_days = max(0, sum(on - timedelta(days=365) < day for day in days) - 1)
        months_in_row = consecutive_months(days, on)
        regular = repeat_days >= 3 or months_in_row >= 12

        evidence = {kind: self.signs_of(customer, kind, on) for kind in WEIGHTS}
        evidence["pays"] += self.prices_paid(own, on)
        evidence["stays"] += months_kept(days, on)
        score, reach = 50.0, 0.0
        for kind, pieces in evidence.items():
            fresh = [(value, 0.5 ** (age / HALF_LIVES[kind])) for value, age in pieces]
            weight = sum(m for _value, m in fresh)
            if weight:
                score += WEIGHTS[kind] * sum(value * m for value, m in fresh) / (weight + DOUBTS[kind])
                reach += WEIGHTS[kind] * weight / (weight + DOUBTS[kind])
        known = any(evidence.values())
        rounded = rounded_to_tenth(min(100.0, max(0.0, score))) if known else None
        loyal = None if rounded is None else rounded >= 60
        standing_flags = [f for f in self.flags if f.customer == customer and f.first <= on <= f.last]
        if standing_flags:
            loyal = standing_flags[-1].loyal
        group = {
            (True, True): "regular_loyal",
            (True, False): "regular",
            (False, True): "loyal",
            (False, False): "neither",
        }.get((regular, loyal), "unknown")  # type: ignore[arg-type]
        return Result(
            regular=regular,
            repeat_days=repeat_days,
            months_in_row=months_in_row,
            score=rounded,
            loyal=loyal,
            thin=rounded_to_tenth(reach) < 10,
            group=group,
        )

    def signs_of(self, customer: str, kind: str, on: date) -> list[tuple[float, int]]:
        return [
            (sign.strength, age_in_months(sign.day, on))
            for sign in self.signs
            if sign.customer == customer
            and sign.kind == kind
            and sign.day <= on
            and not sign.is_withdrawn
            and age_in_months(sign.day, on) < 36
        ]

    def prices_paid(self, own: list[Receipt], on: date) -> list[tuple[float, int]]:
        norms = self.norms(on)
        tried_norm = self.tried_norm(on)
        middles = self.middle_prices(on)
        pieces = []
        for day in sorted({receipt.day for receipt in standing(own, on)}):
            if age_in_months(day, on) >= 36:
                continue
            values = []
            net = expected = scale = 0.0
            for receipt in standing(own, on):
                usual = norms.get(receipt.store, norms.get(""))
                if receipt.day == day and usual is not None and usual[1] > 0:
                    net += receipt.net
                    expected += receipt.gross * usual[0]
                    scale += receipt.gross * usual[1]
            if scale:
                values.append(clipped((net - expected) / scale))
            bought = products_of(own, day)
            signs = [
                (line.gross > middles[line.category] * line.quantity)
                - (line.gross < middles[line.category] * line.quantity)
                for line in bought
                if line.category in middles and line.quantity > 0
            ]
            if signs:
                values.append(mean(signs))
            tried = share_tried(own, day, on)
            if tried is not None and tried_norm is not None:
                values.append(clipped((tried - tried_norm[0]) / tried_norm[1]))
            if values:
                pieces.append((mean(values), age_in_months(day, on)))
        return pieces

    def in_norm_period(self, on: date) -> list[Receipt]:
        """Receipts of customers in the 12 full months before the month of `on`, as they stood at its start."""
        end = on.replace(day=1) - timedelta(days=1)
        return [
            receipt
            for receipt in standing(self.receipts, end)
            if receipt.customer and 1 <= age_in_months(receipt.day, on) <= 12
        ]

    def norms(self, on: date) -> dict[str, tuple[float, float]]:
        found = {}
        receipts = [receipt for receipt in self.in_norm_period(on) if receipt.gross > 0]
        for store in {"", *(receipt.store for receipt in receipts)}:
            here = [receipt for receipt in receipts if store in ("", receipt.store)]
            if len(here) >= 30:
                share = sum(receipt.net for receipt in here) / sum(receipt.gross for receipt in here)
                spread = round(pstdev(receipt.net / receipt.gross for receipt in here), 4)
                found[store] = (round(share, 4), spread if spread >= 0.005 else 0.0)
        return found

    def middle_prices(self, on: date) -> dict[str, Decimal]:
        prices: dict[str, list[Decimal]] = {}
        products: dict[str, set[str]] = {}
        for receipt in self.in_norm_period(on):
            for line in receipt.lines:
                if line.category and line.quantity > 0 and line.gross > 0:
                    prices.setdefault(line.category, []).append(line.gross / line.quantity)
                    products.setdefault(line.category, set()).add(line.product)
        return {
            category: Decimal(median(found)).quantize(Decimal("0.01"), ROUND_HALF_UP)
            for category, found in prices.items()
            if len(products[category]) >= 5
        }

    def tried_norm(self, on: date) -> tuple[float, float] | None:
        shares: list[float] = []
        for customer in {receipt.customer for receipt in self.receipts if receipt.customer}:
            own = [receipt for receipt in self.receipts if receipt.customer == customer]
            days = {receipt.day for receipt in own if receipt.lines and not receipt.is_voided}
            found = (share_tried(own, day, on) for day in days if 1 <= age_in_months(day, on) <= 12)
            shares += [share for share in found if share is not None]
        if len(shares) < 30 or round(pstdev(shares), 4) < 0.005:
            return None
        return round(mean(shares), 4), round(pstdev(shares), 4)


def standing(receipts: Iterable[Receipt], on: date) -> list[Receipt]:
    return [r for r in receipts if r.day <= on and not r.is_voided and not r.is_given_back(on)]


def age_in_months(day: date, on: date) -> int:
    return (on.year - day.year) * 12 + on.month - day.month


def first_of_month(on: date, months_before: int) -> date:
    number = on.year * 12 + on.month - 1 - months_before
    return date(number // 12, number % 12 + 1, 1)


def clipped(value: float) -> float:
    return max(-1.0, min(1.0, value))


def rounded_to_tenth(value: float) -> Decimal:
    return Decimal(f"{value:.9f}").quantize(Decimal("0.1"), ROUND_HALF_UP)


def consecutive_months(days: list[date], on: date) -> int:
    bought = {age_in_months(day, on) for day in days}
    count = 0
    while count in bought:
        count += 1
    return count


def months_kept(days: list[date], on: date) -> list[tuple[float, int]]:
    """+1 for a month in which they bought and were never late, 0 for one in which they bought but were late, −1 for
    one in which they were late and did not buy."""
    days = [day for day in days if age_in_months(day, on) < 36]
    if len(days) < 3:
        return []
    gaps = [(after - before).days for before, after in pairwise(days)]
    late_after = int(2 * max(7, median(gaps)))
    late_ages: set[int] = set()
    away_ages: set[int] = set()
    bought = {age_in_months(day, on) for day in days}
    for number, gone in enumerate(days):
        back = days[number + 1] if number + 1 < len(days) else on + timedelta(days=1)
        day = gone + timedelta(days=late_after + 1)
        while day < back:
            if age_in_months(gone, day) <= 12:
                (late_ages if age_in_months(day, on) in bought else away_ages).add(age_in_months(day, on))
            day += timedelta(days=1)
    return [(0.0 if age in late_ages else 1.0, age) for age in bought] + [(-1.0, age) for age in away_ages]


def products_of(own: list[Receipt], day: date) -> list[Line]:
    """What was bought on the day, each product once, with its quantities and amounts added up."""
    found: dict[str, Line] = {}
    for receipt in own:
        if receipt.day == day and not receipt.is_voided:
            for line in receipt.lines:
                before = found.get(line.product)
                found[line.product] = Line(
                    product=line.product,
                    category=line.category,
                    quantity=line.quantity + (before.quantity if before else 0),
                    gross=line.gross + (before.gross if before else 0),
                )
    return list(found.values())


def share_tried(own: list[Receipt], day: date, on: date) -> float | None:
    forgotten = first_of_month(on, 35) - timedelta(days=90)
    with_lines = [r for r in own if r.lines and not r.is_voided and forgotten <= r.day <= day]
    products = products_of(own, day)
    if not products or (day - min(receipt.day for receipt in with_lines)).days < 90:
        return None
    recent = {line.product for receipt in with_lines if 0 < (day - receipt.day).days <= 90 for line in receipt.lines}
    return sum(line.product not in recent for line in products) / len(products)

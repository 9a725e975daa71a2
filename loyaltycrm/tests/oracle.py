"""A second calculator of the programme as shipped, for checking the product against.

Written from the words of the specification alone and sharing no code with the product, so that
one mistake cannot hide in both. It is slow and plain on purpose. Money is integer cents, points
are integers, and a day is the shop-local date written in a timestamp.

Where the specification leaves room, this calculator reads it so:

- A visit is a receipt, so a fully refunded receipt and one of 0.00 are both counted in visits,
  first visit and last visit. For being regular a fully refunded receipt does not count.
- What stood on a past day knows nothing of a refund made later.
- Points spent on a refunded visit return before the refund takes points back, and settle any
  arrears at once, those first that would be used first; so a customer never has arrears and
  available points side by side.
- A part of the spent points returns last drawn first, as if only the smaller number had been
  spent. Each refund is rounded down by itself; the one that leaves nothing returns the rest.
- Points returned to a lapsed lot are good on the day of the refund and the 13 days after it.
- A sale fully refunded has at least one refund and nothing kept.
- Months in a row end with the current month: without a purchase in it there are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

LIFE_DAYS = 365
GRACE_DAYS = 14
POINTS_STEP = 500
TIER_WINDOW_DAYS = 365
SILVER_CENTS = 1_000_00
GOLD_CENTS = 2_500_00
REGULAR_WINDOW_DAYS = 365
REGULAR_REPEAT_DAYS = 3
REGULAR_MONTHS = 12

REDEMPTION, SALE, REFUND = 0, 1, 2  # the order of events of one instant

CsvRow = Mapping[str, str]


class RefusedError(Exception):
    """An event that the programme does not allow; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One customer at the end of a day. `net_spend` is in cents; dates are shop-local."""

    points_balance: int = 0
    points_earned: int = 0
    points_spent: int = 0
    points_expired: int = 0
    points_taken_back: int = 0
    tier: str = "member"
    regular: bool = False
    repeat_days: int = 0
    months_in_row: int = 0
    visits: int = 0
    net_spend: int = 0
    first_visit: date | None = None
    last_visit: date | None = None


@dataclass(kw_only=True)
class Sale:
    receipt_id: str
    at: datetime
    day: date
    net_cents: int
    refunded_cents: int = 0
    refunds: int = 0
    claimed_points: int = 0

    @property
    def kept_cents(self) -> int:
        return self.net_cents - self.refunded_cents

    @property
    def is_fully_refunded(self) -> bool:
        return self.refunds > 0 and self.kept_cents == 0


@dataclass(kw_only=True)
class Lot:
    receipt_id: str
    earned_at: datetime
    last_day: date
    left: int
    lapsed_counted: int = 0

    def is_good_on(self, day: date) -> bool:
        return day <= self.last_day


@dataclass(kw_only=True)
class Draw:
    """Points of one lot used on a receipt and not returned yet."""

    lot: Lot
    points: int


@dataclass
class Customer:
    sales: dict[str, Sale] = field(default_factory=dict)
    refund_days: list[tuple[date, int]] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    spent_on: dict[str, int] = field(default_factory=dict)
    draws_on: dict[str, list[Draw]] = field(default_factory=dict)
    arrears: int = 0
    earned: int = 0
    spent: int = 0
    taken_back: int = 0

    def good_lots(self, day: date) -> list[Lot]:
        """Lots still good on the day, in the order they are spent (§3.6)."""
        good = [lot for lot in self.lots if lot.left and lot.is_good_on(day)]
        return sorted(good, key=lambda lot: (lot.last_day, lot.earned_at, lot.receipt_id))

    def balance(self, day: date) -> int:
        return sum(lot.left for lot in self.good_lots(day)) - self.arrears

    def expired(self, day: date) -> int:
        return sum(lot.left for lot in self.lots if not lot.is_good_on(day))


def replay(
    purchases: Iterable[CsvRow],
    refunds: Iterable[CsvRow],
    redemptions: Iterable[CsvRow],
    as_of: date,
) -> dict[str, Row]:
    """What stood at the end of the shop-local day `as_of` for every customer the files name.

    The rows are those of the till's files (`purchases.csv`, `refunds.csv`,
    `points_redemptions.csv`). Raises RefusedError where the events break the programme.
    """
    purchases = list(purchases)
    owner_of = {row["receipt_id"]: row["customer_id"] for row in purchases}
    customers = {owner: Customer() for owner in owner_of.values() if owner}

    for kind, row in in_order(purchases, refunds, redemptions):
        at = datetime.fromisoformat(row["redeemed_at" if kind == REDEMPTION else "purchased_at"])
        if at.date() > as_of:
            continue
        if kind == REDEMPTION:
            if row["customer_id"] not in customers:
                raise RefusedError(f"redemption {row['redemption_id']}: the customer has no receipt")
            redeem(customers[row["customer_id"]], row, at)
        elif kind == SALE and row["customer_id"]:
            sell(customers[row["customer_id"]], row, at)
        elif kind == REFUND and row["refund_of"] not in owner_of:
            raise RefusedError(f"refund {row['receipt_id']} of an unknown receipt")
        elif kind == REFUND and owner_of[row["refund_of"]]:
            refund(customers[owner_of[row["refund_of"]]], row, at)

    return {customer_id: row_of(customer, as_of) for customer_id, customer in customers.items()}


def in_order(
    purchases: Iterable[CsvRow], refunds: Iterable[CsvRow], redemptions: Iterable[CsvRow]
) -> Iterator[tuple[int, CsvRow]]:
    """All events in time; at one instant redemption, sale by receipt id, refund (§3.8)."""
    events = [(row["redeemed_at"], REDEMPTION, row["redemption_id"], row) for row in redemptions]
    events += [(row["purchased_at"], SALE, row["receipt_id"], row) for row in purchases]
    events += [(row["purchased_at"], REFUND, row["receipt_id"], row) for row in refunds]
    events.sort(key=lambda event: (datetime.fromisoformat(event[0]), event[1], event[2]))
    for _at, kind, _id, row in events:
        yield kind, row


def cents(amount: str) -> int:
    """'12.34' as 1234. Raises RefusedError where there is a fraction of a cent."""
    value = Decimal(amount) * 100
    if value != int(value):
        raise RefusedError(f"{amount} is not a whole number of cents")
    return int(value)


def points_for(net_cents: int, day: date) -> int:
    """1 point per full 1.00 of the net, twice that on Saturday and Sunday (§3.15)."""
    full_steps = net_cents // 100
    return full_steps * 2 if day.isoweekday() in (6, 7) else full_steps


def sell(customer: Customer, row: CsvRow, at: datetime) -> None:
    sale = Sale(receipt_id=row["receipt_id"], at=at, day=at.date(), net_cents=cents(row["net_amount"]))
    if sale.net_cents < 0:
        raise RefusedError(f"receipt {sale.receipt_id} is negative")
    if sale.receipt_id in customer.sales:
        raise RefusedError(f"receipt {sale.receipt_id} comes twice")
    customer.sales[sale.receipt_id] = sale

    points = points_for(sale.net_cents, sale.day)
    customer.earned += points
    repaid = min(points, customer.arrears)
    customer.arrears -= repaid
    customer.lots.append(
        Lot(
            receipt_id=sale.receipt_id,
            earned_at=at,
            last_day=sale.day + timedelta(days=LIFE_DAYS - 1),
            left=points - repaid,
        )
    )


def redeem(customer: Customer, row: CsvRow, at: datetime) -> None:
    points, day, name = int(row["points"]), at.date(), row["redemption_id"]
    if points <= 0 or points % POINTS_STEP:
        raise RefusedError(f"redemption {name}: {points} is not a multiple of {POINTS_STEP}")
    if points > customer.balance(day):
        raise RefusedError(f"redemption {name}: {points} points, {customer.balance(day)} available")

    draws = customer.draws_on.setdefault(row["receipt_id"], [])
    to_draw = points
    for lot in customer.good_lots(day):
        drawn = min(lot.left, to_draw)
        lot.left -= drawn
        to_draw -= drawn
        if drawn:
            draws.append(Draw(lot=lot, points=drawn))
    customer.spent += points
    customer.spent_on[row["receipt_id"]] = customer.spent_on.get(row["receipt_id"], 0) + points


def refund(customer: Customer, row: CsvRow, at: datetime) -> None:
    day, given_back = at.date(), -cents(row["net_amount"])
    sale = customer.sales.get(row["refund_of"])
    if sale is None:
        raise RefusedError(f"refund {row['receipt_id']} comes before its sale")
    if given_back < 0 or given_back > sale.kept_cents:
        raise RefusedError(f"refund {row['receipt_id']} gives back more than was kept")
    sale.refunded_cents += given_back
    sale.refunds += 1
    customer.refund_days.append((day, given_back))

    return_spent_points(customer, sale, given_back, day)
    take_back_earned_points(customer, sale, day)


def return_spent_points(customer: Customer, sale: Sale, given_back: int, day: date) -> None:
    draws = customer.draws_on.get(sale.receipt_id, [])
    not_returned = sum(draw.points for draw in draws)
    if sale.is_fully_refunded:
        to_return = not_returned
    elif sale.net_cents:
        share = customer.spent_on.get(sale.receipt_id, 0) * given_back // sale.net_cents
        to_return = min(share, not_returned)
    else:
        to_return = 0

    customer.spent -= to_return
    for draw in reversed(draws):
        returned = min(draw.points, to_return)
        draw.points -= returned
        to_return -= returned
        put_back(customer, draw.lot, returned, day)

    for lot in customer.good_lots(day):
        repaid = min(lot.left, customer.arrears)
        customer.arrears -= repaid
        lot.left -= repaid


def put_back(customer: Customer, lot: Lot, points: int, day: date) -> None:
    if not points:
        return
    if lot.is_good_on(day):
        lot.left += points
        return
    customer.lots.append(
        Lot(
            receipt_id=lot.receipt_id,
            earned_at=lot.earned_at,
            last_day=day + timedelta(days=GRACE_DAYS - 1),
            left=points,
        )
    )


def take_back_earned_points(customer: Customer, sale: Sale, day: date) -> None:
    claim = points_for(sale.net_cents, sale.day) - points_for(sale.kept_cents, sale.day) - sale.claimed_points
    sale.claimed_points += claim

    own = [lot for lot in customer.lots if lot.receipt_id == sale.receipt_id]
    for lot in own:
        if not lot.is_good_on(day):
            already_gone = min(claim, lot.left - lot.lapsed_counted)
            lot.lapsed_counted += already_gone
            claim -= already_gone

    customer.taken_back += claim
    own_good = [lot for lot in own if lot.is_good_on(day)]
    for lot in own_good + customer.good_lots(day):
        taken = min(lot.left, claim)
        lot.left -= taken
        claim -= taken
    customer.arrears += claim


def row_of(customer: Customer, as_of: date) -> Row:
    sales = customer.sales.values()
    visit_days = [sale.day for sale in sales]
    purchase_days = {sale.day for sale in sales if not sale.is_fully_refunded}
    repeat_days = repeat_days_of(purchase_days, as_of)
    months_in_row = months_in_row_of(purchase_days, as_of)
    return Row(
        points_balance=customer.balance(as_of),
        points_earned=customer.earned,
        points_spent=customer.spent,
        points_expired=customer.expired(as_of),
        points_taken_back=customer.taken_back,
        tier=tier_of(customer, as_of),
        regular=repeat_days >= REGULAR_REPEAT_DAYS or months_in_row >= REGULAR_MONTHS,
        repeat_days=repeat_days,
        months_in_row=months_in_row,
        visits=len(visit_days),
        net_spend=sum(sale.kept_cents for sale in sales),
        first_visit=min(visit_days, default=None),
        last_visit=max(visit_days, default=None),
    )


def is_within(day: date, as_of: date, days: int) -> bool:
    """Is the day one of the last `days` days, `as_of` included?"""
    return as_of - timedelta(days=days) < day <= as_of


def tier_of(customer: Customer, as_of: date) -> str:
    """Sales by the day of sale less refunds by the day of refund, in the window (§3.15)."""
    spend = sum(
        sale.net_cents for sale in customer.sales.values() if is_within(sale.day, as_of, TIER_WINDOW_DAYS)
    ) - sum(given_back for day, given_back in customer.refund_days if is_within(day, as_of, TIER_WINDOW_DAYS))
    if spend >= GOLD_CENTS:
        return "gold"
    return "silver" if spend >= SILVER_CENTS else "member"


def repeat_days_of(purchase_days: set[date], as_of: date) -> int:
    within = [day for day in purchase_days if is_within(day, as_of, REGULAR_WINDOW_DAYS)]
    return max(len(within) - 1, 0)


def months_in_row_of(purchase_days: set[date], as_of: date) -> int:
    with_purchase = {(day.year, day.month) for day in purchase_days}
    year, month, count = as_of.year, as_of.month, 0
    while (year, month) in with_purchase:
        count += 1
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return count

"""The sample shop's files, as its till would export them: the same for the same day and seed.

Nothing here looks at the clock or at the database. Visits of the last day run through the whole day; whoever imports
them leaves out what has not happened yet.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from loyaltycrm.local.shop.habits import Habit, choose, visit_days
from loyaltycrm.local.shop.people import Person, person

ZONE = ZoneInfo("Europe/Riga")
STORES = {"BARONA": "Barona iela", "AGENSKALNS": "Āgenskalns", "CENTRS": "Centrs"}
CUSTOMERS = 2000
YEARS = 2
STEP_POINTS = 500

PRODUCTS = {
    "1001": ("Bread", "Rye", "Rye loaf", 320),
    "1002": ("Bread", "Rye", "Sweet-and-sour bread", 290),
    "1003": ("Bread", "White", "White loaf", 240),
    "1004": ("Bread", "White", "Sourdough", 480),
    "2001": ("Pastry", "Sweet", "Cinnamon bun", 210),
    "2002": ("Pastry", "Sweet", "Poppy-seed roll", 230),
    "2003": ("Pastry", "Savoury", "Bacon pie", 160),
    "2004": ("Pastry", "Savoury", "Cabbage pie", 150),
    "3001": ("Cake", "Whole", "Honey cake", 2600),
    "3002": ("Cake", "Slice", "Slice of honey cake", 420),
    "4001": ("Drinks", "Hot", "Coffee", 250),
    "4002": ("Drinks", "Hot", "Tea", 200),
    "4003": ("Drinks", "Cold", "Kvass", 220),
    "5001": ("Kitchen", "Soup", "Soup of the day", 560),
}


@dataclass(frozen=True, slots=True)
class Sale:
    """One receipt."""

    receipt: str
    customer: str
    store: str
    at: datetime
    gross_cents: int
    discount_cents: int
    payment: str
    items: int

    @property
    def net_cents(self) -> int:
        return self.gross_cents - self.discount_cents


@dataclass(slots=True)
class Shop:
    """Everything the files hold, receipts in the order of time."""

    today: date
    people: list[tuple[Person, date, bool, bool]] = field(default_factory=list)
    sales: list[Sale] = field(default_factory=list)
    refunds: list[tuple[str, Sale, datetime, int]] = field(default_factory=list)
    redemptions: list[tuple[str, Sale, int]] = field(default_factory=list)
    lines: list[tuple[str, int, str, int, int]] = field(default_factory=list)

    @property
    def first_day(self) -> date:
        return self.today - timedelta(days=365 * YEARS)


def make_shop(today: date, seed: int = 1) -> Shop:
    """Two years of a bakery up to and including `today`, the same for the same day and seed."""
    dice = Random(f"{seed}/{today.isoformat()}")
    shop = Shop(today)
    for number in range(1, CUSTOMERS + 1):
        _customer(shop, person(number, dice), choose(dice), dice)
    _strangers(shop, dice)
    shop.sales.sort(key=lambda sale: (sale.at, sale.receipt))
    return shop


def _customer(shop: Shop, who: Person, habit: Habit, dice: Random) -> None:
    is_old_friend = dice.random() < 0.55
    joined = shop.first_day + timedelta(days=-dice.randint(0, 900) if is_old_friend else dice.randint(0, 725))
    agrees = dice.random() < (0.78 if habit.name in ("devoted", "on Saturdays") else 0.55)
    shop.people.append((who, joined, agrees and bool(who.email), dice.random() < 0.2 and bool(who.phone)))
    first = max(joined, shop.first_day) + timedelta(days=dice.randint(0, 20) if is_old_friend else 0)
    home = dice.choices(list(STORES), [5, 3, 4])[0]
    middle = dice.uniform(*habit.basket)
    own = []
    for day in visit_days(habit, first=first, last=shop.today, dice=dice):
        store = home if dice.random() < 0.88 else dice.choice(list(STORES))
        own.append(
            _sale(
                receipt=f"{who.number}-{day:%y%m%d}",
                customer=who.number,
                store=store,
                day=day,
                middle=middle,
                bargain=habit.bargain,
                dice=dice,
            )
        )
    shop.sales += own
    for sale in own:
        if sale.net_cents > 300 and dice.random() < 0.008:
            back = sale.net_cents if dice.random() < 0.5 else sale.net_cents // dice.randint(2, 4)
            at = sale.at + timedelta(hours=dice.randint(1, 70), minutes=dice.randint(0, 59))
            if at.date() <= shop.today:
                shop.refunds.append((f"B-{sale.receipt}", sale, at, back))
    _use_points(shop, own, dice)
    if dice.random() < 0.05:
        for sale in own:
            _lines(shop, sale, dice)


def _sale(*, receipt: str, customer: str, store: str, day: date, middle: float, bargain: float, dice: Random) -> Sale:
    gross = max(90, round(middle * dice.lognormvariate(0, 0.35) / 5) * 5)
    discount = gross * dice.choice((10, 15, 20, 30)) // 100 if dice.random() < bargain else 0
    hour = dice.choices(range(7, 20), [5, 9, 8, 5, 4, 7, 9, 6, 5, 6, 9, 8, 4])[0]
    at = datetime.combine(day, time(hour, dice.randint(0, 59), dice.randint(0, 59)), ZONE)
    payment = dice.choices(("card", "cash", "mobile"), [62, 25, 13])[0]
    return Sale(receipt, customer, store, at, gross, discount, payment, max(1, gross // 350))


def _use_points(shop: Shop, own: list[Sale], dice: Random) -> None:
    """Use 500 points now and then, only where they are surely there, refunds taken off.

    Points live for a year, and a file comes up to two weeks after a visit that somebody made for an offer; what lapsed
    until that visit cannot be used on a day before it. So only points of the last eleven months are used.
    """
    given_back: dict[str, int] = {}
    for _number, sale, _at, cents in shop.refunds[-50:]:
        given_back[sale.receipt] = given_back.get(sale.receipt, 0) + cents
    earned: list[tuple[date, int]] = []
    used: list[tuple[date, int]] = []
    for sale in own:
        day = sale.at.date()
        since = day - timedelta(days=335)
        there = sum(points for on, points in earned if on > since) - sum(points for on, points in used if on > since)
        if there >= STEP_POINTS and sale.net_cents >= 500 and dice.random() < 0.3:
            shop.redemptions.append((f"P-{sale.receipt}", sale, STEP_POINTS))
            used.append((day, STEP_POINTS))
        kept = (sale.net_cents - given_back.get(sale.receipt, 0)) // 100
        earned.append((day, kept * (2 if day.weekday() >= 5 else 1)))


def _lines(shop: Shop, sale: Sale, dice: Random) -> None:
    """Split a receipt into lines whose sums are the receipt's."""
    count = min(sale.items, 4)
    gross_left, discount_left = sale.gross_cents, sale.discount_cents
    for number in range(1, count + 1):
        is_last = number == count
        gross = gross_left if is_last else sale.gross_cents // count
        discount = discount_left if is_last else sale.discount_cents // count
        gross_left -= gross
        discount_left -= discount
        shop.lines.append((sale.receipt, number, dice.choice(list(PRODUCTS)), gross, discount))


def _strangers(shop: Shop, dice: Random) -> None:
    """Sales to people we do not know: about a quarter of all."""
    wanted = len(shop.sales) // 3
    for number in range(wanted):
        day = shop.first_day + timedelta(days=dice.randint(0, 365 * YEARS))
        store = dice.choice(list(STORES))
        shop.sales.append(
            _sale(receipt=f"X{number:06d}", customer="", store=store, day=day, middle=1150, bargain=0.1, dice=dice)
        )


def _birthday(position: int) -> date | str:
    """Two of three say when they were born; some have their birthday on any day of the year."""
    if position % 3 == 2:
        return ""
    return date(1948 + position * 7 % 57, 1, 1) + timedelta(days=position * 37 % 365)


def write_people(shop: Shop, folder: Path) -> None:
    """Write who shops here and what is sold, in the columns of an import."""
    _write(
        folder / "customers.csv",
        "customer_id first_name last_name email phone locale joined_on birthday"
        " consent_email consent_sms consent_at card",
        (
            [
                *(who.number, who.first_name, who.last_name, who.email, who.phone, who.language, joined),
                _birthday(position),
                *("yes" if email else "no", "yes" if sms else "no", joined if email or sms else "", who.card),
            ]
            for position, (who, joined, email, sms) in enumerate(shop.people)
        ),
    )
    _write(
        folder / "products.csv",
        "product_id department category name brand package",
        ([key, *words[:3], "", ""] for key, words in PRODUCTS.items()),
    )


def write_visits(shop: Shop, folder: Path, *, since: datetime, until: datetime) -> None:
    """Write what happened after `since` and up to `until`, in the columns of an import."""
    _write(
        folder / "purchases.csv",
        "receipt_id customer_id store_id purchased_at gross_amount discount_amount net_amount items currency refund_of"
        " payment_method",
        (_receipt(sale) for sale in shop.sales if since < sale.at <= until),
    )
    written = {sale.receipt for sale in shop.sales if since < sale.at <= until}
    _write(
        folder / "refunds.csv",
        "receipt_id customer_id store_id purchased_at gross_amount discount_amount net_amount items currency refund_of",
        (
            [number, sale.customer, sale.store, at.isoformat(), *_money(-cents, 0, -cents), 1, "EUR", sale.receipt]
            for number, sale, at, cents in shop.refunds
            if since < at <= until
        ),
    )
    _write(
        folder / "points_redemptions.csv",
        "redemption_id customer_id points redeemed_at receipt_id",
        (
            [number, sale.customer, points, sale.at.isoformat(), sale.receipt]
            for number, sale, points in shop.redemptions
            if sale.receipt in written
        ),
    )
    _write(
        folder / "purchase_lines.csv",
        "receipt_id line_no product_id quantity gross_amount discount_amount net_amount",
        (
            [receipt, number, product, 1, *_money(gross, discount, gross - discount)]
            for receipt, number, product, gross, discount in shop.lines
            if receipt in written
        ),
    )


def _receipt(sale: Sale) -> list[object]:
    amounts = _money(sale.gross_cents, sale.discount_cents, sale.net_cents)
    return [
        *(sale.receipt, sale.customer, sale.store, sale.at.isoformat()),
        *(*amounts, sale.items, "EUR", "", sale.payment),
    ]


def _money(*cents: int) -> list[str]:
    return [f"{'-' if one < 0 else ''}{abs(one) // 100}.{abs(one) % 100:02d}" for one in cents]


def _write(path: Path, columns: str, rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(columns.split())
        out.writerows(rows)

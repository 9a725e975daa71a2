"""Files of a shop with thousands of receipts, the same for the same seed, one row in a hundred spoilt."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from loyaltycrm.core.tests.importing import LINE, RECEIPT, REDEMPTION, write_table

CUSTOMER = (
    "customer_id",
    "first_name",
    "last_name",
    "email",
    "joined_on",
    "consent_email",
    "consent_sms",
    "consent_at",
)
OPENING = datetime(2025, 1, 6, 7, tzinfo=UTC)
RIGA = ZoneInfo("Europe/Riga")
SPOILT = (("net_amount", "1_000"), ("purchased_at", "03/04/2025"), ("customer_id", "NOBODY"), ("store_id", ""))


@dataclass
class BusyShop:
    """The folder and the lines of its files that are spoilt, by file."""

    folder: Path
    spoilt: dict[str, list[int]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)


def busy_shop(folder: Path, *, customers: int, receipts: int, seed: int = 7) -> BusyShop:
    """Write the files. Uses of points and refunds follow the purchases; some use more than there is."""
    chance = random.Random(seed)
    folder.mkdir()
    shop = BusyShop(folder)
    people = [
        (f"C{n:06}", "Anna", f"Bērziņa {n}", f"anna{n}@example.com", "2025-01-01", "yes", "no", "2025-01-01")
        for n in range(customers)
    ]
    purchases: list[tuple[str, ...]] = []
    refunds: list[tuple[str, ...]] = []
    uses: list[tuple[str, ...]] = []
    lines: list[tuple[str, ...]] = []
    spoilt: list[int] = []
    for n in range(receipts):
        at = OPENING + timedelta(minutes=n * 500_000 / receipts)
        who = people[chance.randrange(customers)][0] if chance.random() < 0.8 else ""
        cents = chance.randrange(0, 20_000)
        cells = {
            "receipt_id": f"R{n:07}",
            "customer_id": who,
            "store_id": f"S{chance.randrange(3)}",
            "purchased_at": at.astimezone(RIGA).isoformat(),
            "gross_amount": _amount(cents),
            "discount_amount": "0.00",
            "net_amount": _amount(cents),
            "items": "1",
            "currency": "EUR",
            "refund_of": "",
        }
        bad = chance.random() < 0.01
        if bad:
            column, text = chance.choice(SPOILT)
            cells[column] = text
            spoilt.append(n + 2)
        purchases.append(tuple(cells[name] for name in RECEIPT))
        if bad:
            continue
        if cents and chance.random() < 0.03:
            back = chance.randrange(1, cents + 1)
            returned = {**cells, "receipt_id": f"F{n:07}", "refund_of": cells["receipt_id"]}
            returned |= {"gross_amount": f"-{_amount(back)}", "net_amount": f"-{_amount(back)}"}
            returned["purchased_at"] = (at + timedelta(days=3)).astimezone(RIGA).isoformat()
            refunds.append(tuple(returned[name] for name in RECEIPT))
        if who and chance.random() < 0.05:
            uses.append((f"P{n:07}", who, "500", at.astimezone(RIGA).isoformat(), cells["receipt_id"]))
        if n % 10 == 0:
            lines.append((cells["receipt_id"], "1", f"A{n % 50}", "1", _amount(cents), "0.00", _amount(cents)))
    write_table(folder / "customers.csv", CUSTOMER, people)
    write_table(folder / "purchases.csv", RECEIPT, purchases)
    write_table(folder / "refunds.csv", RECEIPT, refunds)
    write_table(folder / "points_redemptions.csv", REDEMPTION, uses)
    write_table(folder / "purchase_lines.csv", LINE, lines)
    shop.spoilt["purchases"] = spoilt
    shop.rows = {"customers": customers, "purchases": receipts, "refunds": len(refunds), "redemptions": len(uses)}
    return shop


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"

"""A shop's files, written line by line, for the examples of the oracle."""

from __future__ import annotations

from datetime import date

from loyaltycrm.tests.oracle import CsvRow, Row, replay


class TillFiles:
    """A till's files in the making; times are noon unless given."""

    def __init__(self) -> None:
        self.purchases: list[CsvRow] = []
        self.refunds: list[CsvRow] = []
        self.redemptions: list[CsvRow] = []

    def sale(
        self, receipt: str, day: str, net: str, *, at: str = "12:00:00", offset: str = "-05:00", who: str = "ann"
    ) -> None:
        self.purchases.append(
            {
                "receipt_id": receipt,
                "customer_id": who,
                "purchased_at": f"{day}T{at}{offset}",
                "net_amount": net,
                "refund_of": "",
            }
        )

    def refund(self, receipt: str, day: str, net: str, *, of: str, at: str = "12:00:00", who: str = "ann") -> None:
        self.refunds.append(
            {
                "receipt_id": receipt,
                "customer_id": who,
                "purchased_at": f"{day}T{at}-05:00",
                "net_amount": f"-{net}",
                "refund_of": of,
            }
        )

    def use(self, points: int, day: str, *, on: str, at: str = "12:00:00", who: str = "ann") -> None:
        self.redemptions.append(
            {
                "redemption_id": f"PR{on}",
                "customer_id": who,
                "points": str(points),
                "redeemed_at": f"{day}T{at}-05:00",
                "receipt_id": on,
            }
        )

    def everyone(self, as_of: str) -> dict[str, Row]:
        rows = replay(self.purchases, self.refunds, self.redemptions, date.fromisoformat(as_of))
        for row in rows.values():
            assert row.points_balance == (
                row.points_earned - row.points_spent - row.points_expired - row.points_taken_back
            )
        return rows

    def ann(self, as_of: str) -> Row:
        return self.everyone(as_of)["ann"]

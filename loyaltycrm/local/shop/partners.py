"""A partner of the sample shop: a bookshop at which its customers earn and use points."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

from customers.models import Customer
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from rewards.actions.partner_points import earn_at_partner, redeem_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner

READERS = 70
DAYS = 75


def fill_partner(*, now: datetime, today: date, by: User, dice: Random) -> None:
    """Two and a half months of a partner's business: purchases, uses of points and a few refunds, up to `now`."""
    partner = add_partner(
        code="BOOKS",
        content=PartnerContent(
            name="Lapas", contact="books@lapas.example", active_from=today - timedelta(days=DAYS), active_until=None
        ),
        terms=Terms(issued_rate=Decimal("1.25"), burned_rate=Decimal("0.9"), points=1, step_cents=100),
        by=by,
    )
    customers = list(Customer.objects.order_by("external_id"))
    for number, reader in enumerate(dice.sample(customers, min(READERS, len(customers)))):
        bought_at = now - timedelta(days=dice.randrange(2, DAYS - 2), minutes=dice.randrange(600))
        amount_cents = dice.randrange(4_00, 60_00)
        with suppress(Refused):
            earn_at_partner(
                partner=partner,
                customer=reader,
                reference=f"L{number:05d}",
                amount_cents=amount_cents,
                occurred_at=bought_at,
                by=None,
            )
            if number % 5 == 0:
                used_at = bought_at + timedelta(days=1)
                redeem_at_partner(
                    partner=partner,
                    customer=reader,
                    reference=f"P{number:05d}",
                    points=amount_cents // 200,
                    occurred_at=used_at,
                    by=None,
                )
            if number % 17 == 0:
                refund_at_partner(
                    partner=partner,
                    of=f"L{number:05d}",
                    reference=f"R{number:05d}",
                    points=1,
                    occurred_at=bought_at + timedelta(hours=30),
                    by=None,
                )

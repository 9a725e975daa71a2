"""What an offer may cost in money: what its codes gave so far, what is still to be expected of them, what is left."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Final

from django.db.models import Count

from loyaltycrm.core.models import Company
from rewards.audience import MAILED, ON_ITS_WAY
from rewards.effects.costs import cost_of_offer, later_codes_cents
from rewards.effects.forecast import used_so_far
from rewards.models import Delivery, Offer, VoucherStatus

_FOUR_PLACES: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Budget:
    """An offer's budget, all in cents: `used` by its codes, `planned` for codes that are out and still good."""

    budget_cents: int
    used_cents: int
    planned_cents: int

    @property
    def left_cents(self) -> int:
        """What further mails may be planned with; never less than nothing."""
        return max(self.budget_cents - self.used_cents - self.planned_cents, 0)

    @property
    def is_used_up(self) -> bool:
        """Whether what was really given has reached it."""
        return self.used_cents >= self.budget_cents

    @property
    def used_share(self) -> float:
        """The part of it that is used, 0 to 1."""
        return min(self.used_cents / self.budget_cents, 1.0)

    def mails(self, mail_cents: Decimal) -> int | None:
        """How many further mails it pays for, at so much each; None for no limit, where a mail costs nothing."""
        if self.is_used_up:
            return 0
        return int(self.left_cents / mail_cents) if mail_cents else None


def budget_of(offer: Offer) -> Budget | None:
    """What an offer may cost and does; None where it has no budget."""
    if offer.budget_cents is None:
        return None
    if not offer.is_saved:
        return Budget(offer.budget_cents, 0, 0)
    return Budget(offer.budget_cents, cost_of_offer(offer), _planned(offer))


def _planned(offer: Offer) -> int:
    """What the codes are expected to cost that are out, not used and still good: as their runs were planned, and those
    that came of uses in full."""
    out = Delivery.objects.filter(
        run__offer=offer,
        status__in=[*ON_ITS_WAY, *MAILED],
        voucher__status=VoucherStatus.ISSUED,
        voucher__good_through__gte=Company.current().today(),
    )
    counted = out.order_by().values_list("run__mail_cents").annotate(Count("pk"))
    mailed = round(sum(((each or Decimal(0)) * count for each, count in counted), Decimal(0)))
    return mailed + later_codes_cents(offer)


def expected_mail_cents(offer: Offer) -> Decimal:
    """What one mail of the offer is expected to cost: the share of codes that are used × what a use costs.

    Until enough codes are over to know the share, everybody is taken to use it. Rounded up: what costs something never
    counts as free, which would be no limit.
    """
    seen = used_so_far(offer)
    share = 1.0 if seen.share is None else seen.share
    return (Decimal(str(share)) * seen.each_cents).quantize(_FOUR_PLACES, ROUND_UP)

"""What offers cost: the value of what their codes gave, of the points, and of the later codes that came of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from typing import Any, Final

from django.db.models import Count, Sum

from loyaltycrm.core.models import Company
from rewards.effects.usual import usual_cents
from rewards.models import Offer, Redemption, Voucher, VoucherStatus
from rewards.programme import load_programmes

# From a use to the mail that led to it: its code's own, or that of the code whose use gave this one.
_MAILS: Final = ("voucher__delivery", "voucher__origin__voucher__delivery")


def cost_of_runs(run_ids: Iterable[int]) -> dict[int, int]:
    """{run: what was given for its codes, in cents}; a use that was undone costs nothing."""
    return _costs(run__in=list(run_ids))


def cost_of_offer(offer: Offer) -> int:
    """What was given for the codes of an offer's mails, in cents, also of those that are not known to have arrived."""
    return sum(_costs(run__offer=offer).values())


def later_codes_cents(offer: Offer) -> int:
    """What the codes for later visits, which came of uses of an offer's codes, will cost where they are still good."""
    later = Voucher.objects.filter(
        origin__voucher__delivery__run__offer=offer,
        status=VoucherStatus.ISSUED,
        good_through__gte=Company.current().today(),
    )
    counted = later.order_by().values_list("benefit").annotate(Count("pk"))
    return sum(usual_cents(benefit) * count for benefit, count in counted)


def cost_of_offers(first: date, last: date) -> int:
    """What was given for codes of offers on these days, in cents."""
    return sum(_costs(days=(first, last), run__isnull=False).values())


def _costs(*, days: tuple[date, date] | None = None, **mails: Any) -> dict[int, int]:
    """{run: cents} over the mails asked for; points are worth what the programme of their day makes of them."""
    programmes = load_programmes()
    cents: dict[int, Fraction] = defaultdict(Fraction)
    for mail in _MAILS:
        used = Redemption.objects.filter(
            **{f"{mail}__{name}": asked for name, asked in mails.items()}, undone_at__isnull=True
        )
        if days is not None:
            used = used.filter(business_date__range=days)
        rows = used.order_by().values_list(f"{mail}__run", "business_date")
        for run, day, given_cents, points in rows.annotate(Sum("value_cents"), Sum("bonus_points")):
            worth = programmes.at(day).rules.redemption
            cents[run] += given_cents + Fraction(int(points) * worth.value_cents, worth.points)
    return {run: round(total) for run, total in cents.items()}

"""A choice of an offer as its mail would say it to one customer, before any run has chosen.

Which product of a customer's own it is for tells what they bought. So whoever may not see all of their visits is shown
an example, as is everybody where no such product is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from customers.models import Customer, Product
from customers.queries import all_visits_seen
from loyaltycrm.core.models import Company, User
from rewards.choices import Option
from rewards.choices.goods import usual_good
from rewards.models import OWN, ChosenBenefit, OwnProduct


@dataclass(frozen=True, slots=True)
class ShownOption:
    """A choice with the product that the mail names, "" where it names none, and why as facts.

    `is_example` where that product is not known to be the customer's own.
    """

    number: int = OWN
    product: str = ""
    is_example: bool = False
    reasons: tuple[dict[str, Any], ...] = ()


def shown_to(customer: Customer | None, option: Option, *, user: User) -> ShownOption:
    """This choice as the customer would get it, as far as this person may know of it. Changes nothing."""
    if not option.needs_product:
        return ShownOption(option.number)
    known = _known(customer, option.own_product) if customer and all_visits_seen(customer, user) else None
    if known is not None:
        return ShownOption(option.number, known[0], reasons=known[1])
    example = Product.objects.exclude(name="").order_by("-pk").first()
    return ShownOption(option.number, example.name if example else "–", is_example=True)


def _known(customer: Customer, own: str) -> tuple[str, tuple[dict[str, Any], ...]] | None:
    """What they usually buy, as of today; of what needs all receipts to be learned from, what a run found last."""
    if own == OwnProduct.USUAL:
        usual = usual_good(customer.pk, Company.current().today())
        if usual is None:
            return None
        name = usual.product.name
        return name, ({"kind": "buys", "product": name, "every_days": usual.every_days},)
    got = ChosenBenefit.objects.filter(
        delivery__customer=customer, product__isnull=False, reasons__contains=[{"kind": own}]
    )
    newest = got.select_related("product").order_by("-pk").first()
    if newest is None or newest.product is None:
        return None
    return newest.product.name, tuple(reason for reason in newest.reasons if reason["kind"] == own)

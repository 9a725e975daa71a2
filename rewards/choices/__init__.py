"""Which benefit of an offer a customer gets, when, and why.

An offer has its own benefit and may have further choices. A run freezes them all, and planning draws one for each
reader by what moves them, with a known probability; the code, the mail and every page say what was drawn. The formulas
are in docs/personal.md. Whoever needs the benefit of a mail asks `given_by`; those among which a run chose,
`options_of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from rewards.benefits import OfGoods, Terms, as_stored, read_benefit
from rewards.models import OWN, ChosenBenefit, Delivery, Offer, OwnProduct, Run

PRODUCT: Final = "{product}"


@dataclass(frozen=True, slots=True)
class Given:
    """A benefit with its name in every language, as a code carries them."""

    benefit: Terms
    names: Mapping[str, str]

    def for_product(self, *, product_id: str, name: str) -> Given | None:
        """The same for one product only, which its names name; None where no benefit can hold that product's number."""
        if not isinstance(self.benefit, OfGoods):
            return self
        narrowed = self.benefit.model_copy(update={"products": [product_id], "categories": []})
        try:
            benefit = read_benefit(as_stored(narrowed))
        except ValidationError:
            return None
        return Given(benefit, {code: text.replace(PRODUCT, name) for code, text in self.names.items()})


@dataclass(frozen=True, slots=True)
class Option:
    """One of the benefits among which a run chooses."""

    number: int
    motive: str
    own_product: str
    given: Given

    @property
    def needs_product(self) -> bool:
        return self.own_product != OwnProduct.NONE


def frozen_choices(offer: Offer) -> list[dict[str, Any]]:
    """What a run keeps of the choices of its offer; nothing where its own benefit is the only one."""
    further = list(offer.choices.order_by("pk")) if offer.is_saved else []
    if not further:
        return []
    own = {"number": OWN, "motive": offer.motive, "own_product": ""}
    return [
        {**own, "benefit": as_stored(offer.benefit), "names": dict(offer.benefit_names)},
        *(
            {
                "number": one.pk,
                "motive": one.motive,
                "own_product": one.own_product,
                "benefit": as_stored(one.benefit),
                "names": dict(one.benefit_names),
            }
            for one in further
        ),
    ]


def options_of(run: Run) -> dict[int, Option]:
    """{number: option} of a run, its offer's own benefit first."""
    if not run.choices:
        return {OWN: Option(OWN, "", "", Given(run.benefit, run.benefit_names))}
    return {
        kept["number"]: Option(
            kept["number"], kept["motive"], kept["own_product"], Given(read_benefit(kept["benefit"]), kept["names"])
        )
        for kept in run.choices
    }


def benefits_of(offer: Offer) -> list[Terms]:
    """All benefits that an offer may give, its own first."""
    further = offer.choices.order_by("pk") if offer.is_saved else []
    return [offer.benefit, *(one.benefit for one in further)]


def given_by(delivery: Delivery) -> Given:
    """What a mail gives, or would have given: that of its code, else that of its run."""
    if delivery.voucher is not None:
        return Given(delivery.voucher.benefit, delivery.voucher.names)
    return Given(delivery.run.benefit, delivery.run.benefit_names)


def chosen_of(deliveries: Iterable[Delivery]) -> dict[int, ChosenBenefit]:
    """{delivery: what was chosen for it} of those that were chosen for."""
    found = ChosenBenefit.objects.filter(delivery__in=[delivery.pk for delivery in deliveries])
    return {one.delivery_id: one for one in found.select_related("product")}

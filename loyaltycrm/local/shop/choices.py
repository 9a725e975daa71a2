"""An offer of the sample shop that is another thing for each of its readers."""

from __future__ import annotations

from dataclasses import replace

from loyaltycrm.core.models import User
from rewards.actions.choices import ChoiceContent, add_choice, set_own_choice
from rewards.actions.offers import content_of, create_offer
from rewards.benefits import FreeItem, PercentOff
from rewards.models import Motive, Offer, OwnProduct

_WAIT_DAYS = 3


def offer_for_each(offer: Offer, by: User) -> Offer:
    """The same money off for whom the price moves, a coffee in passing, or a part off what they always take."""
    made = create_offer(content=replace(content_of(offer), name="To each their own"), by=by)
    for benefit, names, motive, own_product in (
        (
            FreeItem(worth_cents=2_50),
            ("a coffee to go with it", "kafija līdzņemšanai", "кофе с собой"),
            Motive.CONVENIENCE,
            OwnProduct.NONE,
        ),
        (
            PercentOff(basis_points=2_000),
            ("20% off {product}", "20 % atlaide: {product}", "скидка 20 %: {product}"),
            Motive.ATTENTION,
            OwnProduct.USUAL,
        ),
    ):
        content = ChoiceContent(
            benefit=benefit,
            names=dict(zip(("en", "lv", "ru"), names, strict=True)),
            motive=motive,
            own_product=own_product,
        )
        add_choice(offer=made, content=content, by=by)
    return set_own_choice(offer=made, motive=Motive.PRICE, own_time_days=_WAIT_DAYS, by=by)

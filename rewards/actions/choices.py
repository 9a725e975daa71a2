"""The choices of an offer, and whom each speaks to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from rewards.actions.catalogue import names_in_every_language
from rewards.benefits import Benefit, OfGoods, as_stored
from rewards.choices import PRODUCT
from rewards.models import LONGEST_WAIT_DAYS, Motive, Offer, OfferChoice, OfferStatus, OwnProduct
from rewards.wording import placeholders_of

MOST_CHOICES: Final = 8
LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceContent:
    """What a manager sets of a choice, as on `OfferChoice`; names by language."""

    benefit: Benefit
    names: Mapping[str, str]
    motive: str = Motive.ANY
    own_product: str = OwnProduct.NONE


@transaction.atomic
def add_choice(*, offer: Offer, content: ChoiceContent, by: User | None) -> OfferChoice:
    """Let an offer give this instead of its own benefit, from its next run on.

    Raises `Refused` for what cannot be, naming the field, for more than `MOST_CHOICES`, and for an offer that ended.
    """
    offer = _open(offer)
    if offer.choices.count() >= MOST_CHOICES:
        raise Refused(_("An offer has at most %(most)s choices beside its own benefit.") % {"most": MOST_CHOICES})
    choice = OfferChoice.objects.create(offer=offer, **_columns(content))
    audit.record("add choice", offer, by=by, data={"choice": choice.pk, **_told(choice)})
    return choice


@transaction.atomic
def edit_choice(*, choice: OfferChoice, content: ChoiceContent, by: User | None) -> OfferChoice:
    """Change a choice from the next run on; runs that are planned keep what they froze. Raises `Refused` as adding."""
    offer = _open(choice.offer)
    choice = OfferChoice.objects.select_for_update().get(pk=choice.pk)
    columns = _columns(content)
    changed = [name for name, new in columns.items() if getattr(choice, name) != new]
    if changed:
        for name in changed:
            setattr(choice, name, columns[name])
        choice.save(update_fields=changed)
        audit.record("edit choice", offer, by=by, data={"choice": choice.pk, **_told(choice)})
    return choice


@transaction.atomic
def remove_choice(*, choice: OfferChoice, by: User | None) -> None:
    """Give it in no further run; codes that customers have stay good. Raises `Refused` for an offer that ended."""
    offer = _open(choice.offer)
    number = choice.pk
    if OfferChoice.objects.filter(pk=number).delete()[0]:
        audit.record("remove choice", offer, by=by, data={"choice": number})


@transaction.atomic
def set_own_choice(*, offer: Offer, motive: str, own_time_days: int, by: User | None) -> Offer:
    """Say whom the offer's own benefit speaks to, and how many days a mail may wait for its reader's time (0: none).

    Raises `Refused` for what cannot be, naming the field, and for an offer that ended.
    """
    offer = _open(offer)
    if motive not in Motive.values:
        raise Refused(_("Choose one of the options shown"), field="motive")
    if not 0 <= own_time_days <= LONGEST_WAIT_DAYS:
        raise Refused(
            _("Enter a number of days from 0 to %(most)s.") % {"most": LONGEST_WAIT_DAYS}, field="own_time_days"
        )
    if (offer.motive, offer.own_time_days) != (motive, own_time_days):
        offer.motive, offer.own_time_days = motive, own_time_days
        offer.save(update_fields=["motive", "own_time_days"])
        audit.record("edit offer", offer, by=by, data={"motive": motive, "own_time_days": own_time_days})
    return offer


@transaction.atomic
def copy_choices(*, source: Offer, target: Offer) -> None:
    """Give a new offer the choices of another, with whom they speak to and how long mails may wait."""
    target.motive, target.own_time_days = source.motive, source.own_time_days
    target.save(update_fields=["motive", "own_time_days"])
    for choice in source.choices.order_by("pk"):
        choice.pk, choice.offer = None, target
        choice.save(force_insert=True)


def _open(offer: Offer) -> Offer:
    offer = Offer.objects.select_for_update().get(pk=offer.pk)
    if offer.status == OfferStatus.ENDED:
        raise Refused(_("This offer has ended. Make a new one."))
    return offer


def _columns(content: ChoiceContent) -> dict[str, Any]:
    if content.motive not in Motive.values:
        raise Refused(_("Choose one of the options shown"), field="motive")
    names = names_in_every_language(content.names, _("Name the benefit in every language."))
    named = content.own_product != OwnProduct.NONE
    if named and not isinstance(content.benefit, OfGoods):
        raise Refused(_("This benefit is not for goods. Choose “As the terms say”."), field="own_product")
    for code, name in names.items():
        if len(name) > LONGEST_NAME:
            raise Refused(_("Write at most %(most)s characters.") % {"most": LONGEST_NAME}, field=f"name_{code}")
        if placeholders_of(name) != ([PRODUCT] if named else []):
            words = (
                _("Write {product} once, where the product’s name is to stand.") if named else _("Use no braces here.")
            )
            raise Refused(words, field=f"name_{code}")
    return {
        "benefit": content.benefit,
        "benefit_names": names,
        "motive": content.motive,
        "own_product": content.own_product,
    }


def _told(choice: OfferChoice) -> dict[str, Any]:
    return {
        "benefit": as_stored(choice.benefit),
        "names": choice.benefit_names,
        "motive": choice.motive,
        "own_product": choice.own_product,
    }

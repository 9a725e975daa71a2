"""An active offer for one customer: whether it could be sent to them now, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.models import Customer
from customers.segments import counts_of
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from rewards.audience import complete_languages, place_of_one
from rewards.funnels import is_used_up
from rewards.knobs import OFFER_GAP_DAYS
from rewards.models import DeliveryReason, DeliveryStatus, Offer, OfferStatus, OneReader, Run, RunStatus


@dataclass(frozen=True)
class OfferForOne:
    """An active offer as it stands to one customer: whether its audience names them, and why it could not be sent now
    (blank where it could)."""

    offer: Offer
    is_named: bool
    why_not: str


class Reader:
    """One customer whom offers may be sent to. What holds for every offer is asked once."""

    def __init__(self, customer: Customer) -> None:
        self.customer = customer

    @cached_property
    def why_none(self) -> str:
        """Why no offer at all could be sent to them now, in words; blank where one could."""
        every = [code for code, _name in settings.LANGUAGES]
        status, reason = place_of_one(self.customer, languages=every, today=Company.current().today())
        if status == DeliveryStatus.HELD_OUT:
            return _("Held out of all offers")
        if reason == DeliveryReason.FREQUENCY:
            days = value(OFFER_GAP_DAYS)
            words = ngettext(
                "The household had an offer, or was in a control group, within %(count)s day",
                "The household had an offer, or was in a control group, within %(count)s days",
                days,
            )
            return words % {"count": days}
        if reason == DeliveryReason.NONE and waiting_for(self.customer):
            return _("An offer sent by hand waits to leave")
        return str(DeliveryReason(reason).label)

    def why_not(self, offer: Offer) -> str:
        """Why this offer could not be sent to them now, in words; blank where it could."""
        if self.why_none:
            return self.why_none
        if self.customer.language not in complete_languages(offer.texts, offer.benefit_names):
            return str(DeliveryReason.NO_TEXT.label)
        return str(is_used_up(offer).label)


def why_not_for(offer: Offer, customer: Customer) -> str:
    """Why an offer could not be sent to a customer now, in words; blank where it could."""
    return Reader(customer).why_not(offer)


def offers_for(reader: Reader) -> list[OfferForOne]:
    """Every active offer as it stands to one customer, by name."""
    offers = list(Offer.objects.filter(status=OfferStatus.ACTIVE).select_related("segment").order_by("name", "pk"))
    named = counts_of({offer.pk: offer.audience for offer in offers}, only=reader.customer)
    return [OfferForOne(offer, bool(named[offer.pk]), reader.why_not(offer)) for offer in offers]


def waiting_for(customer: Customer) -> list[Run]:
    """The runs for this customer alone that are not planned yet, the newest first."""
    own = OneReader.objects.filter(customer=customer, run__planned_at=None).exclude(run__status=RunStatus.CANCELLED)
    return [one.run for one in own.select_related("run__offer").order_by("-run")]

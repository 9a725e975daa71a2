"""What receivers of webhooks can be told about points, tiers, codes and offers."""

from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.event_kinds import EventKind, declare

POINTS_CHANGED = declare(EventKind("points.changed", label=_("Points came or went"), group=_("Points")))
TIER_CHANGED = declare(EventKind("tier.changed", label=_("A customer's tier changed"), group=_("Tiers")))
VOUCHER_ISSUED = declare(EventKind("voucher.issued", label=_("A code was issued"), group=_("Codes")))
VOUCHER_USED = declare(EventKind("voucher.used", label=_("A code or a reward was used"), group=_("Codes")))
VOUCHER_JOINED = declare(
    EventKind("voucher.joined", label=_("Points used before became part of a visit"), group=_("Codes"))
)
VOUCHER_RETURNED = declare(
    EventKind("voucher.returned", label=_("The use of a code or a reward was undone"), group=_("Codes"))
)
OFFER_SENT = declare(EventKind("offer.sent", label=_("An offer was sent to a customer"), group=_("Offers")))
OFFER_FINISHED = declare(EventKind("offer.finished", label=_("The sending of an offer ended"), group=_("Offers")))

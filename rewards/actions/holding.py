"""Holding all sending, as after a backup was restored: what was mailed since then is not known any more."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import User
from rewards.actions.offers import pause_offer
from rewards.actions.runs import pause_run
from rewards.models import Offer, OfferStatus, Run, RunStatus


@dataclass(frozen=True, slots=True)
class Held:
    """How many offers and runs were paused."""

    offers: int
    runs: int


@transaction.atomic
def hold_sending(*, by: User | None, note: str = "") -> Held:
    """Pause every active offer and every run that is planned or under way, all of them or none.

    Doing it again changes nothing. A person lets each offer and each run go on; an offer that does starts no run of a
    moment before that.
    """
    offers = list(Offer.objects.select_for_update().filter(status=OfferStatus.ACTIVE).order_by("id"))
    for offer in offers:
        pause_offer(offer=offer, by=by)
    standing = Run.objects.filter(status__in=[RunStatus.PLANNED, RunStatus.SENDING])
    runs = list(standing.select_for_update(of=("self",)).order_by("id"))
    for run in runs:
        pause_run(run=run, by=by, note=note)
    held = Held(len(offers), len(runs))
    if offers or runs:
        audit.record("hold sending", None, by=by, data={"offers": held.offers, "runs": held.runs})
    return held

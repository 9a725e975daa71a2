"""Holding all sending, as after a backup was restored: what was mailed since then is not known any more.

A restored database gives itself away: it brings along how the one of the backup knew itself (`KnownDatabase`), and the
server, its timeline, the database or its tables are others now. Before anything leaves, that is looked at. A copy of
the server's whole disk is the one thing that cannot be told from the original.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _lazy

from customers.actions.mailing import stop_all_mails
from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import User
from rewards.actions.offers import pause_offer
from rewards.actions.runs import in_company_language, pause_run
from rewards.models import KnownDatabase, Offer, OfferStatus, Run, RunStatus

logger = logging.getLogger(__name__)


RESTORED: Final = _lazy("A backup was restored. Some readers may have had this mail already. When in doubt, cancel it.")
_IDENTITY: Final = """
    SELECT 'server ' || s.system_identifier || ', timeline ' || c.timeline_id || ', database ' || d.oid
        || ', table ' || 'rewards_delivery'::regclass::oid
    FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d WHERE d.datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Held:
    """How many offers and runs were paused, and how many mails to one customer were stopped."""

    offers: int
    runs: int
    mails: int


@transaction.atomic
def hold_sending(*, by: User | None, note: str = "") -> Held:
    """Pause every active offer and every run that is planned or under way, stop the receipts that wait: all or none.

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
    held = Held(len(offers), len(runs), stop_all_mails(by=by))
    if offers or runs:
        audit.record("hold sending", None, by=by, data={"offers": held.offers, "runs": held.runs})
    return held


def hold_if_restored() -> bool:
    """Hold all sending once when this is not the database that was known; return whether it is another one.

    Whoever calls it first takes the database for the known one. To be called before anything is sent: it reads two
    rows, and writes only where something is new.
    """
    here = _identity()
    known = KnownDatabase.objects.filter(pk=1).values_list("identity", flat=True).first()
    if known == here:
        return False
    with transaction.atomic():
        row, is_new = KnownDatabase.objects.select_for_update().get_or_create(pk=1, defaults={"identity": here})
        if is_new or row.identity == here:
            return False
        before, row.identity, row.since = row.identity, here, timezone.now()
        row.save()
        audit.record("notice restored database", row, by=None, data={"before": before, "here": here})
        hold_sending(by=None, note=in_company_language(RESTORED))
    logger.warning("This database was restored from a backup: all offers and runs are paused.")
    return True


def _identity() -> str:
    with connection.cursor() as cursor:
        cursor.execute(_IDENTITY)
        return str(cursor.fetchone()[0])

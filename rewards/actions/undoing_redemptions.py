"""Undoing a use of points or of a code that was a mistake at the till."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import announce
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.following import refuse_if_followed, unfollow
from rewards.actions.telling import returned_voucher
from rewards.knobs import UNDO_MINUTES
from rewards.ledger import UndidRedemption, load_states, lock_accounts, replay, write
from rewards.models import Posting, Redemption, VoucherStatus
from rewards.programme import load_programmes


@atomic_with_retry
def undo_redemption(*, redemption: Redemption, by: User | None) -> Redemption:
    """Undo a use of points or of a code made by mistake: points return to their lots, an offer's code is good again.

    Raises `Refused` after the time for undoing, or a second time, where the code changed the visit, and where what it
    led to was used already.
    """
    # Before the row: so does whoever takes the whole visit back. A merge may have moved it since the caller read it.
    lock_accounts(list(Redemption.objects.filter(pk=redemption.pk).values_list("customer_id", flat=True)))
    redemption = Redemption.objects.select_for_update(of=("self",)).get(pk=redemption.pk)
    if redemption.undone_at is not None:
        raise Refused(_("This was undone already."))
    now = timezone.now()
    if now > redemption.redeemed_at + timedelta(minutes=value(UNDO_MINUTES)):
        raise Refused(_("The time to undo this is over. Ask a manager for a correction."))
    if redemption.changed_visit:
        raise Refused(_("This code changed the visit. Undo the visit instead."))
    refuse_if_followed(redemption)
    if redemption.posting is not None:
        _return_points(redemption, redemption.posting, by=by)
    redemption.undone_at = now
    redemption.save(update_fields=["undone_at"])
    unfollow(redemption, by=by)
    voucher = redemption.voucher
    if voucher is not None:
        voucher.status = VoucherStatus.ISSUED if voucher.is_good_after_undoing else VoucherStatus.VOID
        voucher.save(update_fields=["status"])
    audit.record("undo redemption", redemption, by=by, data={"points": redemption.points})
    is_good_again = voucher is not None and voucher.status == VoucherStatus.ISSUED
    announce(returned_voucher(redemption, is_good_again=is_good_again))
    return redemption


def _return_points(redemption: Redemption, posting: Posting, *, by: User | None) -> None:
    programmes = load_programmes()
    now = timezone.now()
    customer_id = redemption.customer_id
    state = load_states([customer_id], programmes, spendings=[posting.reference])[customer_id]
    event = UndidRedemption(
        occurred_at=now,
        business_date=redemption.store.business_date(now) if redemption.store else Company.current().today(now),
        reference=f"undo:redemption:{redemption.pk}",
        origin=posting.reference,
    )
    write([(state, replay(state, [event], programmes, zone=Company.current().zone).entries)], by=by)

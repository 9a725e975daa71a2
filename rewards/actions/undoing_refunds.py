"""Undoing a refund that was typed wrong at the till: it is as if it had never been made."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.returned_lines import returned_of
from customers.actions.telling import refund_undone
from customers.actions.undone_refunds import take_refund_off
from customers.models import Refund, UndoneRefund, Visit
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import announce
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.own_account import refuse_own_account
from rewards.actions.tiers import review_tiers
from rewards.knobs import UNDO_MINUTES
from rewards.ledger import UndidRefund, load_states, moved_by, replay, what_builds_on, write
from rewards.models import Account, PostingKind
from rewards.programme import load_programmes


def undo_refund_until(refund: Refund) -> datetime:
    """Until when the till may undo a refund, counted from when it was saved."""
    return refund.recorded_at + timedelta(minutes=value(UNDO_MINUTES))


@atomic_with_retry
def undo_refund(*, refund_id: int, by: User | None) -> UndoneRefund:
    """Undo a refund saved by mistake: points it took return, points it gave back are used again, arrears are as before.

    Undone again, nothing happens and the answer is the same. Raises `Refused` after the time for undoing, on the own
    account, where money was given back on the visit since, and where what was posted since builds on the refund;
    `UndoneRefund.DoesNotExist` for a refund that never was.
    """
    refund = Refund.objects.select_related("store").filter(pk=refund_id).first()
    if refund is None:
        return UndoneRefund.objects.get(refund=refund_id)
    visit = Visit.objects.select_for_update(of=("self",)).select_related("store").get(pk=refund.visit_id)
    known = UndoneRefund.objects.filter(refund=refund_id).first()
    if known is not None:
        return known
    refund.visit = visit
    refuse_own_account(by=by, customer_id=visit.customer_id)
    if timezone.now() > undo_refund_until(refund):
        raise Refused(_("The time to undo this refund is over. Ask a manager for a correction."))
    if visit.voided_at is not None:
        raise Refused(_("The visit of this refund was undone, and the refund with it. Nothing is left to undo."))
    if visit.refunds.filter(pk__gt=refund.pk).exists():
        raise Refused(_("Money was given back on this receipt again since. Undo that refund first."))
    returned = returned_of(refund)
    if visit.customer_id is None:
        undone = take_refund_off(refund=refund, by=by)
        _record(undone, by=by)
        announce(refund_undone(undone))
        return undone
    return _undo_with_points(refund, visit.customer_id, returned, by=by)


def _undo_with_points(
    refund: Refund, customer_id: int, returned: tuple[tuple[int, int], ...], *, by: User | None
) -> UndoneRefund:
    visit, origin, now = refund.visit, f"refund:{refund.pk}", timezone.now()
    moved = moved_by(origin)
    concerned = Account.objects.filter(pk__in=moved.accounts)
    if concerned.filter(merged_into__isnull=False).exists():
        raise Refused(_merged())
    owners = set(concerned.filter(customer__isnull=False).values_list("customer_id", flat=True))
    programmes = load_programmes()
    states = load_states({customer_id, *owners}, programmes, visit_ids=[visit.pk], refunds={visit.pk: origin})
    if (kind := what_builds_on(moved)) is not None:
        raise Refused(_why_not(kind))
    event = UndidRefund(
        occurred_at=now,
        business_date=refund.store.business_date(now),
        reference=f"undo:{origin}",
        visit=visit.pk,
        origin=origin,
        net_cents=refund.net_cents,
        lines=returned,
    )
    state = states[customer_id]
    done = replay(state, [event], programmes, zone=Company.current().zone)
    if done.refused:
        raise Refused(_changed())
    undone = take_refund_off(refund=refund, by=by)
    crash_point("refund.taken_off")
    _record(undone, by=by)
    write([(state, done.entries)], by=by, told=[refund_undone(undone)])
    crash_point("refund.points_turned")
    review_tiers([customer_id], programmes=programmes)
    return undone


def _record(undone: UndoneRefund, *, by: User | None) -> None:
    data = {"net_cents": undone.net_cents, "visit": undone.visit_id, "receipt": undone.receipt_id}
    audit.record("undo refund", undone, by=by, data=data)


def _why_not(kind: str) -> str:
    if kind == PostingKind.REDEEM:
        return _("Points were used since. Ask a manager for a correction.")
    return _merged() if kind in (PostingKind.MOVE, PostingKind.MOVE_DEBT) else _changed()


def _merged() -> str:
    return _("The customer was merged with another since. Ask a manager for a correction.")


def _changed() -> str:
    return _("The points that this refund moved have changed since. Ask a manager for a correction.")

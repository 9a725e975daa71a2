"""Taking a visit back with everything it caused: within minutes at the till, or by a manager at any time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.telling import undone_visit
from customers.actions.visits import mark_undone
from customers.models import Visit
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import announce
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.budgets import give_budgets_back
from rewards.actions.following import unfollow, what_was_had
from rewards.actions.own_account import refuse_own_account
from rewards.actions.telling import returned_voucher
from rewards.actions.tiers import review_tiers
from rewards.ledger import UndidVisit, load_states, replay, write
from rewards.models import Redemption, Voucher, VoucherStatus
from rewards.programme import load_programmes
from rewards.queries import Balance, balance_of, tier_of


@dataclass(frozen=True, slots=True)
class Standing:
    """What a customer has: the balance and the key of the tier."""

    balance: Balance
    tier: str


@dataclass(frozen=True, slots=True)
class VoidEffect:
    """What voiding a visit would do: the customer before and after (None for an anonymous visit), and the codes.

    `codes_again` are good again, `rewards_gone` were got for points on the visit and are good no longer. `codes_had`
    stay used, each with why: what they led to was had already.
    """

    before: Standing | None
    after: Standing | None
    codes_again: list[Voucher]
    rewards_gone: list[Voucher]
    codes_had: list[tuple[Voucher, str]]


@atomic_with_retry
def void_visit(*, visit: Visit, reason: str, by: User | None) -> Visit:
    """Take a visit back at any time, with a reason: it then counts nowhere.

    What is left of its points goes, points used on it come back, codes used on it are good again unless what they led
    to was had already, tiers are reviewed;
    what refunds took or gave back before is not done twice. Raises `Refused` without a reason, on the own account, or
    when it was undone already.
    """
    if not reason.strip():
        raise Refused(_("Write why, so that others understand it later."), field="reason")
    refuse_own_account(by=by, customer_id=visit.customer_id)
    return take_visit_back(visit=visit, action="void visit", reason=reason.strip(), by=by)


@transaction.atomic
def preview_void(visit: Visit, *, by: User | None) -> VoidEffect:
    """What voiding a visit would do: it is done and given up again. Raises `Refused` as `void_visit` does."""
    refuse_own_account(by=by, customer_id=visit.customer_id)
    used = Voucher.objects.filter(redemptions__visit=visit, redemptions__undone_at__isnull=True).order_by("id")
    vouchers = list(used.select_related("reward", "origin"))
    before = _standing(visit)
    with transaction.atomic():
        take_visit_back(visit=Visit.objects.get(pk=visit.pk), action="void visit", by=by)
        after = _standing(visit)
        had = what_was_had(list(visit.redemptions.filter(undone_at__isnull=True).values_list("pk", flat=True)))
        owners = dict(Redemption.objects.filter(pk__in=had).values_list("voucher_id", "pk"))
        became = dict(Voucher.objects.filter(id__in=[one.pk for one in vouchers]).values_list("id", "status"))
        transaction.set_rollback(True)
    return VoidEffect(
        before=before,
        after=after,
        codes_again=[voucher for voucher in vouchers if became[voucher.pk] == VoucherStatus.ISSUED],
        rewards_gone=[
            voucher for voucher in vouchers if became[voucher.pk] == VoucherStatus.VOID and _is_paid_back_with(voucher)
        ],
        codes_had=[(voucher, had[owners[voucher.pk]]) for voucher in vouchers if voucher.pk in owners],
    )


def _is_paid_back_with(voucher: Voucher) -> bool:
    """Whether its points come back with its use: not where they came back before."""
    return voucher.reward_id is not None and (voucher.origin is None or voucher.origin.undone_at is None)


def _standing(visit: Visit) -> Standing | None:
    customer = visit.customer
    return None if customer is None else Standing(balance_of(customer), tier_of(customer))


def take_visit_back(*, visit: Visit, action: str, reason: str = "", by: User | None) -> Visit:
    """Reverse all that a visit caused, in the caller's transaction. Nothing is deleted; linked postings are written.

    The one way for the till's undo and a manager's void. Locks the visit, then the account. Raises `Refused` when it
    was undone already.
    """
    visit = mark_undone(visit=visit, reason=reason, by=by)
    crash_point("void.visit")
    audit.record(action, visit, by=by, data={"net_cents": visit.net_cents, "reason": reason})
    told = [undone_visit(visit)]
    if visit.customer_id is None:
        announce(*told)
        return visit
    now = visit.voided_at or timezone.now()
    day = visit.store.business_date(now)
    programmes = load_programmes()
    state = load_states([visit.customer_id], programmes, visit_ids=[visit.pk])[visit.customer_id]
    event = UndidVisit(occurred_at=now, business_date=day, reference=f"undo:visit:{visit.pk}", visit=visit.pk)
    write([(state, replay(state, [event], programmes, zone=Company.current().zone).entries)], by=by, told=told)
    give_budgets_back(visit, programmes)
    crash_point("void.points")
    grace = timedelta(days=programmes.at(day).rules.refunds.grace_days - 1)
    _undo_redemptions(visit, now, good_again_through=day + grace, by=by)
    crash_point("void.codes")
    review_tiers([visit.customer_id], programmes=programmes)
    crash_point("void.tier")
    return visit


def _undo_redemptions(visit: Visit, now: datetime, *, good_again_through: date, by: User | None) -> None:
    """Undo what was used on the visit, but for codes of which something was had elsewhere.

    A code that ended meanwhile gets the grace that returned points get.
    """
    standing = Redemption.objects.filter(visit=visit, undone_at__isnull=True)
    by_codes = standing.filter(points=0).values_list("pk", flat=True)
    goes_too = standing.filter(voucher__origin__isnull=False).values_list("voucher__origin", flat=True)
    standing = standing.exclude(pk__in=set(what_was_had(list(by_codes))) - set(goes_too))
    undone = list(standing.select_related("membership").order_by("pk"))
    for use in undone:
        unfollow(use, by=by)
    standing.update(undone_at=now)
    # Read now: a code and what it was issued by may have been used on the same visit.
    used = Redemption.objects.filter(pk__in=[use.pk for use in undone]).order_by("pk")
    uses = list(used.select_related("voucher__origin", "store"))
    codes = [use.voucher.pk for use in uses if use.voucher and use.voucher.is_good_after_undoing]
    gone = [use.voucher.pk for use in uses if use.voucher and not use.voucher.is_good_after_undoing]
    again = Voucher.objects.filter(id__in=codes)
    again.filter(good_through__lt=visit.store.business_date(now)).update(good_through=good_again_through)
    again.update(status=VoucherStatus.ISSUED)
    Voucher.objects.filter(id__in=gone).update(status=VoucherStatus.VOID)
    if uses:
        announce(*(returned_voucher(use, is_good_again=use.voucher_id in codes) for use in uses))

"""Points given or taken by a person's hand: asked, approved above the limit, posted, reversed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.db import connection
from django.db.models import F, Sum
from django.db.models.functions import Abs
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.visits import is_whole
from customers.models import Customer
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.idempotency import answered, once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import Knob, value, value_without
from loyaltycrm.core.models import Company, Role, User
from loyaltycrm.core.permissions import Permission
from loyaltycrm.core.second_person import check_second_person
from loyaltycrm.lib import formats
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.own_account import refuse_own_account
from rewards.actions.redeeming import refusal_in_words
from rewards.actions.rehearsing import rehearse
from rewards.knobs import ADJUSTMENT_APPROVAL_POINTS, ADJUSTMENT_CAP_ADMIN_POINTS, ADJUSTMENT_CAP_MANAGER_POINTS
from rewards.ledger import Adjusted, Event, ReversedAdjustment, load_states, lock_accounts, replay, reversal_of, write
from rewards.models import Adjustment, AdjustmentReason, AdjustmentStatus, Posting
from rewards.models.adjustment import LARGEST_ADJUSTMENT_POINTS
from rewards.programme import load_programmes

_CAPS = {Role.MANAGER: ADJUSTMENT_CAP_MANAGER_POINTS, Role.ADMIN: ADJUSTMENT_CAP_ADMIN_POINTS}


@dataclass(frozen=True, slots=True)
class AdjustmentEffect:
    """What an adjustment would do: the available balance before and after, and the last good day of points given.

    `needs_approval`: nothing is posted until a second person has approved.
    """

    points: int
    before: int
    after: int
    good_through: date | None
    needs_approval: bool


def preview_adjustment(*, customer: Customer, points: int, by: User) -> AdjustmentEffect:
    """What adjusting by this many points, negative to take, would do now. Changes nothing.

    Raises `Refused` as `adjust_points` does.
    """
    customer = customer.current
    now = timezone.now()
    day = Company.current().today(now)
    needs_approval = _check_limits(customer, points, day, by)
    return _effect(customer, points, now, day, needs_approval)


def effect_of(adjustment: Adjustment) -> AdjustmentEffect:
    """What a waiting adjustment would do if it were posted now. Raises `Refused` where points are missing by now."""
    now = timezone.now()
    day = Company.current().today(now)
    return _effect(adjustment.customer, adjustment.points, now, day, needs_approval=True)


def _effect(customer: Customer, points: int, now: datetime, day: date, needs_approval: bool) -> AdjustmentEffect:
    rehearsal = rehearse(Adjusted(now, day, "rehearsal", points), customer_id=customer.pk)
    if rehearsal.refusal is not None:
        raise refusal_in_words(rehearsal.refusal)
    lots = [lot for entry in rehearsal.entries for lot in entry.new_lots]
    good_through = lots[0].good_through if lots else None
    return AdjustmentEffect(points, rehearsal.before, rehearsal.after, good_through, needs_approval)


def _check_limits(customer: Customer, points: int, day: date, by: User) -> bool:
    """Refuse what this person may not ask for; return whether a second person has to approve it.

    What the same person moved on the same customer that day counts with it, so that no limit is passed in slices.
    """
    refuse_own_account(by=by, customer_id=customer.pk)
    if not is_whole(points) or not 0 < abs(points) <= LARGEST_ADJUSTMENT_POINTS:
        raise Refused(_("Enter a whole number of points, at least 1."), field="points")
    cap = _CAPS.get(Role(by.role))
    if cap is None:
        raise Refused(_("Your role may not adjust points. Ask a manager."))
    mine = Adjustment.objects.filter(asked_by=by, asked_on=day).exclude(status=AdjustmentStatus.DECLINED)
    left = _limit(cap, day, by) - _moved(mine)
    if abs(points) > left:
        words = _("Over your limit for one day: %(points)s, and %(left)s left today. Ask another manager.")
        raise Refused(
            words % {"points": formats.points(abs(points)), "left": formats.number(max(left, 0))}, field="points"
        )
    here = abs(points) + _moved(mine.filter(customer=customer))
    return here > _limit(ADJUSTMENT_APPROVAL_POINTS, day, by)


def _limit(knob: Knob, day: date, by: User) -> int:
    """A limit as it binds this person: one that they raised themselves holds for them from the next day on."""
    began = datetime.combine(day, time.min, tzinfo=Company.current().zone)
    return int(min(value(knob), value_without(knob, by=by, since=began)))


def _moved(adjustments: Any) -> int:
    return adjustments.aggregate(points=Sum(Abs(F("points"))))["points"] or 0


@atomic_with_retry
def adjust_points(
    *, customer: Customer, points: int, reason: AdjustmentReason, note: str, key: str, by: User
) -> Adjustment:
    """Give (positive) or take (negative) points by hand; above the limit it waits and nothing is posted.

    `key` is the form's one-time key: sent again, it has no second effect. Raises `Refused`: own account, more than the
    role may move in a day, a reason that does not fit, no note, or more points than are there.
    """
    customer = customer.current
    answer = once(
        scope=_scope(by),
        key=key,
        content=_content(customer, points, reason, note),
        produce=lambda: {"adjustment": _ask(customer, points, reason, note.strip(), by).pk},
    )
    return Adjustment.objects.get(pk=answer["adjustment"])


def adjusted_before(
    *, customer: Customer, points: int, reason: AdjustmentReason, note: str, key: str, by: User
) -> Adjustment | None:
    """What `adjust_points` with the same arguments did already; None where it was not asked yet."""
    content = _content(customer.current, points, reason, note)
    answer = answered(scope=_scope(by), key=key, content=content)
    return Adjustment.objects.get(pk=answer["adjustment"]) if answer else None


def _scope(by: User) -> str:
    return f"adjust points:{by.pk}"


def _content(customer: Customer, points: int, reason: AdjustmentReason, note: str) -> dict[str, Any]:
    return {"customer": customer.pk, "points": points, "reason": reason.pk, "note": note}


def _ask(customer: Customer, points: int, reason: AdjustmentReason, note: str, by: User) -> Adjustment:
    # Two requests of one person must not both find the same room under the daily limit.
    by = User.objects.select_for_update(no_key=True).get(pk=by.pk)
    now = timezone.now()
    day = Company.current().today(now)
    needs_approval = _check_limits(customer, points, day, by)
    if not reason.is_active or not reason.fits(points):
        raise Refused(_("Choose a reason that fits."), field="reason")
    if not note:
        raise Refused(_("Write what happened, so that others understand it later."), field="note")
    adjustment = Adjustment(
        customer=customer,
        points=points,
        reason=reason,
        note=note,
        asked_by=by,
        asked_at=now,
        asked_on=day,
        needed_approval=needs_approval,
        status=AdjustmentStatus.WAITING,
    )
    if needs_approval:
        lock_accounts([customer.pk])
        effect_of(adjustment)
        adjustment.save()
        audit.record("ask for adjustment", adjustment, by=by, data=_facts(adjustment))
    else:
        _post(adjustment, by=by, now=now)
        audit.record("adjust points", adjustment, by=by, data=_facts(adjustment))
    crash_point("adjust.recorded")
    return adjustment


def _facts(adjustment: Adjustment) -> dict[str, Any]:
    return {
        "customer": adjustment.customer_id,
        "points": adjustment.points,
        "reason": adjustment.reason.key,
        "posting": adjustment.posting_id,
    }


def _post(adjustment: Adjustment, *, by: User, now: datetime) -> None:
    """Move the points, and write the row as posted, new or not."""
    is_new = adjustment.pk is None
    if is_new:
        adjustment.pk = _next_id()
    event = Adjusted(now, Company.current().today(now), f"adjust:{adjustment.pk}", adjustment.points)
    posting_id = _apply(event, customer_id=adjustment.customer_id, by=by)[event.reference]
    crash_point("adjust.posted")
    adjustment.posting_id = posting_id
    adjustment.status = AdjustmentStatus.POSTED
    adjustment.decided_by = by
    adjustment.decided_at = now
    adjustment.save(force_insert=is_new)


def _next_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('rewards_adjustment', 'id'))")
        return int(cursor.fetchone()[0])


def _apply(event: Event, *, customer_id: int, by: User, **load: Any) -> dict[str, int]:
    programmes = load_programmes()
    state = load_states([customer_id], programmes, **load)[customer_id]
    replayed = replay(state, [event], programmes, zone=Company.current().zone)
    if replayed.refused:
        raise refusal_in_words(replayed.refused[0][1])
    return write([(state, replayed.entries)], by=by)


@atomic_with_retry
def approve_adjustment(*, adjustment: Adjustment, by: User) -> Adjustment:
    """Approve what another asked for: its points move now. Approving again has no second effect.

    Raises `Refused`: the same person while another could approve, the approver's own account, a declined one, or
    points that are no longer there; it then goes on waiting.
    """
    adjustment = _locked(adjustment)
    if adjustment.status == AdjustmentStatus.POSTED:
        return adjustment
    if adjustment.status == AdjustmentStatus.DECLINED:
        raise Refused(_("This was declined already. Ask for it again if it is still needed."))
    adjustment.is_own_confirmation = check_approver(adjustment, by=by)
    _post(adjustment, by=by, now=timezone.now())
    facts = {**_facts(adjustment), "own_confirmation": adjustment.is_own_confirmation}
    audit.record("approve adjustment", adjustment, by=by, data=facts)
    crash_point("adjust.recorded")
    return adjustment


def check_approver(adjustment: Adjustment, *, by: User) -> bool:
    """Refuse (`Refused`) unless this person may approve it now; return whether they confirm alone what they asked."""
    refuse_own_account(by=by, customer_id=adjustment.customer_id)
    return check_second_person(
        asked_by=adjustment.asked_by, asked_at=adjustment.asked_at, by=by, needed=Permission.APPROVE
    )


@atomic_with_retry
def decline_adjustment(*, adjustment: Adjustment, note: str, by: User) -> Adjustment:
    """Say no to a waiting adjustment, with the reason; whoever asked may take it back so. Nothing is posted.

    Raises `Refused` without a reason, or for one that was approved already.
    """
    adjustment = _locked(adjustment)
    if adjustment.status == AdjustmentStatus.DECLINED:
        return adjustment
    if adjustment.status == AdjustmentStatus.POSTED:
        raise Refused(_("This was approved already. Reverse it instead."))
    adjustment.decision_note = _needed(note)
    adjustment.status = AdjustmentStatus.DECLINED
    adjustment.decided_by = by
    adjustment.decided_at = timezone.now()
    adjustment.save()
    audit.record("decline adjustment", adjustment, by=by, data=_facts(adjustment))
    return adjustment


def preview_reversal(adjustment: Adjustment) -> tuple[int, int]:
    """The available balance before and after reversing a posted adjustment now. Changes nothing."""
    event, load = _reversal(adjustment, timezone.now())
    rehearsal = rehearse(event, customer_id=_who_got(adjustment), **load)
    return rehearsal.before, rehearsal.after


@atomic_with_retry
def reverse_adjustment(*, adjustment: Adjustment, note: str, by: User) -> Adjustment:
    """Take a posted adjustment back by a linked posting. Reversing again has no second effect.

    Points it gave are taken: from their own lot, then in spending order, the rest is owed; what of them lapsed is gone
    already. Points it took return to the lots they came from. Raises `Refused` without a reason, on the own account,
    or where nothing was posted.
    """
    adjustment = _locked(adjustment)
    if adjustment.reversed_at is not None:
        return adjustment
    if adjustment.posting is None:
        raise Refused(_("This was not posted, so there is nothing to reverse."))
    customer_id = _who_got(adjustment)
    for concerned in {adjustment.customer_id, customer_id}:
        refuse_own_account(by=by, customer_id=concerned)
    adjustment.reversal_note = _needed(note)
    now = timezone.now()
    event, load = _reversal(adjustment, now)
    ids = _apply(event, customer_id=customer_id, by=by, **load)
    crash_point("adjust.reversed")
    adjustment.reversal = Posting.objects.filter(pk__in=ids.values(), reverses=adjustment.posting).first()
    adjustment.reversed_by = by
    adjustment.reversed_at = now
    adjustment.save()
    audit.record("reverse adjustment", adjustment, by=by, data=_facts(adjustment))
    return adjustment


def _who_got(adjustment: Adjustment) -> int:
    """Who has the points by now that a posted adjustment gave or took: what waited may have been posted to whoever the
    customer was merged with at that time, and stays there when the two are parted."""
    assert adjustment.posting is not None
    posting = adjustment.posting
    customer = (posting.destination if adjustment.points > 0 else posting.source).customer
    assert customer is not None
    return customer.current.pk


def _reversal(adjustment: Adjustment, now: datetime) -> tuple[Event, dict[str, Any]]:
    assert adjustment.posting is not None
    origin = adjustment.posting.reference
    event = ReversedAdjustment(now, Company.current().today(now), reversal_of(origin), origin, adjustment.points)
    return event, ({"origins": [origin]} if adjustment.points > 0 else {"spendings": [origin]})


def _needed(note: str) -> str:
    if not note.strip():
        raise Refused(_("Write why, so that others understand it later."), field="note")
    return note.strip()


def _locked(adjustment: Adjustment) -> Adjustment:
    rows = Adjustment.objects.select_for_update(of=("self",))
    return rows.select_related("customer", "reason", "asked_by", "posting").get(pk=adjustment.pk)

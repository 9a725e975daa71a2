"""Thanking both sides of a referral after the friend's first paid visit, and taking it back with that visit."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone

from customers.actions.referrals import are_one_household
from customers.actions.signals import record_signal, withdraw_signal
from customers.models import EvidenceKind, Referral, Refund, Signal, Visit
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.goodwill import post_goodwill, reverse_goodwill
from rewards.knobs import REFERRAL_FRIEND_POINTS, REFERRAL_POINTS, REFERRALS_MOST, UNDO_MINUTES
from rewards.models import Posting

logger = logging.getLogger(__name__)

AT_ONCE: Final = 500


@dataclass
class Settled:
    """How many referrals were completed, taken back with their visit, and ended."""

    completed: int = 0
    taken_back: int = 0
    ended: int = 0


def settle_referrals(*, limit: int = AT_ONCE) -> Settled:
    """Complete the referrals whose friend has paid for a visit, and take back those whose visit was undone or given
    back in the last days; `take_back_referrals` finds the others.

    Safe to repeat and to run twice at once: each referral is a transaction of its own, locked while it is judged.
    """
    return _settle_all([*_came(limit), *_lately_gone(limit)])


def take_back_referrals() -> Settled:
    """Take back every referral whose completing visit does not count any more, however long ago that came about.

    For the night: it looks at all that were ever completed. Safe to repeat. A refund that can still be undone at the
    till is waited for; `settle_referrals` finds it afterwards.
    """
    is_refunded = _IS_GIVEN_BACK & ~Q(visit__in=_undoable_refunds())
    gone = _completed().filter(_IS_UNDONE | is_refunded | _IS_ANOTHERS).order_by("pk")
    return _settle_all(list(gone.values_list("pk", flat=True)))


def _settle_all(ids: list[int]) -> Settled:
    done = Settled()
    for pk in ids:
        try:
            _settle(pk, done)
        except Refused as refusal:
            logger.warning("Referral %s could not be settled: %s", pk, refusal)
    return done


def _came(limit: int) -> list[int]:
    """Waiting referrals whose friend has a visit that may complete or end them, those who joined first at the front.

    A visit from before the day of joining ends one unless it was claimed; one wholly given back does nothing.
    """
    day = OuterRef("joined_on")
    counts = Q(net_cents__gt=F("back")) & Q(business_date__gte=day)
    visits = (
        Visit.objects.filter(voided_at__isnull=True)
        .annotate(back=_given_back("pk"))
        .filter(counts | Q(business_date__lt=day, claimed_at__isnull=True))
    )
    joined_on = TruncDate("recorded_at", tzinfo=Company.current().zone)
    waiting = Referral.objects.filter(ended_at__isnull=True, visit__isnull=True).annotate(joined_on=joined_on)
    came = waiting.filter(
        Exists(visits.filter(customer=OuterRef("friend")))
        | Exists(visits.filter(customer=OuterRef("friend__merged_into")))
    )
    return list(came.order_by("pk").values_list("pk", flat=True)[:limit])


def _lately_gone(limit: int) -> list[int]:
    """Completed referrals whose visit was undone or wholly given back since yesterday.

    A refund is waited for while it can be undone at the till: taking back would be in the way of undoing it.
    """
    yesterday = Company.current().today() - timedelta(days=1)
    undone = _completed().filter(visit__in=Visit.objects.filter(voided_at__gte=timezone.now() - timedelta(days=1)))
    refunded = Refund.objects.filter(business_date__gte=yesterday).values("visit")
    given_back = _completed().filter(visit__in=refunded).exclude(visit__in=_undoable_refunds()).filter(_IS_GIVEN_BACK)
    ids = {*undone.values_list("pk", flat=True)[:limit], *given_back.values_list("pk", flat=True)[:limit]}
    return sorted(ids)[:limit]


def _undoable_refunds() -> QuerySet[Refund, Any]:
    """The visits of refunds that the till can still undo."""
    since = timezone.now() - timedelta(minutes=value(UNDO_MINUTES))
    return Refund.objects.filter(recorded_at__gte=since).values("visit")


def _completed() -> QuerySet[Referral]:
    return Referral.objects.filter(ended_at__isnull=True, visit__isnull=False).annotate(back=_given_back("visit"))


def _given_back(visit: str) -> Coalesce:
    """What was given back of a visit, asked for that visit alone."""
    refunds = Refund.objects.filter(visit=OuterRef(visit)).order_by().values("visit")
    return Coalesce(Subquery(refunds.annotate(cents=Sum("net_cents")).values("cents")), 0)


_IS_UNDONE: Final = Q(visit__voided_at__isnull=False)
_IS_GIVEN_BACK: Final = Q(visit__net_cents__lte=F("back"))
_IS_ANOTHERS: Final = ~Q(visit__customer=F("friend")) & ~Q(visit__customer=F("friend__merged_into"))


@atomic_with_retry
def _settle(pk: int, done: Settled) -> None:
    referral = (
        Referral.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("referrer__merged_into", "friend__merged_into", "visit")
        .filter(pk=pk, ended_at__isnull=True)
        .first()
    )
    if referral is None:
        return
    if referral.visit is not None:
        if all(paid.pk != referral.visit.pk for paid in _paid_visits(referral)):
            _take_back(referral, referral.visit)
            done.taken_back += 1
        return
    why = _why_it_ends(referral)
    if why:
        _end(referral, why)
        done.ended += 1
        return
    visit = min(_paid_visits(referral), key=lambda visit: (visit.occurred_at, visit.pk), default=None)
    if visit is not None:
        _complete(referral, visit)
        done.completed += 1


def _joined_on(referral: Referral) -> date:
    return Company.current().today(referral.recorded_at)


def _why_it_ends(referral: Referral) -> Referral.End | None:
    """One of the two was erased, one household, or purchases from before the day of joining, as a merge or an import
    may bring them.

    A receipt that the friend claimed afterwards is none: whoever joins with it in hand is new.
    """
    if referral.referrer.current.erased_at or referral.friend.current.erased_at:
        return Referral.End.ERASED
    if are_one_household(referral.referrer, referral.friend):
        return Referral.End.HOUSEHOLD
    earlier = Visit.objects.filter(customer=referral.friend.current, business_date__lt=_joined_on(referral))
    return Referral.End.KNOWN if earlier.filter(voided_at__isnull=True, claimed_at__isnull=True).exists() else None


def _paid_visits(referral: Referral) -> list[Visit]:
    """The friend's visits from the day of joining on that were paid for and not wholly given back."""
    visits = Visit.objects.filter(
        customer=referral.friend.current,
        voided_at__isnull=True,
        net_cents__gt=0,
        business_date__gte=_joined_on(referral),
    )
    return list(visits.annotate(back=Coalesce(Sum("refunds__net_cents"), 0)).filter(net_cents__gt=F("back")))


def _complete(referral: Referral, visit: Visit) -> None:
    referral.visit, referral.completed_at = visit, timezone.now()
    referral.save(update_fields=["visit", "completed_at"])
    referrer, friend = referral.referrer.current, referral.friend.current
    given = [(friend, "friend", value(REFERRAL_FRIEND_POINTS))]
    if _thanked_lately(referral) < value(REFERRALS_MOST):
        given.append((referrer, "referrer", value(REFERRAL_POINTS)))
    referenced = _reference(referral, visit, earlier=_times_completed(referral, visit))
    for customer, side, points in sorted(given, key=lambda one: one[0].pk):
        if points:
            post_goodwill(customer=customer, points=points, reference=f"{referenced}:{side}", by=None)
            crash_point("referral.posted")
    record_signal(
        customer=referrer,
        kind=EvidenceKind.BRINGS,
        source=Signal.Source.REFERRAL,
        strength=1,
        occurred_on=visit.business_date,
        reference=referenced,
    )
    audit.record("complete referral", friend, by=None, data={"referral": referral.pk, "visit": visit.pk})


def _thanked_lately(referral: Referral) -> int:
    """How many others the referrer, under whatever number, was thanked for in the 365 days before."""
    since = timezone.now() - timedelta(days=365)
    referrer = referral.referrer.current
    theirs = Q(referrer=referrer) | Q(referrer__merged_into=referrer)
    return Referral.objects.filter(theirs, completed_at__gt=since).exclude(pk=referral.pk).count()


def _take_back(referral: Referral, visit: Visit) -> None:
    """Reverse what the visit brought both; another visit may complete the referral."""
    reference = _reference(referral, visit, earlier=_times_completed(referral, visit) - 1)
    postings = Posting.objects.filter(reference__in=[f"{reference}:{side}" for side in ("friend", "referrer")])
    for posting in postings.order_by("destination"):
        reverse_goodwill(posting=posting, reference=f"{posting.reference}:back", by=None)
        crash_point("referral.reversed")
    withdraw_signal(reference=reference)
    referral.visit = referral.completed_at = None
    referral.save(update_fields=["visit", "completed_at"])
    audit.record("take referral back", referral.friend.current, by=None, data={"referral": referral.pk})


def _end(referral: Referral, why: Referral.End) -> None:
    referral.ended_at, referral.ended_because = timezone.now(), why
    referral.save(update_fields=["ended_at", "ended_because"])
    audit.record("end referral", referral.friend.current, by=None, data={"referral": referral.pk, "why": str(why)})


def _times_completed(referral: Referral, visit: Visit) -> int:
    """How often this visit completed the referral: each time left a signal."""
    first = _reference(referral, visit, earlier=0)
    return Signal.objects.filter(Q(reference=first) | Q(reference__startswith=f"{first}:")).count()


def _reference(referral: Referral, visit: Visit, *, earlier: int) -> str:
    """The name of what is given; another one each time, since what was taken back stays taken back."""
    first = f"referral:{referral.pk}:{visit.pk}"
    return f"{first}:{earlier + 1}" if earlier > 0 else first

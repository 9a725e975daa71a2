"""Tidying up after workers that died, and ending what is over. Without it rows would wait for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import Company
from rewards.actions.budget_ends import stop_where_used_up
from rewards.actions.deliveries import expire_claims, expire_hand_overs, settle_reported, unfinished, wait_for_hours
from rewards.actions.runs import ENDED, end_unsent, tell_of_end
from rewards.models import Delivery, DeliveryStatus, Run, RunStatus
from rewards.windows import closed_zones


@dataclass(frozen=True, slots=True)
class Swept:
    """How much a sweep changed."""

    claims: int
    hand_overs: int
    too_late: int
    finished: int


def sweep(now: datetime | None = None) -> Swept:
    """Give back expired claims, call expired hand-overs unknown, end mails whose benefit is over, finish runs.

    Mails of an offer whose budget is used up do not leave. Due mails whose readers' hours are over wait for the next
    ones. A mail that was under way when its run was cancelled, and came back unsent, is cancelled here.
    """
    now = now or timezone.now()
    claims, hand_overs = expire_claims(), expire_hand_overs()
    settle_reported()
    today = Company.current().today(now)
    too_late = sum(
        _end_too_late(run_id)
        for run_id in Run.objects.filter(
            status__in=[RunStatus.SENDING, RunStatus.PAUSED], planned_at__isnull=False, good_through__lt=today
        ).values_list("pk", flat=True)
    )
    for run_id in _with_budget_and_mails_waiting():
        stop_where_used_up(run_id=run_id)
    wait_for_hours(closed=closed_zones(now))
    for run_id in _ended_with_mails_waiting():
        _cancel_the_rest(run_id)
    finished = sum(
        finish_run(run_id=run_id)
        for run_id in Run.objects.filter(status=RunStatus.SENDING).values_list("pk", flat=True)
    )
    return Swept(claims, hand_overs, too_late, finished)


@transaction.atomic
def _end_too_late(run_id: int) -> int:
    run = Run.objects.select_for_update().get(pk=run_id)
    count = end_unsent(run, DeliveryStatus.TOO_LATE)
    if run.status == RunStatus.PAUSED:
        run.status = RunStatus.SENDING
        run.note = ""
        run.save(update_fields=["status", "note"])
    audit.record("end late run", run, by=None, data={"not_sent": count})
    return count


def _with_budget_and_mails_waiting() -> list[int]:
    waiting = Delivery.objects.filter(run=OuterRef("pk"), status=DeliveryStatus.PENDING)
    limited = Run.objects.filter(Exists(waiting), status=RunStatus.SENDING, offer__budget_cents__isnull=False)
    return list(limited.values_list("pk", flat=True))


def _ended_with_mails_waiting() -> list[int]:
    waiting = Delivery.objects.filter(run=OuterRef("pk"), status=DeliveryStatus.PENDING)
    return list(Run.objects.filter(Exists(waiting), status__in=ENDED).values_list("pk", flat=True))


@transaction.atomic
def _cancel_the_rest(run_id: int) -> None:
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.status in ENDED:
        count = end_unsent(run, DeliveryStatus.CANCELLED)
        audit.record("cancel the rest of a run", run, by=None, data={"not_sent": count})


@transaction.atomic
def finish_run(*, run_id: int) -> bool:
    """Call a run done once none of its mails can leave any more."""
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.status != RunStatus.SENDING or unfinished(run):
        return False
    run.status = RunStatus.DONE
    run.finished_at = timezone.now()
    run.save(update_fields=["status", "finished_at"])
    audit.record("finish run", run, by=None)
    tell_of_end(run)
    return True


def runs_to_plan() -> list[int]:
    """Runs that wait for their audience to be frozen, those that choose first in front."""
    waiting = Run.objects.filter(status=RunStatus.PLANNED)
    return list(waiting.order_by("-offer__priority", "scheduled_for", "pk").values_list("pk", flat=True))


def runs_to_send() -> dict[int, int]:
    """How many mails of each sending run are due now."""
    due = Count("deliveries", filter=Q(deliveries__status=DeliveryStatus.PENDING, deliveries__next_at__lte=Now()))
    return dict(
        Run.objects.filter(status=RunStatus.SENDING).annotate(due=due).filter(due__gt=0).values_list("pk", "due")
    )

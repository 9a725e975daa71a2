"""The end of an offer's budget: what was to be sent still is not."""

from __future__ import annotations

from dataclasses import asdict

from django.db import transaction

from loyaltycrm.core.actions import audit
from rewards.actions.runs import end_unsent
from rewards.effects.budget import budget_of
from rewards.models import DeliveryReason, DeliveryStatus, Run, RunStatus


def stop_where_used_up(*, run_id: int) -> int:
    """Leave out whoever still waits for a mail of an offer whose budget is used up, the codes void; return how many.

    Codes that customers have stay good: they were promised.
    """
    offer = Run.objects.select_related("offer").get(pk=run_id).offer
    budget = budget_of(offer)
    if budget is None or not budget.is_used_up:
        return 0
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        if run.status != RunStatus.SENDING:
            return 0
        count = end_unsent(run, DeliveryStatus.SUPPRESSED, DeliveryReason.BUDGET)
        if count:
            audit.record("stop at budget", run, by=None, data={"not_sent": count, **asdict(budget)})
        return count

"""Holding all sending after a restore: nothing leaves, and nothing missed is made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command

from loyaltycrm.core.models import AuditEvent
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.offers import activate_offer
from rewards.actions.planning import plan_run
from rewards.actions.runs import start_due_runs, start_run
from rewards.actions.sending import send_batch
from rewards.models import Offer, OfferStatus, Run, RunStatus, Schedule
from rewards.tests.audiences import active_offer, add_reader, open_shop

pytestmark = pytest.mark.django_db
DUE = datetime(2026, 7, 13, 7, 0, tzinfo=UTC)
"""A Monday, 10:00 in Riga."""


def test_a_restored_shop_sends_nothing_by_itself(mailbox: MailServer, capsys: pytest.CaptureFixture[str]) -> None:
    open_shop()
    with time_machine.travel(DUE - timedelta(days=1)):
        add_reader(1)
        sending = start_run(offer=active_offer(name="Under way"), by=None)
        assert plan_run(run_id=sending.pk)
        planned = start_run(offer=active_offer(name="Planned"), by=None)
        weekly = active_offer(name="Due tomorrow", schedule=Schedule.WEEKLY, day=0)
    with time_machine.travel(DUE + timedelta(hours=2)):
        call_command("hold_sending")
        assert "3 offers, 2 runs" in capsys.readouterr().out
        assert set(Offer.objects.values_list("status", flat=True)) == {OfferStatus.PAUSED}
        assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.PAUSED}
        assert all("backup" in run.note for run in Run.objects.all())
        assert start_due_runs() == []
        for run in (sending, planned):
            assert plan_run(run_id=run.pk) is False
            assert send_batch(run_id=run.pk).sent == 0
        assert mailbox.received == []
        assert AuditEvent.objects.get(action="hold sending").data == {"offers": 3, "runs": 2}
        call_command("hold_sending")
        assert AuditEvent.objects.filter(action="hold sending").count() == 1
        activate_offer(offer=weekly, by=None)
        assert start_due_runs() == []
    (next_week,) = start_due_runs(DUE + timedelta(weeks=1))
    assert (next_week.offer_id, next_week.scheduled_for) == (weekly.pk, DUE + timedelta(weeks=1))

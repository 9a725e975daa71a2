"""Holding all sending after a restore: nothing leaves, and nothing missed is made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from loyaltycrm.core.models import AuditEvent
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.holding import hold_if_restored
from rewards.actions.offers import activate_offer
from rewards.actions.planning import plan_run
from rewards.actions.runs import resume_run, start_due_runs, start_run
from rewards.actions.sending import send_batch
from rewards.models import KnownDatabase, Offer, OfferStatus, Run, RunStatus, Schedule
from rewards.tasks import tick
from rewards.tests.audiences import active_offer, add_reader, open_shop

DUE = datetime(2026, 7, 13, 7, 0, tzinfo=UTC)
"""A Monday, 10:00 in Riga."""


@pytest.mark.django_db
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


def restored() -> None:
    """The database as a restored backup has it: its row is that of another one."""
    hold_if_restored()
    row = KnownDatabase.objects.get()
    row.identity = row.identity.replace("database ", "database 9")
    row.save()


@pytest.mark.django_db
@pytest.mark.parametrize("first", ["tick", "send", "plan"])
def test_whatever_comes_first_after_a_restore_holds_everything(mailbox: MailServer, first: str) -> None:
    open_shop()
    add_reader(1)
    sending = start_run(offer=active_offer(name="Under way"), by=None)
    assert plan_run(run_id=sending.pk)
    planned = start_run(offer=active_offer(name="Planned"), by=None)
    restored()
    if first == "tick":
        tick()
    elif first == "send":
        assert send_batch(run_id=sending.pk).sent == 0
    else:
        assert plan_run(run_id=planned.pk) is False
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.PAUSED}
    assert set(Offer.objects.values_list("status", flat=True)) == {OfferStatus.PAUSED}
    assert all("backup" in run.note for run in Run.objects.all())
    assert mailbox.received == []
    assert AuditEvent.objects.filter(action="notice restored database").count() == 1
    resume_run(run=sending, by=None)
    assert send_batch(run_id=sending.pk).sent == 1, "A person's word holds: it is noticed once."


@pytest.mark.django_db
def test_a_new_installation_is_no_restored_one() -> None:
    open_shop()
    active_offer()
    assert hold_if_restored() is False
    assert hold_if_restored() is False
    assert Offer.objects.get().status == OfferStatus.ACTIVE
    assert "timeline" in KnownDatabase.objects.get().identity


@pytest.mark.faults
def test_a_real_dump_that_is_restored_is_noticed(committed_db: str, mailbox: MailServer) -> None:
    """The rows of one database, as a backup carries them, in a second one that was made for them."""
    open_shop()
    add_reader(1)
    run = start_run(offer=active_offer(), by=None)
    assert plan_run(run_id=run.pk)
    assert hold_if_restored() is False
    copy = f"{committed_db}_restored"
    settings = connection.settings_dict
    connection.close()
    with psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], user=settings["USER"], password=settings["PASSWORD"] or None,
        dbname="postgres", autocommit=True,
    ) as server:  # fmt: skip
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(copy), sql.Identifier(committed_db))
        )
        try:
            settings["NAME"] = copy
            assert send_batch(run_id=run.pk).sent == 0
            assert Run.objects.get().status == RunStatus.PAUSED
        finally:
            connection.close()
            settings["NAME"] = committed_db
            server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(copy)))
    assert mailbox.received == []
    assert send_batch(run_id=run.pk).sent == 1

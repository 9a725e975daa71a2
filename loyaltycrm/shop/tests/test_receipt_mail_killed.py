"""A worker that dies between two steps of a receipt: it leaves once, or nobody knows; never twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from customers.actions.mailing import send_due_mails
from customers.models import Customer, CustomerMail, MailStatus, Visit
from loyaltycrm.core.models import Store
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.shop.actions.receipt_mails import mail_receipt
from rewards.actions.earning import record_visit

pytestmark = pytest.mark.faults
SEND = "import django; django.setup(); from customers.actions.mailing import send_due_mails; send_due_mails()"
ENDS = {
    "mail.claimed": (MailStatus.SENT, 1),
    "mail.offered": (MailStatus.SENT, 1),
    "mail.handing_over": (MailStatus.UNKNOWN, 0),
    "mail.answered": (MailStatus.UNKNOWN, 1),
}


def test_killed_at_any_step_a_receipt_never_leaves_twice(
    committed_db: str, mailbox: MailServer, committed_env: dict[str, str], olga: Customer, barona_iela: Store
) -> None:
    for number, (point, (status, arrived)) in enumerate(ENDS.items()):
        receipt = f"R {number}"
        visit = record_visit(customer=olga, store=barona_iela, net_cents=500, receipt_id=receipt, by=None).visit
        mail = mail_receipt(visit=visit, by=None)
        Visit.objects.filter(pk=visit.pk).update(recorded_at=timezone.now() - timedelta(minutes=16))
        CustomerMail.objects.filter(pk=mail.pk).update(next_at=Now() - timedelta(minutes=1))
        before = len(mailbox.received)
        env = committed_env | {"CRASH_AT": point}
        dead = subprocess.run([sys.executable, "-c", SEND], env=env, check=False, timeout=300)
        assert dead.returncode == -signal.SIGKILL, point
        CustomerMail.objects.filter(lease_until__isnull=False).update(lease_until=Now() - timedelta(seconds=1))
        for _time in range(2):
            send_due_mails()
        mail.refresh_from_db()
        assert (mail.status, len(mailbox.received) - before) == (status, arrived), point

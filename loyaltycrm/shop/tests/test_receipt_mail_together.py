"""Several workers at the receipts that are due: each leaves once."""

from __future__ import annotations

import threading
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from customers.actions.mailing import send_due_mails
from customers.models import Customer, CustomerMail, MailStatus, Visit
from loyaltycrm.core.models import Store
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.shop.actions.receipt_mails import mail_receipt
from rewards.actions.earning import record_visit


def test_several_workers_at_once_send_each_once(
    committed_db: None, olga: Customer, janis: Customer, barona_iela: Store, mailbox: MailServer
) -> None:
    for customer, receipt in ((olga, "R 1"), (janis, "R 2"), (olga, "R 3")):
        visit = record_visit(customer=customer, store=barona_iela, net_cents=500, receipt_id=receipt, by=None).visit
        mail_receipt(visit=visit, by=None)
    Visit.objects.update(recorded_at=timezone.now() - timedelta(minutes=16))
    CustomerMail.objects.update(next_at=timezone.now() - timedelta(minutes=1))

    def work() -> None:
        try:
            send_due_mails()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert len(mailbox.received) == 3
    assert {mail.status for mail in CustomerMail.objects.all()} == {MailStatus.SENT}

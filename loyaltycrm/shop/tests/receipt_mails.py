"""Receipts by email that wait, and time that passes over them."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from customers.models import (
    Customer,
    CustomerMail,
    Visit,
)
from loyaltycrm.core.models import Store
from loyaltycrm.shop.actions.receipt_mails import mail_receipt
from rewards.actions.earning import record_visit


def bought(customer: Customer | None, store: Store, cents: int = 2_490) -> Visit:
    """On a Tuesday, without double points, and saved just now."""
    now = timezone.now()
    tuesday = now - timedelta(days=(store.business_date(now).weekday() - 1) % 7)
    return record_visit(
        customer=customer, store=store, net_cents=cents, receipt_id="R 77", occurred_at=tuesday, by=None
    ).visit


def asked(customer: Customer, store: Store) -> CustomerMail:
    return mail_receipt(visit=bought(customer, store), by=None)


def minutes_pass(minutes: int) -> None:
    """All that was saved and asked for lies so many minutes further back."""
    ago = timedelta(minutes=minutes)
    for visit in Visit.objects.all():
        Visit.objects.filter(pk=visit.pk).update(recorded_at=visit.recorded_at - ago)
    for mail in CustomerMail.objects.all():
        lease = mail.lease_until and mail.lease_until - ago
        CustomerMail.objects.filter(pk=mail.pk).update(
            asked_at=mail.asked_at - ago, next_at=mail.next_at - ago, lease_until=lease
        )


def only() -> CustomerMail:
    return CustomerMail.objects.get()

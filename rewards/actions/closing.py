"""What an erased customer was owed: the account is closed by a posting, codes and promises end, mails do not leave."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from customers.actions.erasing import MailLeaves
from customers.models import Customer
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import quiet
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.deliveries import void_codes
from rewards.ledger import Closed, load_states, replay, write
from rewards.models import (
    Account,
    Adjustment,
    AdjustmentStatus,
    Delivery,
    DeliveryStatus,
    Posting,
    PostingKind,
    Promise,
    UnusualUse,
    Voucher,
    VoucherStatus,
)
from rewards.programme import load_programmes

WORDLESS = "–"


def close_account(*, customer: Customer, by: User | None) -> int:
    """Post out of the account all that it holds or owes, and close it; return the points, negative what was owed."""
    points = _close(customer.pk, by=by)
    Account.objects.filter(customer=customer).update(closed_at=timezone.now())
    Account.objects.filter(customer__merged_into=customer).update(closed_at=timezone.now())
    return points


def close_accounts_again() -> int:
    """Post out again what late refunds brought to closed accounts; return how many there were. Safe to repeat."""
    held = Account.objects.filter(closed_at__isnull=False).exclude(book_balance=0)
    customers = list(held.order_by("customer").values_list("customer", flat=True))
    for customer in customers:
        if customer is not None:
            _close_again(customer)
    return len(customers)


@atomic_with_retry
def _close_again(customer_id: int) -> None:
    points = _close(customer_id, by=None)
    audit.record("close account again", Customer.objects.get(pk=customer_id), by=None, data={"points": points})


def _close(customer_id: int, *, by: User | None) -> int:
    programmes, company, now = load_programmes(), Company.current(), timezone.now()
    state = load_states([customer_id], programmes, even_merged=True)[customer_id]
    before = Posting.objects.filter(kind=PostingKind.CLOSE)
    number = before.filter(Q(source=state.account_id) | Q(destination=state.account_id)).count() + 1
    event = Closed(now, company.today(now), f"close:{customer_id}:{number}")
    entries = replay(state, [event], programmes, zone=company.zone).entries
    with quiet():
        write([(state, entries)], by=by)
    closing = [entry for entry in entries if entry.kind == PostingKind.CLOSE]
    return sum(-entry.points if entry.is_credit else entry.points for entry in closing)


def end_rewards(*, customer: Customer, by: User | None) -> dict[str, int]:
    """Let no offer leave and no code be used any more, take promises back, and decline what waits for a decision.

    Return how many of each there were.
    Raises `MailLeaves` where an offer is being handed over at this moment.
    """
    mails = Delivery.objects.filter(customer=customer)
    waiting = mails.filter(status__in=[DeliveryStatus.PENDING, DeliveryStatus.CLAIMED])
    ids = list(waiting.order_by("pk").select_for_update().values_list("pk", flat=True))
    Delivery.objects.filter(pk__in=ids).update(status=DeliveryStatus.CANCELLED, claim_token=None, lease_until=None)
    if mails.filter(status=DeliveryStatus.HANDING_OVER).exists():
        raise MailLeaves
    codes = Voucher.objects.filter(customer=customer, status=VoucherStatus.ISSUED)
    vouchers = codes.count()
    void_codes(delivery_ids=ids)
    now = timezone.now()
    codes.update(status=VoucherStatus.VOID)
    promises = Promise.objects.waiting().filter(customer=customer).update(withdrawn_at=now)
    adjustments = Adjustment.objects.filter(customer=customer, status=AdjustmentStatus.WAITING).update(
        status=AdjustmentStatus.DECLINED, decision_note=WORDLESS, decided_at=now, decided_by=by
    )
    return {"offers": len(ids), "vouchers": vouchers, "promises": promises, "adjustments": adjustments}


def forget_rewards(customer_ids: list[int]) -> None:
    """Take away the words of decisions and of what was unusual, and the addresses of offers."""
    adjustments = Adjustment.objects.filter(customer__in=customer_ids)
    for name in ("decision_note", "reversal_note"):
        adjustments.exclude(**{name: ""}).update(**{name: WORDLESS})
    UnusualUse.objects.filter(customer__in=customer_ids).exclude(note="").update(note=WORDLESS)
    for pk in Delivery.objects.filter(customer__in=customer_ids).exclude(address_key="").values_list("pk", flat=True):
        Delivery.objects.filter(pk=pk).update(address_key=f"erased-{pk}")

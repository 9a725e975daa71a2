"""Recording visits and refunds as facts. What they earn is the business of `rewards.actions.earning`."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.returned_lines import ReturnedLine, check_returned, insert_returned, refuse_other_returned
from customers.actions.undone_refunds import refuse_undone
from customers.models import Customer, Merge, PaymentMethod, Refund, Visit, VisitChannel
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.lib.inserting import insert_unless_known, unless_known_part
from loyaltycrm.lib.together import Part

LARGEST_VISIT_CENTS = 100_000_000
OLDEST_VISIT = timedelta(days=366 * 30)
CLOCK_TOLERANCE = timedelta(minutes=10)
RECEIPT_LENGTH = 64
_ONE_RECEIPT: Final = ("store", "receipt_key")
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def receipt_key(receipt_id: str) -> str:
    """What makes two receipt numbers the same: blanks, case and width of letters do not count."""
    letters = receipt_id if receipt_id.isascii() else unicodedata.normalize("NFKC", receipt_id)
    return "".join(letters.split()).casefold()


def is_whole(number: object) -> bool:
    """Whether it is a whole number as such: no half, no NaN, no text, no yes or no."""
    return type(number) is int


def checked_receipt(receipt_id: str) -> str:
    """The receipt number without blanks around it; a new one for none. Raises `Refused` for what cannot be one."""
    receipt_id = receipt_id.strip()
    if not receipt_id:
        return f"T-{secrets.token_hex(6).upper()}"
    if not receipt_id.isprintable() and any(unicodedata.category(letter) in UNSEEN for letter in receipt_id):
        raise Refused(_("Remove the characters that cannot be seen"), field="receipt_id")
    if len(receipt_id) > RECEIPT_LENGTH or len(receipt_key(receipt_id)) > RECEIPT_LENGTH:
        raise Refused(_("Shorten this to %(count)s characters") % {"count": RECEIPT_LENGTH}, field="receipt_id")
    return receipt_id


def visit_to_write(
    *,
    customer: Customer | None,
    store: Store,
    net_cents: int,
    discount_cents: int = 0,
    receipt_id: str = "",
    occurred_at: datetime | None = None,
    payment_method: str = PaymentMethod.UNKNOWN,
    channel: str = VisitChannel.TILL,
    note: str = "",
    by: User | None,
) -> Visit:
    """A visit that can be, not written yet. Amounts are in cents, `net_cents` what was paid.

    Raises `Refused` for an amount or time that cannot be.
    """
    customer = customer and customer.current
    now = timezone.now()
    occurred_at = occurred_at or now
    if not all(is_whole(cents) and 0 <= cents <= LARGEST_VISIT_CENTS for cents in (net_cents, discount_cents)):
        raise Refused(_("Enter an amount from 0.00 to 1,000,000.00."), field="amount")
    receipt_id = checked_receipt(receipt_id)
    key = receipt_key(receipt_id)
    _check_time(occurred_at, now, store=store, key=key)
    return Visit(
        store=store,
        receipt_key=key,
        customer=customer,
        receipt_id=receipt_id,
        channel=channel,
        payment_method=payment_method,
        occurred_at=occurred_at,
        business_date=store.business_date(occurred_at),
        gross_cents=net_cents + discount_cents,
        discount_cents=discount_cents,
        net_cents=net_cents,
        note=note,
        recorded_by=by,
    )


def visit_part(visit: Visit, *, source: str) -> Part:
    """Write the visit as the part `visit`, unless its receipt is known, where the part `source` has a row."""
    return unless_known_part("visit", visit, unique=_ONE_RECEIPT, source=source)


def write_visit(visit: Visit, *, sent_for: Customer | None) -> tuple[Visit, bool]:
    """Write a visit; return it and whether it is new.

    The same receipt of the same store with the same content is the visit that exists already. Raises `Conflict` when
    the receipt is known with other content. `sent_for` is whom it was sent for, merged or not.
    """
    if insert_unless_known(visit, unique=_ONE_RECEIPT):
        return visit, True
    sent = visit
    visit = Visit.objects.get(store=sent.store_id, receipt_key=sent.receipt_key)
    is_theirs = visit.customer_id == sent.customer_id or visit.claimed_at is not None
    if sent_for is not None:
        is_theirs = visit.customer_id == sent.customer_id or was_theirs(visit, sent_for)
    if not is_theirs or (visit.net_cents, visit.discount_cents) != (sent.net_cents, sent.discount_cents):
        words = _("Receipt %(receipt)s is known already with another amount or customer. Check the number.")
        if visit.voided_at is not None:
            words = _("Receipt %(receipt)s was undone. Leave the number out, or add a letter to it.")
        raise Conflict(words % {"receipt": sent.receipt_id}, field="receipt_id")
    return visit, False


def insert_visit(*, customer: Customer | None, **content: Any) -> tuple[Visit, bool]:
    """`write_visit` of `visit_to_write`, which has the arguments and what it raises."""
    return write_visit(visit_to_write(customer=customer, **content), sent_for=customer)


def _check_time(occurred_at: datetime, now: datetime, *, store: Store, key: str) -> None:
    """Raise `Refused` for a visit of the future or too long ago, unless its receipt is known: it passed then, and
    the clock of the server may have been set back since."""
    if now - OLDEST_VISIT <= occurred_at <= now + CLOCK_TOLERANCE:
        return
    if key and Visit.objects.filter(store=store, receipt_key=key).exists():
        return
    if occurred_at > now:
        raise Refused(_("The time of the visit lies in the future. Check the clock of the till."), field="occurred_at")
    raise Refused(_("The visit is more than 30 years old. Check its date."), field="occurred_at")


def insert_refund(
    *,
    visit: Visit,
    net_cents: int,
    receipt_id: str,
    store: Store,
    occurred_at: datetime | None = None,
    lines: Sequence[ReturnedLine] = (),
    by: User | None,
) -> tuple[Refund, bool]:
    """Write money given back on a visit, in positive cents, and the goods that came back; return it and whether it is
    new.

    Raises `Refused` when more would be given back than was paid or before it was paid, or for goods that cannot come
    back, `Conflict` for a known refund receipt with other content.
    """
    now = timezone.now()
    occurred_at = occurred_at or now
    receipt_id = checked_receipt(receipt_id)
    key = receipt_key(receipt_id)
    visit = Visit.objects.select_for_update(of=("self",)).get(pk=visit.pk)
    earlier = list(Refund.objects.filter(Q(visit=visit) | Q(store=store, receipt_key=key)))
    known = next((one for one in earlier if (one.store_id, one.receipt_key) == (store.pk, key)), None)
    if known is not None:
        if (known.visit_id, known.net_cents) != (visit.pk, net_cents):
            raise Conflict(_("Refund %(receipt)s is known already with other content.") % {"receipt": receipt_id})
        refuse_other_returned(known, lines)
        return known, False
    if visit.voided_at is not None:
        raise Refused(_("This visit was undone; nothing is left to refund."))
    given_back = sum(one.net_cents for one in earlier)
    if not is_whole(net_cents) or not 0 < net_cents <= visit.net_cents - given_back:
        raise Refused(_("Enter an amount up to what was paid on this receipt and not given back yet."), field="amount")
    refuse_undone(visit, store=store, receipt_id=receipt_id, key=key, net_cents=net_cents)
    if occurred_at < visit.occurred_at:
        raise Refused(_("A refund cannot be earlier than its visit."), field="occurred_at")
    if occurred_at > now + CLOCK_TOLERANCE:
        raise Refused(_("The time of the refund lies in the future. Check the clock of the till."), field="occurred_at")
    returned = check_returned(visit, lines, net_cents=net_cents, earlier=earlier) if lines else []
    refund = Refund(
        visit=visit,
        store=store,
        receipt_id=receipt_id,
        receipt_key=key,
        occurred_at=occurred_at,
        business_date=store.business_date(occurred_at),
        net_cents=net_cents,
        recorded_by=by,
    )
    if not insert_unless_known(refund, unique=["store", "receipt_key"]):
        raise Conflict(_("Refund %(receipt)s is known already with other content.") % {"receipt": receipt_id})
    insert_returned(refund, returned)
    return refund, True


def mark_undone(*, visit: Visit, reason: str = "", by: User | None) -> Visit:
    """Mark a visit as undone, with the reason where a manager voids it. Raises `Refused` when it was undone before."""
    undone = Visit.objects.filter(pk=visit.pk, voided_at__isnull=True).update(
        voided_at=timezone.now(), voided_by=by, void_reason=reason
    )
    if not undone:
        raise Refused(_("This visit was undone already."))
    visit.refresh_from_db()
    return visit


def was_theirs(visit: Visit, customer: Customer) -> bool:
    """Whether this customer was the same person to us as the visit's when it was recorded: merges stood then.

    `customer` is whom the receipt was sent for, not whom that profile leads to now. Both may have been merged since.
    """
    if visit.customer_id is None:
        return False
    then = Merge.objects.filter(Q(undone_at__isnull=True) | Q(undone_at__gte=visit.recorded_at))
    then = then.filter(merged_at__lte=visit.recorded_at)
    people, found = set[int](), {customer.pk}
    while found != people:
        people = found
        pairs = then.filter(Q(survivor__in=people) | Q(merged__in=people)).values_list("survivor", "merged")
        found = people.union(*pairs)
    now_theirs = Q(pk=visit.customer_id) | Q(merged_into=visit.customer_id)
    return Customer.objects.filter(now_theirs, pk__in=people).exists()

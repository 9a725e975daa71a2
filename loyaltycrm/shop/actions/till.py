"""What a till saves in one go: a visit with the codes used on it, a new customer with consent, a problem told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from customers.actions.consent import record_consent
from customers.actions.customers import create_customer
from customers.actions.visits import receipt_key
from customers.models import Channel, ConsentEvent, Customer, Purpose, Refund, Visit
from feedback.actions.tickets import open_ticket
from feedback.models import Ticket, TicketSource
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.lib.transactions import atomic_with_retry
from loyaltycrm.shop.queries.till import key_scope
from rewards.actions.earning import NO_DETAILS, Details, record_visit, refund_visit
from rewards.actions.own_account import refuse_own_account
from rewards.actions.redeeming import Used, normalise_code, use_code, use_reward
from rewards.discounts import discount_for
from rewards.models import Reward, Voucher


@dataclass(frozen=True, slots=True)
class SavedVisit:
    """A visit in the books; `is_new` is False where a receipt of this number was saved before by another form."""

    visit_id: int
    is_new: bool


@atomic_with_retry
def save_visit(
    *,
    customer: Customer | None,
    store: Store,
    amount_cents: int,
    payment_method: str = "",
    receipt_id: str = "",
    note: str = "",
    voucher_ids: Sequence[int] = (),
    code: str = "",
    details: Details = NO_DETAILS,
    key: str,
    by: User,
) -> SavedVisit:
    """Record a visit at a till, with its points and the codes used on it, all or nothing.

    `amount_cents` is the amount before the programme's volume discount, which is taken off here; without one for this
    customer it is what was paid. `details` say what of it the programme may leave out.
    `key` is the form's one-time key: sent again, it has no second effect and gets the same answer. Without a receipt
    number the visit gets one made from the key. Raises `KeyReused` for a key used with other content, `Conflict` for
    a known receipt with other content, `Refused` for what the visit or a code does not allow.
    """
    content = {
        "what": "visit",
        "customer": customer.pk if customer else None,
        "amount_cents": amount_cents,
        "payment_method": payment_method,
        "receipt_id": receipt_id,
        "note": note,
        "vouchers": sorted(voucher_ids),
        "code": normalise_code(code),
        **({} if details == NO_DETAILS else {"details": repr(details)}),
    }

    def produce() -> dict[str, Any]:
        off = _discount_cents(customer, store, amount_cents, receipt_id)
        outcome = record_visit(
            customer=customer,
            store=store,
            net_cents=amount_cents - off,
            discount_cents=off,
            payment_method=payment_method,
            receipt_id=receipt_id or receipt_of_key(key),
            note=note,
            details=details,
            by=by,
        )
        if outcome.visit.voided_at is not None:
            raise Refused(
                _("Receipt %(receipt)s was undone. Leave the number out, or add a letter to it.")
                % {"receipt": receipt_id},
                field="receipt_id",
            )
        for used in _codes(voucher_ids, code):
            _use_on(outcome.visit, used, customer=customer, store=store, by=by)
        return {"visit": outcome.visit.pk, "is_new": outcome.is_new}

    answer = once(scope=key_scope(store), key=key, content=content, produce=produce)
    return SavedVisit(answer["visit"], answer["is_new"])


def _discount_cents(customer: Customer | None, store: Store, amount_cents: int, receipt_id: str) -> int:
    """What is taken off the amount; for a receipt saved before, what was taken off it then."""
    if customer is None:
        return 0
    if receipt_id:
        known = Visit.objects.filter(store=store, receipt_key=receipt_key(receipt_id), gross_cents=amount_cents).first()
        if known is not None:
            return known.discount_cents
    terms = discount_for(customer, on=store.business_date())
    discount = terms.of(amount_cents) if terms else None
    return discount.cents if discount else 0


def receipt_of_key(key: str) -> str:
    """The receipt number of a visit saved without one: the same for every retry of the same form."""
    return f"T-{hashlib.sha256(key.encode()).hexdigest()[:16].upper()}"


def _codes(voucher_ids: Sequence[int], typed: str) -> list[str]:
    known = dict(Voucher.objects.filter(pk__in=voucher_ids).values_list("pk", "code"))
    if len(known) < len(set(voucher_ids)):
        raise Refused(_("An offer ticked here is not known. Open the customer again."))
    return list(dict.fromkeys([*known.values(), *filter(None, [normalise_code(typed)])]))


def _use_on(visit: Visit, code: str, *, customer: Customer | None, store: Store, by: User) -> None:
    if customer is None:
        raise Refused(_("A code is used by its customer. Find the customer first."), field="code")
    use_code(
        code=code,
        customer=customer,
        store=store,
        reference=f"visit:{visit.pk}:{code}",
        visit=visit,
        net_cents=visit.net_cents,
        by=by,
    )


@atomic_with_retry
def refund_at_till(
    *, visit: Visit, store: Store, amount_cents: int, receipt_id: str = "", key: str, by: User
) -> Refund:
    """Record money given back at a till of the store, in part or whole, with what follows for the points.

    Sent again with the same `key` it is the same refund. Raises `Refused` for more than is left of the receipt and on
    the own account, `KeyReused` for a key used with other content.
    """
    refuse_own_account(by=by, customer_id=visit.customer_id)

    def produce() -> dict[str, Any]:
        refund = refund_visit(
            visit=visit, store=store, net_cents=amount_cents, receipt_id=receipt_id or receipt_of_key(key), by=by
        )
        return {"refund": refund.pk}

    content = {"what": "refund", "visit": visit.pk, "amount_cents": amount_cents, "receipt_id": receipt_id}
    answer = once(scope=key_scope(store), key=key, content=content, produce=produce)
    return Refund.objects.get(pk=answer["refund"])


def use_reward_now(*, customer: Customer, reward: Reward, store: Store, key: str, by: User) -> Used:
    """Spend points on a reward and hand it over now. Sent again with the same `key` it has no second effect."""
    return use_reward(customer=customer, reward=reward, store=store, reference=f"{key_scope(store)}:{key}", by=by)


@atomic_with_retry
def add_customer(
    *,
    first_name: str = "",
    last_name: str = "",
    phone: str = "",
    email: str = "",
    card: str = "",
    language: str,
    offers_by_email: bool,
    surveys_by_email: bool,
    wording_version: str,
    store: Store,
    key: str,
    by: User,
) -> Customer:
    """Add a customer who stands at the till, with the consent given there. A yes is written down, silence is not.

    Sent again with the same `key` it is the same customer. Raises `Refused`, naming the field, as `create_customer`
    does, and where a yes to email has no address.
    """
    agreed = [
        purpose for purpose, given in ((Purpose.OFFERS, offers_by_email), (Purpose.SURVEYS, surveys_by_email)) if given
    ]
    if agreed and not email:
        raise Refused(_("Enter the email address, or leave the boxes for email empty"), field="email")

    def produce() -> dict[str, Any]:
        customer = create_customer(
            first_name=first_name,
            last_name=last_name,
            phone=phone,
            email=email,
            card=card,
            language=language,
            joined_on=store.business_date(),
            home_store=store,
            by=by,
        )
        for purpose in agreed:
            record_consent(
                customer=customer,
                purpose=purpose,
                channel=Channel.EMAIL,
                given=True,
                source=ConsentEvent.Source.TILL,
                wording_version=wording_version,
                by=by,
            )
        return {"customer": customer.pk}

    content = {
        "what": "customer",
        "known_by": [first_name, last_name, phone, email, card, language],
        "agreed": [str(purpose) for purpose in agreed],
    }
    answer = once(scope=key_scope(store), key=key, content=content, produce=produce)
    return Customer.objects.get(pk=answer["customer"])


@atomic_with_retry
def report_problem(
    *, customer: Customer, store: Store, kind: str, subject: str, words: str, language: str = "", key: str, by: User
) -> Ticket:
    """Open a ticket with what a customer tells at the till. Sent again with the same `key` it is the same ticket."""

    def produce() -> dict[str, Any]:
        ticket = open_ticket(
            customer=customer,
            store=store,
            kind=kind,
            subject=subject,
            words=words,
            source=TicketSource.TILL,
            language=language,
            by=by,
        )
        return {"ticket": ticket.pk}

    content = {"what": "ticket", "customer": customer.pk, "kind": kind, "subject": subject, "words": words}
    answer = once(scope=key_scope(store), key=key, content=content, produce=produce)
    return Ticket.objects.get(pk=answer["ticket"])

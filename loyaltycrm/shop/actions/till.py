"""What a till saves in one go: a visit with the codes used on it, a new customer with consent, a problem told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _

from customers.actions.consent import record_consent
from customers.actions.customers import create_customer
from customers.actions.mailing import may_be_mailed
from customers.actions.referrals import record_referral
from customers.actions.returned_lines import ReturnedLine
from customers.actions.visit_lines import ReceiptLine
from customers.actions.visits import receipt_key
from customers.models import Channel, ConsentEvent, Customer, Purpose, Refund, Visit
from feedback.actions.tickets import open_ticket
from feedback.models import Ticket, TicketSource
from loyaltycrm.core.actions.idempotency import answered, once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.lib.transactions import atomic_with_retry
from loyaltycrm.shop.actions.receipt_mails import mail_receipt, wants_receipts
from loyaltycrm.shop.queries.till import key_scope
from rewards.actions.codes import NO_CODES, codes_for, sale_of, spread, use_codes
from rewards.actions.earning import NO_DETAILS, Details, record_visit, refund_visit
from rewards.actions.joining_uses import join_uses
from rewards.actions.money_off import use_as_money, worth_as_money
from rewards.actions.own_account import refuse_own_account
from rewards.actions.redeeming import Used, normalise_code, use_reward
from rewards.benefits import Sale
from rewards.discounts import CustomersDiscount, discount_for
from rewards.models import Reward, Voucher
from rewards.programme import BasketLine


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
    item_cents: int | None = None,
    details: Details = NO_DETAILS,
    by_email: bool = False,
    by_consent: bool = False,
    receipt_lines: Sequence[ReceiptLine] = (),
    points: int | None = None,
    used: Sequence[int] = (),
    occurred_at: datetime | None = None,
    key: str,
    by: User,
) -> SavedVisit:
    """Record a visit at a till, with its points and the codes used on it, all or nothing.

    `amount_cents` is the amount before the programme's volume discount and before the codes ticked or typed, which are
    taken off here; without any of them it is what was paid. `item_cents` is the price of the item that a code is for.
    `points` are used as money off what is left to pay: they pay that part of the visit. `used` are uses of points, by
    id, that were made just before and belong to it.
    `details` say what of it the programme may leave out, `receipt_lines` what was bought, at prices before the codes.
    `occurred_at` is when it was typed, where it could not be sent at once: its day counts. Default: now.
    `by_email` lets the receipt go to the customer when the time to undo it is over, where an email can reach them;
    `by_consent` says that nobody asked for it here: the customer had said yes to receipts, and must not have said no
    since.
    `key` is the form's one-time key: sent again, it has no second effect and gets the same answer, also without the
    note, which a browser does not keep. Without a receipt number the visit gets one made from the key. Raises
    `KeyReused` for a key used with other content, `Conflict` for a known receipt with other content, `Refused` for
    what the visit or a code does not allow.
    """
    content = {
        "what": "visit",
        "customer": customer.pk if customer else None,
        "amount_cents": amount_cents,
        "payment_method": payment_method,
        "receipt_id": receipt_id,
        "vouchers": sorted(voucher_ids),
        "code": normalise_code(code),
        **({} if details == NO_DETAILS else {"details": repr(details)}),
        **({"by_email": True} if by_email else {}),
        **({"by_consent": True} if by_consent else {}),
        **({} if item_cents is None else {"item_cents": item_cents}),
        **({"lines": repr(list(receipt_lines))} if receipt_lines else {}),
        **({"points": points} if points else {}),
        **({"used": sorted(used)} if used else {}),
    }

    def produce() -> dict[str, Any]:
        known = _known(store, amount_cents, receipt_id) if customer else None
        day = store.business_date(occurred_at)
        terms = discount_for(customer, on=day) if customer and known is None else None
        sale = sale_before_codes(terms, store, amount_cents, receipt_lines, item_cents, day=day)
        typed = _codes(voucher_ids, code)
        codes = NO_CODES if known or not typed else codes_for(typed, customer=_owner(customer), sale=sale)
        off = known.discount_cents if known else amount_cents - sale.amount_cents + codes.off_cents
        paid = replace(details, extra=codes.extra)
        if points and known is None:
            paid = replace(
                paid, paid_with_points_cents=worth_as_money(_owner(customer), points, amount_cents - off, day)
            )
        outcome = record_visit(
            customer=customer,
            store=store,
            net_cents=amount_cents - off,
            discount_cents=off,
            payment_method=payment_method,
            receipt_id=receipt_id or receipt_of_key(key),
            occurred_at=occurred_at,
            note=note,
            details=with_goods(paid, receipt_lines, off),
            receipt_lines=spread(receipt_lines, off),
            by=by,
        )
        if outcome.visit.voided_at is not None:
            raise Refused(
                _("Receipt %(receipt)s was undone. Leave the number out, or add a letter to it.")
                % {"receipt": receipt_id},
                field="receipt_id",
            )
        if outcome.is_new:
            join_uses(used, visit=outcome.visit, by=by)
            use_codes(codes, visit=outcome.visit, by=by)
            if points:
                use_as_money(
                    customer=_owner(customer),
                    points=points,
                    store=store,
                    reference=f"{key_scope(store)}:{key}:points",
                    visit=outcome.visit,
                    by=by,
                )
        if by_email and customer and may_be_mailed(customer) and (not by_consent or wants_receipts(customer)):
            mail_receipt(visit=outcome.visit, asked_at=occurred_at, by=by)
        return {"visit": outcome.visit.pk, "is_new": outcome.is_new}

    answer = once(scope=key_scope(store), key=key, content=content, produce=produce)
    return SavedVisit(answer["visit"], answer["is_new"])


def with_goods(details: Details, lines: Sequence[ReceiptLine], off_cents: int) -> Details:
    """What the programme judges, with the goods: by the cents that the receipt keeps for them after what was taken
    off, so that a line that comes back whole is gone."""
    goods = [
        BasketLine(line.net_cents, line.product, line.category, line.department) for line in spread(lines, off_cents)
    ]
    return replace(details, lines=(*goods, *details.lines)) if goods else details


def sale_before_codes(
    terms: CustomersDiscount | None,
    store: Store,
    amount_cents: int,
    lines: Sequence[ReceiptLine] = (),
    item_cents: int | None = None,
    *,
    day: date | None = None,
) -> Sale:
    """The sale that codes see, on a day (default: today): of the amount typed, what the programme's own discount leaves
    to pay."""
    discount = terms.of(amount_cents) if terms else None
    left = amount_cents - (discount.cents if discount else 0)
    return sale_of(store=store, amount_cents=left, day=day, lines=lines, item_cents=item_cents)


def _known(store: Store, amount_cents: int, receipt_id: str) -> Visit | None:
    """The visit of a receipt saved before: what was taken off it then is taken off it again."""
    if not receipt_id:
        return None
    return Visit.objects.filter(store=store, receipt_key=receipt_key(receipt_id), gross_cents=amount_cents).first()


def _owner(customer: Customer | None) -> Customer:
    if customer is None:
        raise Refused(_("A code is used by its customer. Find the customer first."), field="code")
    return customer


def receipt_of_key(key: str) -> str:
    """The receipt number of a visit saved without one: the same for every retry of the same form."""
    return f"T-{hashlib.sha256(key.encode()).hexdigest()[:16].upper()}"


def _codes(voucher_ids: Sequence[int], typed: str) -> list[str]:
    known = dict(Voucher.objects.filter(pk__in=voucher_ids).values_list("pk", "code"))
    if len(known) < len(set(voucher_ids)):
        raise Refused(_("An offer ticked here is not known. Open the customer again."))
    return list(dict.fromkeys([*known.values(), *filter(None, [normalise_code(typed)])]))


@atomic_with_retry
def refund_at_till(
    *,
    visit: Visit,
    store: Store,
    amount_cents: int,
    receipt_id: str = "",
    lines: Sequence[ReturnedLine] = (),
    sent: Mapping[str, Sequence[str]] | None = None,
    key: str,
    by: User,
) -> Refund:
    """Record money given back at a till of the store, in part or whole, with what follows for the points.

    `lines` are the goods that came back, where they are known. `sent` is the form as it was sent, which says what the
    key was used for: the same form means other goods and another amount once some of them came back.

    Sent again with the same `key` it is the same refund. Raises `Refused` for more than is left of the receipt and on
    the own account, `KeyReused` for a key used with other content.
    """
    refuse_own_account(by=by, customer_id=visit.customer_id)

    def produce() -> dict[str, Any]:
        refund = refund_visit(
            visit=visit,
            store=store,
            net_cents=amount_cents,
            receipt_id=receipt_id or receipt_of_key(key),
            lines=lines,
            by=by,
        )
        return {"refund": refund.pk}

    content = {"what": "refund", "visit": visit.pk, "amount_cents": amount_cents, "receipt_id": receipt_id}
    if lines:
        content["lines"] = repr(list(lines))
    if sent is not None:
        content = _refund_sent(visit, sent)
    answer = once(scope=key_scope(store), key=key, content=content, produce=produce)
    refund = Refund.objects.filter(pk=answer["refund"]).first()
    if refund is None:
        raise Refused(_("This refund was undone. Open the receipt again to give money back on it."))
    return refund


def refund_given_with(*, visit: Visit, store: Store, sent: Mapping[str, Sequence[str]], key: str) -> Refund | None:
    """The refund that the same form with the same key recorded already, unless it was undone since."""
    answer = answered(scope=key_scope(store), key=key, content=_refund_sent(visit, sent))
    return Refund.objects.filter(pk=answer["refund"]).first() if answer else None


def _refund_sent(visit: Visit, sent: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {"what": "refund", "visit": visit.pk, "sent": dict(sent)}


def use_reward_now(
    *, customer: Customer, reward: Reward, store: Store, visit: Visit | None = None, key: str, by: User
) -> Used:
    """Spend points on a reward and hand it over now. Sent again with the same `key` it has no second effect.

    `visit` is the one saved just before that it was used on. What comes as a code belongs to no visit: it can be used
    on any. Raises `Refused` as `use_reward` does, and for a visit that was undone or is somebody else's.
    """
    on_visit = None if reward.benefit.is_collected else visit
    reference = f"{key_scope(store)}:{key}"
    return use_reward(customer=customer, reward=reward, store=store, reference=reference, visit=on_visit, by=by)


@atomic_with_retry
def add_customer(
    *,
    first_name: str = "",
    last_name: str = "",
    phone: str = "",
    email: str = "",
    card: str = "",
    invitation: str = "",
    language: str,
    offers_by_email: bool,
    surveys_by_email: bool,
    receipts_by_email: bool = False,
    comes_back: bool = False,
    wording_version: str,
    store: Store,
    key: str,
    by: User,
) -> Customer:
    """Add a customer who stands at the till, with the consent given there. A yes is written down, silence is not.

    Sent again with the same `key` it is the same customer. Raises `Refused`, naming the field, as `create_customer`
    does, where a yes to email has no address, and where the invitation of a friend cannot be theirs.
    """
    asked = (
        (Purpose.OFFERS, offers_by_email),
        (Purpose.SURVEYS, surveys_by_email),
        (Purpose.RECEIPTS, receipts_by_email),
    )
    agreed = [purpose for purpose, given in asked if given]
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
            comes_back=comes_back,
            by=by,
        )
        if invitation:
            record_referral(friend=customer, code=invitation, by=by)
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
        "known_by": [first_name, last_name, phone, email, card, language, *filter(None, [invitation])],
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

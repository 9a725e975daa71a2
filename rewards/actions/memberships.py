"""Memberships sold, renewed, undone at the till, and cancelled. The dates alone decide whether one holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.signals import record_signal, withdraw_signal
from customers.actions.visits import is_whole
from customers.models import Customer, EvidenceKind, Membership, Signal
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib import formats
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.own_account import refuse_own_account
from rewards.knobs import UNDO_MINUTES
from rewards.programme import load_programmes
from rewards.programme.benefits import MembershipTerms

# Whoever pays for a membership means to stay; whoever takes a free one says less.
STRENGTH_PAID, STRENGTH_FREE = 1, 0.5


@dataclass(frozen=True, slots=True)
class _Sale:
    customer: Customer
    store: Store | None
    at: datetime
    by: User | None

    @property
    def day(self) -> date:
        return self.store.business_date(self.at) if self.store else Company.current().today(self.at)


@atomic_with_retry
def sell_membership(*, customer: Customer, store: Store, key: str, by: User | None) -> Membership:
    """Sell the programme's membership from today on, at its price. Sent again with the same `key`: the same one.

    Raises `Refused` where the programme has none, or where the customer has one that is not over.
    """
    customer = customer.current

    def start(sale: _Sale, standing: Membership | None) -> date:
        if standing is not None:
            raise Refused(
                _("The membership holds already. Last day: %(day)s. Renew it instead.")
                % {"day": formats.short_date(standing.last_day)}
            )
        return sale.day

    return _sell("sell membership", start, customer=customer, store=store, key=key, by=by)


@atomic_with_retry
def renew_membership(*, customer: Customer, store: Store, key: str, by: User | None) -> Membership:
    """Sell another period, from the day after the last one of the membership that holds, by the terms of today.

    Sent again with the same `key`: the same one. Raises `Refused` where the programme has none, where none holds, or
    where it was renewed already.
    """
    customer = customer.current

    def start(sale: _Sale, standing: Membership | None) -> date:
        if standing is None:
            raise Refused(_("No membership holds today. Sell a new one instead."))
        if standing.starts_on > sale.day:
            raise Refused(
                _("The membership was renewed already. Last day: %(day)s.")
                % {"day": formats.short_date(standing.last_day)}
            )
        return standing.last_day + timedelta(days=1)

    return _sell("renew membership", start, customer=customer, store=store, key=key, by=by)


def _sell(
    what: str,
    start: Callable[[_Sale, Membership | None], date],
    *,
    customer: Customer,
    store: Store,
    key: str,
    by: User | None,
) -> Membership:
    def produce() -> dict[str, Any]:
        # Two tills must not both find that the customer has none.
        Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        sale = _Sale(customer, store, timezone.now(), by)
        terms = load_programmes().at(sale.day).rules.membership
        if terms is None:
            raise Refused(_("The programme has no membership now."))
        standing = Membership.objects.filter(customer=customer).not_over_on(sale.day).order_by("-starts_on").first()
        return {"membership": _write(what, sale, terms, start(sale, standing)).pk}

    content = {"what": what, "customer": customer.pk}
    answer = once(scope=f"membership:{store.pk}", key=key, content=content, produce=produce)
    return Membership.objects.get(pk=answer["membership"])


def give_membership(
    *, customer: Customer, store: Store | None, names: Mapping[str, str], days: int, by: User | None
) -> Membership:
    """Give a membership of so many days for nothing, from today on or after the one that holds, in the caller's
    transaction; what was used for it is its key."""
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    at = timezone.now()
    today = store.business_date(at) if store else Company.current().today(at)
    standing = Membership.objects.filter(customer=customer).not_over_on(today).order_by("-starts_on").first()
    starts_on = today if standing is None else standing.last_day + timedelta(days=1)
    terms = MembershipTerms(names=dict(names), price_cents=0, days=days)
    return _write("give membership", _Sale(customer, store, at, by), terms, starts_on)


def take_membership_back(*, membership: Membership, by: User | None) -> None:
    """End a membership given for a use that was undone: it never held. Again it has no effect."""
    membership = _locked(membership)
    if membership.cancelled_at is None:
        _end("undo membership", membership, on=membership.starts_on, refunded_cents=0, note="", by=by)


def _write(what: str, sale: _Sale, terms: MembershipTerms, starts_on: date) -> Membership:
    membership = Membership.objects.create(
        customer=sale.customer,
        names=terms.names,
        starts_on=starts_on,
        ends_on=starts_on + timedelta(days=terms.days - 1),
        price_cents=terms.price_cents,
        store=sale.store,
        sold_at=sale.at,
        sold_by=sale.by,
    )
    record_signal(
        customer=sale.customer,
        kind=EvidenceKind.STAYS,
        source=Signal.Source.MEMBERSHIP,
        strength=STRENGTH_PAID if terms.price_cents else STRENGTH_FREE,
        occurred_on=sale.day,
        reference=_reference(membership),
        by=sale.by,
    )
    facts = {
        "customer": sale.customer.pk,
        "price_cents": terms.price_cents,
        "from": starts_on.isoformat(),
        "through": membership.ends_on.isoformat(),
    }
    audit.record(what, membership, by=sale.by, data=facts)
    return membership


def _reference(membership: Membership) -> str:
    return f"membership:{membership.pk}"


def undo_ends_at(membership: Membership) -> datetime:
    """Until when the till may undo the sale of a membership."""
    return membership.sold_at + timedelta(minutes=value(UNDO_MINUTES))


@atomic_with_retry
def undo_membership(*, membership: Membership, by: User | None) -> Membership:
    """Undo a sale made by mistake: it never held, and its whole price is given back. Undoing again has no effect.

    Raises `Refused` after the time for undoing.
    """
    membership = _locked(membership)
    if membership.cancelled_at is not None:
        return membership
    if timezone.now() > undo_ends_at(membership):
        raise Refused(_("The time to undo this is over. Ask a manager for a correction."))
    return _end(
        "undo membership", membership, on=membership.starts_on, refunded_cents=membership.price_cents, note="", by=by
    )


@atomic_with_retry
def cancel_membership(*, membership: Membership, refunded_cents: int, note: str, by: User | None) -> Membership:
    """End a membership with today as its last day, one that has not begun before it begins; the note says why.

    `refunded_cents` is what was given back of its price. Cancelling again has no effect. Raises `Refused` for one that
    is over, for more than its price, on the own account, or without a note.
    """
    membership = _locked(membership)
    if membership.cancelled_at is not None:
        return membership
    refuse_own_account(by=by, customer_id=membership.customer_id)
    today = Company.current().today()
    if membership.is_over_on(today):
        raise Refused(_("This membership is over. There is nothing to cancel."))
    if not is_whole(refunded_cents) or not 0 <= refunded_cents <= membership.price_cents:
        raise Refused(_("Enter an amount up to the price of the membership."), field="refunded_cents")
    if not note.strip():
        raise Refused(_("Write why, so that others understand it later."), field="note")
    return _end(
        "cancel membership",
        membership,
        on=max(today + timedelta(days=1), membership.starts_on),
        refunded_cents=refunded_cents,
        note=note.strip(),
        by=by,
    )


def _locked(membership: Membership) -> Membership:
    return Membership.objects.select_for_update(of=("self",)).get(pk=membership.pk)


def _end(what: str, membership: Membership, *, on: date, refunded_cents: int, note: str, by: User | None) -> Membership:
    membership.cancelled_from = on
    membership.cancelled_at = timezone.now()
    membership.cancelled_by = by
    membership.refunded_cents = refunded_cents
    membership.note = note
    membership.save()
    withdraw_signal(reference=_reference(membership), by=by)
    facts = {"customer": membership.customer_id, "from": on.isoformat(), "refunded_cents": refunded_cents}
    audit.record(what, membership, by=by, data=facts)
    return membership

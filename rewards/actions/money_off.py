"""Points used as money off at the rate of the programme: in its steps, from its minimum."""

from __future__ import annotations

from datetime import date

from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import Customer, Visit
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import announce, quiet
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.lib.inserting import insert_part, is_written
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.redeeming import Used, check_visit, locked_visit, refusal_in_words, used_before
from rewards.actions.telling import used_voucher
from rewards.ledger import NotAllowed, NotEnoughPoints, UsedPoints, check_at_rate, open_account, replay, write_with
from rewards.models import Redemption
from rewards.programme import Programme, load_programmes
from rewards.queries import balance_of


@atomic_with_retry
def use_as_money(
    *, customer: Customer, points: int, store: Store, reference: str, visit: Visit | None = None, by: User | None
) -> Used:
    """Spend points as money off, worth what the programme of the day says; with `visit` they paid a part of it.

    Points that paid a part of a visit come back with its refunds. `reference` is the request's own key: sent again it
    has no second effect. Raises `Refused` for points that are not there, no multiple of the programme's step or below
    its minimum, and for more than the visit cost; `Conflict` when the key was used for something else.
    """
    customer = customer.current
    visit = locked_visit(visit)
    account = open_account(customer.pk)
    if before := used_before(reference, customer, visit, points=points):
        return before
    check_visit(visit, customer)
    now = timezone.now()
    event = UsedPoints(
        occurred_at=now,
        business_date=store.business_date(now),
        reference=f"redemption:{reference}",
        points=points,
        visit=visit.pk if visit else None,
        at_rate=True,
    )
    worth_cents = account.programmes.at(event.business_date).value_cents_of(points)
    if visit is not None:
        refuse_more_than_cost(visit, worth_cents)
    replayed = replay(account.state, [event], account.programmes, zone=account.zone)
    if replayed.refused:
        raise refusal_in_words(replayed.refused[0][1])
    use = Redemption(
        reference=event.reference,
        customer=customer,
        store=store,
        visit=visit,
        points=points,
        value_cents=worth_cents,
        redeemed_at=now,
        business_date=event.business_date,
        redeemed_by=by,
    )
    data = {"points": points, "customer": customer.pk, "value_cents": worth_cents}
    with quiet(when=not account.has_receivers):
        row = insert_part("redemption", use, taken={"posting_id": "SELECT id FROM entry WHERE kind = 'redeem'"})
        audited = audit.part("use points as money off", use, by=by, data=data, written_by="redemption")
        answers = write_with(account.state, replayed.entries, by=by, beside=[row, audited])
        is_written(use, answers["redemption"][0][1])
        use.posting_id = dict(answers["entry"])[use.reference]
        announce(used_voucher(use))
    return Used(use, is_new=True)


def worth_as_money(customer: Customer, points: int, to_pay_cents: int, day: date) -> int:
    """The cents that points take off a visit to come. Raises `Refused` where they are not there before it, are no
    multiple of the programme's step or below its minimum, or are worth more than there is to pay."""
    programme = load_programmes().at(day)
    terms, available = programme.rules.redemption, balance_of(customer.current, day).available
    try:
        check_at_rate(points, terms)
    except NotAllowed as refusal:
        raise refusal_in_words(refusal) from None
    if points > available:
        raise refusal_in_words(NotEnoughPoints(points, available))
    worth_cents = programme.value_cents_of(points)
    if worth_cents > to_pay_cents:
        raise Refused(_("Enter no more than the amount paid"), field="points")
    return worth_cents


def usable_as_money(available: int, programme: Programme, *, most: int = 20) -> list[int]:
    """The numbers of points that can be used as money off of so many, fewest first: at most so many of them, the
    largest always."""
    terms = programme.rules.redemption
    steps = range(max(-(-terms.minimum_points // terms.points), 1), max(available, 0) // terms.points + 1)
    shown = [*steps[: most - 1], steps[-1]] if len(steps) > most else [*steps]
    return [step * terms.points for step in shown]


def refuse_more_than_cost(visit: Visit, worth_cents: int) -> None:
    """Raise `Refused` where points would pay more than is left of what a visit cost, or money was given back on it."""
    if visit.refunds.exists():
        raise Refused(_("Money was given back on this visit. Ask a manager for a correction."))
    paid = sum(use.value_cents for use in visit.redemptions.filter(undone_at__isnull=True) if use.paid_visit)
    if paid + worth_cents > visit.net_cents:
        raise Refused(_("Enter no more than the amount paid"), field="points")

"""A visit and its points: preview, record, refund, undo. One way for the till, the API and the import."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.returned_lines import ReturnedLine
from customers.actions.telling import given_back, saved_visit
from customers.actions.visit_lines import ReceiptLine, insert_lines, refuse_other_lines
from customers.actions.visits import insert_refund, visit_to_write, write_visit
from customers.models import Customer, PaymentMethod, Refund, Visit, VisitChannel
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import Told, parts, quiet
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Store, User
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.together import Part, run_together
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.assessing import amounts_of, load_assessor, replay_assessed, with_categories
from rewards.actions.plain_sales import Plain, audited_content, record_plainly
from rewards.actions.standings import moved_standing
from rewards.actions.tiers import review_tiers
from rewards.actions.voiding import take_visit_back
from rewards.knobs import UNDO_MINUTES
from rewards.ledger import Entry, GaveMoneyBack, OpenAccount, Sold, open_account, open_for_sale, replay, write_with
from rewards.models import Posting, PostingKind
from rewards.programme import Basket, BasketLine, EarningLine, Programmes, as_facts, load_programmes
from rewards.programme.earning_rules import EarningRule
from rewards.queries import balance_of


@dataclass(frozen=True, slots=True)
class VisitPreview:
    """What saving a visit would do: the addends of its points, and the available balance before and after.

    `pending` of the points cannot be used before `opens_on`; what repays arrears counts at once.
    """

    lines: Sequence[EarningLine]
    points: int
    balance_before: int
    balance_after: int
    pending: int = 0
    opens_on: date | None = None


@dataclass(frozen=True, slots=True)
class VisitOutcome:
    """A saved visit, the points it earned and the available balance after it; `is_new` is False on a retry."""

    visit: Visit
    points: int
    balance_after: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Details:
    """What a till may know of a sale beyond its amount, for programmes that ask for it.

    `lines` say what was bought (a blank category or department is taken from the product list), `tax_cents` the tax
    contained in the net, `partner` the code of a partner at which it was bought; `extra` are the rules of codes used
    on it (`rewards.actions.codes`).
    """

    lines: tuple[BasketLine, ...] = ()
    paid_with_points_cents: int = 0
    tax_cents: int | None = None
    partner: str = ""
    extra: tuple[EarningRule, ...] = ()


NO_DETAILS = Details()
_KEEP_SAID: Final = """
    INSERT INTO rewards_saidofsale (visit_id, facts) VALUES (%(said_visit)s::bigint, %(said_facts)s::jsonb)"""


def preview_visit(
    *,
    customer: Customer,
    store: Store,
    net_cents: int,
    at: datetime | None = None,
    payment_method: str = PaymentMethod.UNKNOWN,
    channel: str = VisitChannel.TILL,
    details: Details = NO_DETAILS,
) -> VisitPreview:
    """What such a visit would earn at this instant (default: now). Changes nothing."""
    customer = customer.current
    at = at or timezone.now()
    day = store.business_date(at)
    programmes = load_programmes()
    visit = Visit(
        store=store,
        net_cents=net_cents,
        occurred_at=at,
        business_date=day,
        payment_method=payment_method,
        channel=channel,
    )
    basket = _basket(visit, details, programmes)
    assessor = load_assessor([customer.pk], programmes, [day], has_extra=bool(details.extra), is_only_a_look=True)
    if assessor is not None:
        basket = assessor.completed(customer.pk, basket, at)
    lines = programmes.at(day).earning_of(basket)
    points = sum(line.points for line in lines)
    balance = balance_of(customer, day)
    opens_on = programmes.at(day).available_on(day)
    pending = max(points - balance.arrears, 0) if opens_on > day else 0
    return VisitPreview(
        lines=lines,
        points=points,
        balance_before=balance.available,
        balance_after=balance.available + points - pending,
        pending=pending,
        opens_on=opens_on if pending else None,
    )


def record_visit(
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
    details: Details = NO_DETAILS,
    receipt_lines: Sequence[ReceiptLine] = (),
    by: User | None,
) -> VisitOutcome:
    """Record a visit, post what it earned and review the tier, all or nothing. `receipt_lines` are kept with it.

    Sent again, the same receipt has no second effect and gets the same answer. Raises `Conflict` for a known receipt
    with other content, `Refused` for amounts and times that cannot be. An anonymous visit earns nothing.
    """
    visit = visit_to_write(
        customer=customer,
        store=store,
        net_cents=net_cents,
        discount_cents=discount_cents,
        receipt_id=receipt_id,
        occurred_at=occurred_at,
        payment_method=payment_method,
        channel=channel,
        note=note,
        by=by,
    )
    if not receipt_lines and not details.extra and (plain := record_plainly(visit, by=by)) is not None:
        return _finished(visit, plain, details=details, by=by)
    return _record(visit, sent_for=customer, details=details, receipt_lines=receipt_lines, by=by)


def _finished(visit: Visit, plain: Plain, *, details: Details, by: User | None) -> VisitOutcome:
    """What a visit that was recorded plainly still needs, where something changed the account at that moment."""
    assert visit.customer_id is not None
    if not plain.is_posted:
        with transaction.atomic(savepoint=False):
            return post_visit(visit, details=details, by=by, beside=[])
    if not plain.is_ranked:
        review_tiers([visit.customer_id])
    return VisitOutcome(visit, plain.points, plain.balance_after, is_new=True)


@atomic_with_retry
def _record(
    visit: Visit,
    *,
    sent_for: Customer | None,
    details: Details,
    receipt_lines: Sequence[ReceiptLine],
    by: User | None,
) -> VisitOutcome:
    """Write the visit and what follows from it, in steps."""
    visit, is_new = write_visit(copy(visit), sent_for=sent_for)
    crash_point("visit.written")
    if not is_new:
        refuse_other_lines(visit, receipt_lines)
    elif receipt_lines:
        insert_lines(visit, receipt_lines)
        crash_point("visit.lines")
    audited = audit.part("record visit", visit, by=by, data=audited_content(visit))
    if sent_for is None:
        if is_new:
            told = parts([saved_visit(visit, points=0, balance=None)])
            run_together([audited, *_said_of(visit, details), *told])
        return VisitOutcome(visit, 0, 0, is_new)
    if not is_new:
        balance = balance_of(sent_for.current, visit.business_date)
        return VisitOutcome(visit, points_earned_by(visit), balance.available, is_new=False)
    return post_visit(visit, details=details, by=by, beside=[audited])


def post_visit(visit: Visit, *, details: Details, by: User | None, beside: Sequence[Part]) -> VisitOutcome:
    """Post what a recorded visit earned, keep the facts it was judged by, and review its customer's tier; `beside` is
    written with it, all in the caller's transaction."""
    assert visit.customer_id is not None
    day = visit.business_date
    account = open_for_sale(visit.customer_id, day)
    state, programmes = account.state, account.programmes
    assessor = load_assessor(
        [visit.customer_id], programmes, [day], new_visits=[visit.pk], has_extra=bool(details.extra)
    )
    sold = Sold(
        occurred_at=visit.occurred_at,
        business_date=visit.business_date,
        reference=f"visit:{visit.pk}",
        visit=visit.pk,
        receipt_key=visit.receipt_key,
        basket=_basket(visit, details, programmes),
    )
    entries = replay_assessed(state, [sold], programmes, assessor, zone=account.zone).entries
    earned, balance = state.visits[visit.pk].earned, state.available(day)
    standing = _standing(account, sold, entries)
    told = [saved_visit(visit, points=earned, balance=balance)]
    with quiet(when=not account.has_receivers):
        answers = write_with(state, entries, by=by, beside=[*beside, *standing], told=told)
    crash_point("visit.posted")
    if assessor is not None:
        assessor.write()
    if not answers.get("standing"):
        review_tiers([visit.customer_id], programmes=programmes)
    return VisitOutcome(visit, earned, balance, is_new=True)


def _standing(account: OpenAccount, event: Sold | GaveMoneyBack, entries: Sequence[Entry]) -> list[Part]:
    """The customer's standing moved by an event of today; without an answer of it, the tier is to be reviewed."""
    state, day = account.state, event.business_date
    if day != timezone.now().astimezone(account.zone).date():
        return []
    return [moved_standing(state.customer_id, day, amounts_of(event, state, entries), account.programmes)]


def _basket(visit: Visit, details: Details, programmes: Programmes) -> Basket:
    """What the till says of a sale, as far as the version of its day asks for it."""
    needs = programmes.at(visit.business_date).needs
    if not needs.anything:
        return Basket(net_cents=visit.net_cents, day=visit.business_date, extra=details.extra)
    return Basket(
        net_cents=visit.net_cents,
        day=visit.business_date,
        clock=visit.occurred_at.astimezone(visit.store.zone).time().replace(microsecond=0),
        store=visit.store.code,
        channel=visit.channel,
        payment_method=visit.payment_method,
        partner=details.partner,
        lines=with_categories(details.lines) if needs.lines else (),
        paid_with_points_cents=min(max(details.paid_with_points_cents, 0), visit.net_cents),
        tax_cents=details.tax_cents,
        extra=details.extra,
    )


def _said_of(visit: Visit, details: Details) -> list[Part]:
    """What the till said of a sale without a customer, kept for whoever claims it; nothing where nobody will ask."""
    if details == NO_DETAILS:
        return []
    programmes = load_programmes()
    if not programmes.at(visit.business_date).needs.anything:
        return []
    facts = json.dumps(as_facts(_basket(visit, details, programmes)))
    return [Part("said_of_sale", _KEEP_SAID, {"said_visit": str(visit.pk), "said_facts": facts})]


def points_differ(outcome: VisitOutcome, *, shown: int | None, by: User | None) -> bool:
    """Whether the till had worked out another number of points (`shown`) for a saved visit; the audit log keeps it.

    In the transaction of the visit. None: it had worked out none.
    """
    differ = shown is not None and shown != outcome.points
    if differ and outcome.is_new:
        data = {"shown": shown, "points": outcome.points}
        audit.record("points differ from those of the till", outcome.visit, by=by, data=data)
    return differ


def points_earned_by(visit: Visit) -> int:
    """The points that a visit was awarded, before any refund."""
    earned = Posting.objects.filter(visit=visit, kind=PostingKind.EARN).values_list("points", flat=True).first()
    return earned or 0


@atomic_with_retry
def refund_visit(
    *,
    visit: Visit,
    net_cents: int,
    receipt_id: str,
    store: Store | None = None,
    occurred_at: datetime | None = None,
    lines: Sequence[ReturnedLine] = (),
    by: User | None,
) -> Refund:
    """Record money given back on a visit and what follows for its points: taken back, given back, or owed.

    `lines` are the goods that came back; without any, the points go in proportion to the money. Sent again, the same
    refund receipt has no second effect. Raises `Refused` for more than was paid or goods that cannot come back,
    `Conflict` for a known refund receipt with other content.
    """
    refund, is_new = insert_refund(
        visit=visit,
        net_cents=net_cents,
        receipt_id=receipt_id,
        store=store or visit.store,
        occurred_at=occurred_at,
        lines=lines,
        by=by,
    )
    if not is_new:
        return refund
    told = [given_back(refund, lines)]
    content = {"net_cents": net_cents, "visit": refund.visit_id}
    audited = [audit.part("refund visit", refund, by=by, data=content)]
    if refund.visit.customer_id is None:
        run_together([*audited, *parts(told)])
    else:
        returned = tuple((line.number, line.net_cents) for line in lines)
        post_refund(refund, returned=returned, not_posted=[refund], by=by, beside=audited, told=told)
    return refund


def post_refund(
    refund: Refund,
    *,
    returned: tuple[tuple[int, int], ...],
    not_posted: Sequence[Refund],
    by: User | None,
    beside: Sequence[Part] = (),
    told: Sequence[Told] = (),
) -> None:
    """Post what a recorded refund of a customer's visit takes back, and review the tier, in the caller's transaction.

    `returned` are the lines that came back, by number, each with its cents. `not_posted` are the refunds of the visit
    that have no posting yet, this one included; `beside` is written and `told` is announced with it.
    """
    visit = refund.visit
    assert visit.customer_id is not None
    account = open_account(visit.customer_id, visit_id=visit.pk, new_refund_ids=[one.pk for one in not_posted])
    state = account.state
    event = GaveMoneyBack(
        occurred_at=refund.occurred_at,
        business_date=refund.business_date,
        reference=f"refund:{refund.pk}",
        visit=visit.pk,
        receipt_key=refund.receipt_key,
        net_cents=refund.net_cents,
        lines=returned,
    )
    entries = replay(state, [event], account.programmes, zone=account.zone).entries
    standing = _standing(account, event, entries)
    with quiet(when=not account.has_receivers):
        answers = write_with(state, entries, by=by, beside=[*beside, *standing], told=told)
    if not answers.get("standing"):
        review_tiers([visit.customer_id], programmes=account.programmes)


def undo_ends_at(visit: Visit) -> datetime:
    """Until when the till may undo a visit, counted from when the sale was first saved, for whomever."""
    return (visit.first_recorded_at or visit.recorded_at) + timedelta(minutes=value(UNDO_MINUTES))


@atomic_with_retry
def undo_visit(*, visit: Visit, by: User | None) -> Visit:
    """Undo a visit saved by mistake: its points go, points used on it come back, codes used on it are good again.

    Raises `Refused` after the time for undoing, or a second time; `void_visit` is for later.
    """
    if timezone.now() > undo_ends_at(visit):
        raise Refused(_("The time to undo this visit is over. Ask a manager for a correction."))
    return take_visit_back(visit=visit, action="undo visit", by=by)

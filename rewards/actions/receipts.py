"""A receipt that finds its customer: one saved for somebody else a moment ago, or for nobody some days ago."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.actions.classifying import reclassify
from customers.actions.returned_lines import returned_of
from customers.actions.visits import insert_visit, receipt_key
from customers.models import Customer, Visit, VisitLine
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Store, User
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.earning import (
    Details,
    VisitOutcome,
    points_earned_by,
    post_refund,
    post_visit,
    undo_ends_at,
)
from rewards.actions.own_account import refuse_own_account
from rewards.actions.tiers import review_tiers
from rewards.actions.voiding import take_visit_back
from rewards.knobs import CLAIM_DAYS
from rewards.ledger import load_states
from rewards.models import SaidOfSale, SaleFacts
from rewards.programme import BasketLine, from_facts, load_programmes
from rewards.queries import balance_of


@atomic_with_retry
def move_visit(*, visit: Visit, customer: Customer, by: User | None) -> VisitOutcome:
    """Give a visit saved for the wrong customer to the right one: undone for the one, recorded for the other.

    The new visit has the receipt number, time, amounts and goods of the old one, which keeps standing in the history
    as undone. Within the time for undoing, and not where money was given back on it. Sent again it is the same visit.
    Locks both accounts and whoever's points were used on it, in id order. Raises `Refused`.
    """
    customer = customer.current
    visit = Visit.objects.select_for_update(of=("self",)).select_related("store").get(pk=visit.pk)
    if visit.voided_at is not None:
        moved = _standing(visit.store, visit.receipt_id)
        if moved is not None and moved.customer_id == customer.pk:
            return _as_it_is(moved, customer)
    if visit.customer_id is None:
        raise Refused(_("This sale has no customer. Add its points to the customer instead."))
    if visit.customer_id == customer.pk:
        raise Refused(_("This visit is this customer’s already. Choose another customer."))
    if timezone.now() > undo_ends_at(visit):
        raise Refused(_("The time to change this visit is over. Ask a manager for a correction."))
    if why := why_it_stays(visit):
        raise Refused(why)
    if visit.refunds.exists():
        raise Refused(_("Money was given back on this visit. Ask a manager for a correction."))
    refuse_own_account(by=by, customer_id=customer.pk)
    load_states([visit.customer_id, customer.pk], load_programmes(), visit_ids=[visit.pk])
    details = _details_of(visit)
    take_visit_back(visit=visit, action="move visit", by=by)
    Visit.objects.filter(pk=visit.pk).update(receipt_key=_key_of_moved(visit))
    moved, _is_new = insert_visit(
        customer=customer,
        store=visit.store,
        net_cents=visit.net_cents,
        discount_cents=visit.discount_cents,
        receipt_id=visit.receipt_id,
        occurred_at=visit.occurred_at,
        payment_method=visit.payment_method,
        channel=visit.channel,
        note=visit.note,
        by=by,
    )
    moved.first_recorded_at = visit.first_recorded_at or visit.recorded_at
    moved.save(update_fields=["first_recorded_at"])
    _copy_lines(visit, to=moved)
    data = {"net_cents": moved.net_cents, "customer": customer.pk, "moved_from": visit.pk}
    return post_visit(moved, details=details, by=by, beside=[audit.part("record visit", moved, by=by, data=data)])


@atomic_with_retry
def claim_visit(*, customer: Customer, store: Store, receipt_id: str, by: User | None) -> VisitOutcome:
    """Give the points of a sale without a card to the customer who shows its receipt: once, within the days set.

    They are those of the day of the sale, less what refunds took since. Sent again it has no second effect. Raises
    `Refused`, naming the field, for a receipt that is not known, too old, undone or somebody else's, and on the own
    account.
    """
    customer = customer.current
    visit = _standing(store, receipt_id)
    if visit is None:
        raise Refused(
            _("No receipt of this number stands in %(store)s. Check the number and the store.") % {"store": store.name},
            field="receipt_id",
        )
    if visit.customer_id is not None:
        if visit.customer_id == customer.pk:
            return _as_it_is(visit, customer)
        raise Refused(_("The points of this receipt went to another customer."), field="receipt_id")
    days = int(value(CLAIM_DAYS))
    if store.business_date() - visit.business_date > timedelta(days=days):
        words = ngettext(
            "Points can be added for %(count)s day after the purchase. This receipt is older.",
            "Points can be added for %(count)s days after the purchase. This receipt is older.",
            days,
        )
        raise Refused(words % {"count": days}, field="receipt_id")
    refuse_own_account(by=by, customer_id=customer.pk)
    visit.customer, visit.claimed_at = customer, timezone.now()
    visit.save(update_fields=["customer", "claimed_at"])
    data = {"net_cents": visit.net_cents, "customer": customer.pk}
    outcome = post_visit(
        visit, details=_details_of(visit), by=by, beside=[audit.part("claim visit", visit, by=by, data=data)]
    )
    refunds = list(visit.refunds.order_by("pk"))
    for number, refund in enumerate(refunds):
        post_refund(refund, returned=returned_of(refund), not_posted=refunds[number:], by=by)
    if refunds:
        # Each of them moved a standing that `post_visit` had read with all of them.
        review_tiers([customer.pk])
    reclassify(customer_ids=[customer.pk])
    return _as_it_is(visit, customer, is_new=True) if refunds else outcome


def may_be_claimed(visit: Visit) -> bool:
    """Whether a sale without a card can still be given to a customer."""
    if visit.customer_id is not None or visit.voided_at is not None:
        return False
    return visit.store.business_date() - visit.business_date <= timedelta(days=int(value(CLAIM_DAYS)))


def why_it_stays(visit: Visit) -> str:
    """Why a visit on which codes or points were used is not given to somebody else; blank where nothing was."""
    uses = list(visit.redemptions.filter(undone_at__isnull=True))
    if any(use.changed_visit for use in uses):
        return _("A code was used on this visit. Undo it and save it again for the right customer.")
    if any(use.paid_visit for use in uses):
        return _("Points paid a part of this visit. Undo it and save it again for the right customer.")
    return ""


def _standing(store: Store, receipt_id: str) -> Visit | None:
    """The visit of this number, locked; None where there is none or it was undone."""
    found = Visit.objects.select_for_update(of=("self",)).select_related("store").standing()
    return found.filter(store=store, receipt_key=receipt_key(receipt_id)).first()


def _as_it_is(visit: Visit, customer: Customer, *, is_new: bool = False) -> VisitOutcome:
    return VisitOutcome(visit, points_earned_by(visit), balance_of(customer).available, is_new)


def _key_of_moved(visit: Visit) -> str:
    """The number is the new visit's now; the undone one keeps one that no till prints."""
    mark = f"/moved/{visit.pk}"
    return f"{visit.receipt_key[: 64 - len(mark)]}{mark}"


def _copy_lines(visit: Visit, *, to: Visit) -> None:
    lines = list(VisitLine.objects.filter(visit=visit))
    for line in lines:
        line.pk, line.visit = None, to
    VisitLine.objects.bulk_create(lines)


def _details_of(visit: Visit) -> Details:
    """What the till said of the sale, as far as it was kept: with its facts, for a claim, or line by line."""
    kept = [model.objects.filter(visit=visit).values_list("facts") for model in (SaleFacts, SaidOfSale)]
    facts = next((facts for (facts,) in kept[0].union(kept[1], all=True)), None)
    if facts is None:
        return Details(lines=_lines_of(visit))
    basket = from_facts(visit.net_cents, visit.business_date, facts)
    return Details(
        lines=basket.lines or _lines_of(visit),
        paid_with_points_cents=int(basket.paid_with_points_cents),
        tax_cents=None if basket.tax_cents is None else int(basket.tax_cents),
        partner=basket.partner,
    )


def _lines_of(visit: Visit) -> tuple[BasketLine, ...]:
    """The goods as they stand on the receipt."""
    lines = VisitLine.objects.filter(visit=visit).order_by("line_no")
    rows = lines.values_list("net_cents", "product__product_id", "line_no")
    return tuple(BasketLine(cents, product or "", number=number) for cents, product, number in rows)

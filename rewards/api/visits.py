"""Visits for connected tills: looked at before, recorded, refunded, voided, fetched by receipt."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router

from customers.actions.visits import receipt_key
from customers.api import customer_asked, customer_named
from customers.goods import lines_of
from customers.models import Refund, UndoneRefund, Visit
from loyaltycrm.core.api.effects import NEEDS_KEY, answers, once_per_key
from loyaltycrm.core.api.errors import ApiError, invalid_field
from loyaltycrm.core.api.keys import TillKey, key_of
from loyaltycrm.core.models import Company, Scope, Store
from rewards.actions.codes import NO_CODES, use_codes
from rewards.actions.earning import points_differ, points_earned_by, preview_visit, record_visit, refund_visit
from rewards.actions.joining_uses import join_uses, refuse_other_uses
from rewards.actions.own_account import refuse_own_account
from rewards.actions.undoing_refunds import undo_refund
from rewards.actions.voiding import void_visit
from rewards.api.receipts import (
    FoundVisitAnswer,
    GivenBackAnswer,
    HistoryAnswer,
    HistoryQuery,
    LineAnswer,
    PastVisitAnswer,
    ReceiptQuery,
    RecordedAnswer,
    RefundAnswer,
    RefundBody,
    UndoRefundBody,
    VisitAnswer,
    VoidBody,
)
from rewards.api.sales import (
    AddendAnswer,
    CodeAnswer,
    PreviewAnswer,
    PreviewBody,
    VisitBody,
)
from rewards.discounts import discount_for
from rewards.models import Posting, PostingKind
from rewards.queries import balance_of
from rewards.rule_words import addend_in_words

router = Router(tags=["Visits"])


@router.post(
    "/preview", response=answers(PreviewAnswer), auth=TillKey(Scope.READ_VISITS), summary="What would it earn?"
)
def preview(request: HttpRequest, body: PreviewBody) -> PreviewAnswer:
    """Changes nothing and needs no Idempotency-Key."""
    customer, store, at = customer_named(body.customer), key_of(request).store, _sensible(body.occurred_at)
    body.check()
    codes = body.codes_on(customer, store, store.business_date(at))
    to_pay = body.net_cents - codes.off_cents
    terms = discount_for(customer, on=store.business_date(at))
    taken = terms.of(body.net_cents) if terms else None
    found = preview_visit(
        customer=customer,
        store=store,
        net_cents=to_pay,
        at=at,
        payment_method=body.payment,
        channel=body.channel_of(key_of(request)),
        details=body.details(codes, codes.off_cents),
    )
    currency = Company.current().currency
    return PreviewAnswer(
        to_pay_cents=to_pay,
        volume_discount_cents=taken.cents if taken else 0,
        codes=[
            CodeAnswer(code=one.voucher.code, name=one.voucher.name, off_cents=one.given.off_cents)
            for one in codes.codes
            if one.given
        ],
        points=found.points,
        addends=[
            AddendAnswer(
                rule=line.rule.key if line.rule else None,
                words=addend_in_words(line, net_cents=to_pay, currency=currency),
                points=line.points,
            )
            for line in found.lines
        ],
        balance_before=found.balance_before,
        balance_after=found.balance_after,
        pending=found.pending,
        opens_on=found.opens_on,
    )


@router.post(
    "", response=answers(RecordedAnswer, 201), auth=TillKey(Scope.WRITE_VISITS), openapi_extra=NEEDS_KEY,
    summary="Record a visit",
)  # fmt: skip
def record(request: HttpRequest, body: VisitBody) -> HttpResponse:
    """The same receipt sent again, with whatever key, is the visit that exists and gets the same answer."""
    store = key_of(request).store
    asked = customer_asked(body.customer) if body.customer else None

    def save(_reference: str) -> RecordedAnswer:
        customer = customer_named(body.customer, asked) if body.customer else None
        body.check()
        known = (
            Visit.objects.filter(store=store, receipt_key=receipt_key(body.receipt)).exists() if body.codes else False
        )
        codes = NO_CODES if known else body.codes_used(customer, store)
        outcome = record_visit(
            customer=customer,
            store=store,
            net_cents=body.net_cents,
            discount_cents=body.discount_cents,
            receipt_id=body.receipt,
            occurred_at=body.occurred_at,
            payment_method=body.payment,
            channel=body.channel_of(key_of(request)),
            note=body.note,
            details=body.details(codes, body.codes_off_cents),
            receipt_lines=body.paid_lines(body.codes_off_cents),
            by=None,
        )
        if outcome.is_new:
            join_uses(body.redemptions, visit=outcome.visit, by=None)
            use_codes(codes, visit=outcome.visit, by=None)
        else:
            refuse_other_uses(body.redemptions, visit=outcome.visit)
        differ = points_differ(outcome, shown=body.points_shown, by=None)
        shown = _shown(outcome.visit, store, points=outcome.points).model_dump()
        balance = outcome.balance_after if customer else None
        return RecordedAnswer(**shown, balance_after=balance, points_differ=differ)

    return once_per_key(request, body, save, status=201, asked=asked)


@router.get("/find", response=answers(FoundVisitAnswer), auth=TillKey(Scope.READ_VISITS), summary="Fetch a receipt")
def fetch(request: HttpRequest, query: Query[ReceiptQuery]) -> FoundVisitAnswer:
    """A receipt of the store of the key with its goods and refunds; those of other stores are not there."""
    store = key_of(request).store
    visit = visit_of(store, query.receipt)
    refunds = list(visit.refunds.order_by("occurred_at", "pk"))
    left = visit.net_cents - sum(refund.net_cents for refund in refunds)
    return FoundVisitAnswer(
        **_shown(visit, store, points=points_earned_by(visit)).model_dump(),
        payment=visit.payment_method or None,
        lines=[
            LineAnswer(
                line=line.number,
                product=line.product_id,
                name=line.name,
                quantity=str(line.quantity),
                net_cents=line.cents,
                returned_quantity=str(line.returned),
                returned_cents=line.returned_cents,
            )
            for line in lines_of(visit)
        ],
        refunds=[
            GivenBackAnswer(
                receipt=refund.receipt_id if refund.store_id == store.pk else None,
                business_date=refund.business_date,
                net_cents=refund.net_cents,
            )
            for refund in refunds
        ],
        refundable_cents=0 if visit.voided_at else left,
    )


@router.get("", response=answers(HistoryAnswer), auth=TillKey(Scope.READ_VISITS), summary="Visits of a customer")
def history(request: HttpRequest, query: Query[HistoryQuery]) -> HistoryAnswer:
    """Newest first. Of a visit to another store only the day and the points are shown."""
    store = key_of(request).store
    visits = Visit.objects.standing().filter(customer=customer_named(query.customer))
    if query.cursor:
        on, _dot, pk = query.cursor.partition(".")
        try:
            day = date.fromisoformat(on)
        except ValueError as error:
            raise invalid_field("cursor") from error
        visits = visits.filter(Q(business_date__lt=day) | Q(business_date=day, pk__lt=int(pk)))
    found = list(visits.order_by("-business_date", "-pk")[: query.limit + 1])
    shown = found[: query.limit]
    earned = dict(Posting.objects.filter(visit__in=shown, kind=PostingKind.EARN).values_list("visit", "points"))
    items = [
        PastVisitAnswer(business_date=visit.business_date, points=earned.get(visit.pk, 0))
        if visit.store_id != store.pk
        else PastVisitAnswer(
            business_date=visit.business_date,
            points=earned.get(visit.pk, 0),
            store=store.code,
            receipt=visit.receipt_id,
            net_cents=visit.net_cents,
        )
        for visit in shown
    ]
    last = shown[-1] if len(found) > query.limit else None
    return HistoryAnswer(items=items, next=f"{last.business_date}.{last.pk}" if last else None)


@router.post(
    "/refund", response=answers(RefundAnswer, 201), auth=TillKey(Scope.WRITE_VISITS), openapi_extra=NEEDS_KEY,
    summary="Refund a visit",
)  # fmt: skip
def refund(request: HttpRequest, body: RefundBody) -> HttpResponse:
    """Takes back the points of the goods that came back, or those that go with the money.

    A receipt of another store is refunded by naming that store.
    """
    here = key_of(request).store

    def give_back(_reference: str) -> RefundAnswer:
        sold_at = Store.objects.filter(code__iexact=body.of_store).first() if body.of_store else here
        if sold_at is None:
            raise ApiError(404, "store_unknown", _("This store is not known. Check its code."), field="of_store")
        visit = visit_of(sold_at, body.of_receipt, field="of_receipt")
        refuse_own_account(by=key_of(request).person, customer_id=visit.customer_id)
        made = refund_visit(
            visit=visit,
            net_cents=body.net_cents,
            receipt_id=body.receipt,
            store=here,
            occurred_at=body.occurred_at,
            lines=body.returned(),
            by=None,
        )
        return _refund_shown(made, visit)

    return once_per_key(request, body, give_back, status=201)


@router.post(
    "/refund/undo", response=answers(RefundAnswer), auth=TillKey(Scope.WRITE_VISITS), openapi_extra=NEEDS_KEY,
    summary="Undo a refund",
)  # fmt: skip
def undo_given_back(request: HttpRequest, body: UndoRefundBody) -> HttpResponse:
    """Within the minutes in which tills may undo, for a refund in the own store: it was never made.

    Refused where money was given back on the receipt since, or where what it did to points was built on.
    """
    here = key_of(request).store

    def put_back(_reference: str) -> RefundAnswer:
        refund = _refund_of(here, body.receipt)
        refuse_own_account(by=key_of(request).person, customer_id=refund.visit.customer_id)
        refund_id = refund.pk if isinstance(refund, Refund) else refund.refund
        undone = undo_refund(refund_id=refund_id, by=None)
        return _refund_shown(undone, refund.visit)

    return once_per_key(request, body, put_back)


@router.post(
    "/void", response=answers(VisitAnswer), auth=TillKey(Scope.VOID_VISITS), openapi_extra=NEEDS_KEY,
    summary="Void a visit",
)  # fmt: skip
def void(request: HttpRequest, body: VoidBody) -> HttpResponse:
    """Take a visit of the own store back with all it caused: its points, points and codes used on it, tiers."""
    store = key_of(request).store

    def take_back(_reference: str) -> VisitAnswer:
        visit = visit_of(store, body.receipt)
        refuse_own_account(by=key_of(request).person, customer_id=visit.customer_id)
        visit = void_visit(visit=visit, reason=body.reason, by=None)
        return _shown(visit, store, points=points_earned_by(visit))

    return once_per_key(request, body, take_back)


def visit_of(store: Store, receipt: str, field: str = "receipt") -> Visit:
    """The visit of a receipt of this store. Raises `ApiError`, naming the field, where there is none."""
    visit = (
        Visit.objects.filter(store=store, receipt_key=receipt_key(receipt)).select_related("customer", "store").first()
    )
    if visit is None:
        raise ApiError(404, "receipt_unknown", _("This receipt is not known here. Check the number."), field=field)
    return visit


def _refund_of(store: Store, receipt: str) -> Refund | UndoneRefund:
    """The refund of this number in this store; where it was undone and not made again, the one undone last."""
    here = Q(store=store, receipt_key=receipt_key(receipt))
    visits = ("visit__customer", "visit__store")
    refund = Refund.objects.filter(here).select_related(*visits).first()
    if refund is not None:
        return refund
    undone = UndoneRefund.objects.filter(here).select_related(*visits).order_by("-pk").first()
    if undone is None:
        raise ApiError(404, "refund_unknown", _("This refund is not known here. Check the number."), field="receipt")
    return undone


def _refund_shown(refund: Refund | UndoneRefund, visit: Visit) -> RefundAnswer:
    customer = visit.customer
    return RefundAnswer(
        receipt=refund.receipt_id,
        of_receipt=visit.receipt_id,
        of_store=visit.store.code,
        net_cents=refund.net_cents,
        balance_after=balance_of(customer).available if customer else None,
    )


def _sensible(at: datetime | None) -> datetime | None:
    """The instant of a preview, where a visit can be."""
    if at is not None and not 2000 <= at.year <= Company.current().today().year + 1:
        raise invalid_field("occurred_at")
    return at


def _shown(visit: Visit, store: Store, *, points: int) -> VisitAnswer:
    return VisitAnswer(
        store=store.code,
        receipt=visit.receipt_id,
        customer=visit.customer.external_id if visit.customer else None,
        occurred_at=visit.occurred_at,
        business_date=visit.business_date,
        net_cents=visit.net_cents,
        discount_cents=visit.discount_cents,
        points=points,
        is_void=visit.voided_at is not None,
    )

"""Visits for connected tills: looked at before, recorded, refunded, voided, fetched by receipt."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import BaseModel, Field, StringConstraints

from customers.actions.returned_lines import ReturnedLine
from customers.actions.visits import receipt_key
from customers.api import customer_named
from customers.models import Refund, UndoneRefund, Visit
from loyaltycrm.core.api.effects import NEEDS_KEY, answers, once_per_key
from loyaltycrm.core.api.errors import ApiError
from loyaltycrm.core.api.keys import TillKey, key_of
from loyaltycrm.core.api.strict import Body, Cents, Instant, Moment, Number, PageSize
from loyaltycrm.core.models import Company, Scope, Store
from rewards.actions.codes import NO_CODES, use_codes
from rewards.actions.earning import points_earned_by, preview_visit, record_visit, refund_visit
from rewards.actions.joining_uses import join_uses, refuse_other_uses
from rewards.actions.own_account import refuse_own_account
from rewards.actions.undoing_refunds import undo_refund
from rewards.actions.voiding import void_visit
from rewards.api.sales import (
    MOST_LINES,
    AddendAnswer,
    CodeAnswer,
    PreviewAnswer,
    PreviewBody,
    Quantity,
    VisitBody,
)
from rewards.discounts import discount_for
from rewards.models import Posting, PostingKind
from rewards.queries import balance_of

router = Router(tags=["Visits"])


class ReturnedBody(Body):
    """A line of the receipt that comes back, in whole or in part."""

    line: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="Its number on the receipt; the first is 1.")
    quantity: Quantity
    net_cents: Cents = Field(description="What is given back for it.")


class RefundBody(Body):
    """Money given back on a receipt, in whole or in part."""

    receipt: Number = Field(description="The number of this refund, unique in your store for ever.")
    of_receipt: Number = Field(description="The receipt of the visit.")
    of_store: Annotated[str, StringConstraints(max_length=40)] = Field(
        default="", description="The code of the store that sold it, where that is not yours."
    )
    net_cents: Annotated[int, Field(ge=1, le=100_000_000)]
    occurred_at: Instant | None = None
    lines: list[ReturnedBody] = Field(
        default=[], max_length=MOST_LINES, description="Which goods came back; without them all of them in proportion."
    )

    def returned(self) -> list[ReturnedLine]:
        """The goods that came back."""
        return [ReturnedLine(one.line, Decimal(one.quantity), one.net_cents) for one in self.lines]


class UndoRefundBody(Body):
    """A refund that was typed by mistake."""

    receipt: Number = Field(description="The number of the refund, of your store.")


class VoidBody(Body):
    """A visit that never was."""

    receipt: Number
    reason: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class VisitAnswer(BaseModel):
    """A visit of the store of the key."""

    store: str
    receipt: str
    customer: str | None
    occurred_at: Moment
    business_date: date
    net_cents: int
    discount_cents: int
    points: int = Field(description="What it earned, before any refund.")
    is_void: bool


class RecordedAnswer(VisitAnswer):
    """A visit just recorded."""

    balance_after: int | None = Field(description="Usable points after it; null without a customer.")


class RefundAnswer(BaseModel):
    """Money given back, or no longer given back, and the usable points after it."""

    receipt: str
    of_receipt: str
    of_store: str
    net_cents: int
    balance_after: int | None


class PastVisitAnswer(BaseModel):
    """A visit in a customer's history: of another store only the day and the points."""

    business_date: date
    points: int
    store: str | None = None
    receipt: str | None = None
    net_cents: int | None = None


class HistoryAnswer(BaseModel):
    """A page of visits, newest first; send `next` as `cursor` for the page after it."""

    items: list[PastVisitAnswer]
    next: str | None


class ReceiptQuery(BaseModel):
    """A receipt of the store of the key."""

    receipt: Number


class HistoryQuery(BaseModel):
    """A customer, and where to go on."""

    customer: Number
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\.[0-9]{1,18}$")] | None = None
    limit: PageSize = 20


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
    return PreviewAnswer(
        to_pay_cents=to_pay,
        volume_discount_cents=taken.cents if taken else 0,
        codes=[
            CodeAnswer(code=one.voucher.code, name=one.voucher.name, off_cents=one.given.off_cents)
            for one in codes.codes
            if one.given
        ],
        points=found.points,
        addends=[AddendAnswer(rule=line.rule.key if line.rule else None, points=line.points) for line in found.lines],
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

    def save(_reference: str) -> RecordedAnswer:
        customer = customer_named(body.customer) if body.customer else None
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
        shown = _shown(outcome.visit, store, points=outcome.points)
        return RecordedAnswer(**shown.model_dump(), balance_after=outcome.balance_after if customer else None)

    return once_per_key(request, body, save, status=201)


@router.get("/find", response=answers(VisitAnswer), auth=TillKey(Scope.READ_VISITS), summary="Fetch a receipt")
def fetch(request: HttpRequest, query: Query[ReceiptQuery]) -> VisitAnswer:
    """A receipt of the store of the key; those of other stores are not there."""
    store = key_of(request).store
    visit = visit_of(store, query.receipt)
    return _shown(visit, store, points=points_earned_by(visit))


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
            raise ApiError(422, "invalid", field="cursor") from error
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
        raise ApiError(422, "invalid", field="occurred_at")
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

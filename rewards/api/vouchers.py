"""Codes for connected tills: those a customer has, whether one can be used, and using it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from customers.api import CustomerQuery, customer_named
from loyaltycrm.core.api.effects import NEEDS_KEY, answers, once_per_key
from loyaltycrm.core.api.keys import TillKey, key_of
from loyaltycrm.core.api.strict import Body, Cents, Number, digits_only
from loyaltycrm.core.models import Scope
from rewards.actions.redeeming import check_code, usable_vouchers, use_code
from rewards.api.benefits import BenefitAnswer, benefit_told
from rewards.api.visits import visit_of
from rewards.models import Voucher

router = Router(tags=["Codes"])
Code = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class VoucherAnswer(BenefitAnswer):
    """A code and what it gives."""

    code: str
    name: str
    valid_from: date
    good_through: date


class VouchersAnswer(BaseModel):
    """The codes that can be used today, soonest ending first."""

    customer: str
    items: list[VoucherAnswer]


class CheckedAnswer(VoucherAnswer):
    """A code that could be used now."""

    off_cents: int | None = Field(description="What it takes off this amount; null where no amount was sent.")


class UsedAnswer(VoucherAnswer):
    """A code that was just used."""

    redemption: int
    given_cents: int = Field(description="What its use was worth in money.")
    receipt: str | None


class CheckQuery(BaseModel):
    """A code in a customer's hand, and the amount of the sale and the price of its item where they are known."""

    customer: Number
    code: Code
    net_cents: Annotated[Cents, BeforeValidator(digits_only)] | None = None
    item_cents: Annotated[Cents, BeforeValidator(digits_only)] | None = None


class UseBody(Body):
    """A code used now, on a visit of the own store where `receipt` names one."""

    customer: Number
    code: Code
    receipt: Number | None = None
    net_cents: Cents | None = Field(default=None, description="The amount of the sale; that of the receipt is taken.")
    item_cents: Cents | None = None


@router.get("", response=answers(VouchersAnswer), auth=TillKey(Scope.READ_VOUCHERS), summary="Codes of a customer")
def vouchers(request: HttpRequest, query: Query[CustomerQuery]) -> VouchersAnswer:
    """Those of offers and of rewards alike."""
    customer = customer_named(query.customer)
    found = usable_vouchers(customer, key_of(request).store.business_date())
    return VouchersAnswer(customer=customer.external_id, items=[_shown(one) for one in found])


@router.get("/check", response=answers(CheckedAnswer), auth=TillKey(Scope.READ_VOUCHERS), summary="Check a code")
def check(request: HttpRequest, query: Query[CheckQuery]) -> CheckedAnswer:
    """Changes nothing. A code that cannot be used is refused with the reason."""
    customer = customer_named(query.customer)
    store = key_of(request).store
    amounts = {"net_cents": query.net_cents, "item_cents": query.item_cents}
    voucher, given = check_code(code=query.code, customer=customer, store=store, **amounts)
    return CheckedAnswer(**_shown(voucher).model_dump(), off_cents=given.off_cents if given else None)


@router.post(
    "/use", response=answers(UsedAnswer, 201), auth=TillKey(Scope.USE_VOUCHERS), openapi_extra=NEEDS_KEY,
    summary="Use a code",
)  # fmt: skip
def use(request: HttpRequest, body: UseBody) -> HttpResponse:
    """Once, beside a visit that stays as it was recorded; codes that change it are sent with the visit. A code used on
    a visit is good again when that visit is voided."""
    store = key_of(request).store

    def spend(reference: str) -> UsedAnswer:
        customer = customer_named(body.customer)
        visit = visit_of(store, body.receipt) if body.receipt else None
        used = use_code(
            code=body.code,
            customer=customer,
            store=store,
            reference=reference,
            visit=visit,
            net_cents=body.net_cents,
            item_cents=body.item_cents,
            by=None,
        ).redemption
        assert used.voucher is not None
        return UsedAnswer(
            **_shown(used.voucher).model_dump(),
            redemption=used.pk,
            given_cents=used.value_cents,
            receipt=visit.receipt_id if visit else None,
        )

    return once_per_key(request, body, spend, status=201)


def _shown(voucher: Voucher) -> VoucherAnswer:
    return VoucherAnswer(
        code=voucher.code,
        name=voucher.name,
        valid_from=voucher.valid_from,
        good_through=voucher.good_through,
        **benefit_told(voucher.benefit),
    )

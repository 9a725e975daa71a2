"""Memberships for connected tills: what holds, what is sold now, selling, renewing, and undoing a sale."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import BaseModel, Field

from customers.api import CustomerQuery, customer_named
from customers.models import Membership
from loyaltycrm.core.api.effects import NEEDS_KEY, answers, once_per_key
from loyaltycrm.core.api.errors import ApiError
from loyaltycrm.core.api.keys import TillKey, key_of
from loyaltycrm.core.api.strict import Body, Number
from loyaltycrm.core.models import Scope
from loyaltycrm.lib.translated import pick
from rewards.actions.memberships import renew_membership, sell_membership, undo_membership
from rewards.programme import load_programmes

router = Router(tags=["Memberships"])


class MembershipAnswer(BaseModel):
    """A membership, sold or given."""

    membership: int
    customer: str
    name: str
    price_cents: int
    starts_on: date
    last_day: date
    is_undone: bool = Field(description="Whether it was undone or cancelled.")


class TermsAnswer(BaseModel):
    """The membership that the programme sells now."""

    name: str
    price_cents: int = Field(description="To be taken from the customer; 0: free.")
    days: int


class MembershipsAnswer(BaseModel):
    """What holds today and what a renewal added, soonest first, and what is sold now."""

    customer: str
    items: list[MembershipAnswer]
    terms: TermsAnswer | None = Field(description="Null: the programme sells none.")


class SellBody(Body):
    """A membership paid for at your till."""

    customer: Number
    renew: bool = Field(default=False, description="Another period, from the day after the one that holds.")


class UndoMembershipBody(Body):
    """A sale of a membership that was a mistake."""

    membership: Annotated[int, Field(ge=1, le=2**53)]


@router.get(
    "", response=answers(MembershipsAnswer), auth=TillKey(Scope.READ_CUSTOMERS), summary="Membership of a customer"
)
def memberships(request: HttpRequest, query: Query[CustomerQuery]) -> MembershipsAnswer:
    """The same in every store."""
    customer, today = customer_named(query.customer), key_of(request).store.business_date()
    standing = Membership.objects.filter(customer=customer).not_over_on(today).select_related("customer")
    terms = load_programmes().at(today).rules.membership
    return MembershipsAnswer(
        customer=customer.external_id,
        items=[_shown(one) for one in standing.order_by("starts_on", "pk")],
        terms=TermsAnswer(name=pick(terms.names), price_cents=terms.price_cents, days=terms.days) if terms else None,
    )


@router.post(
    "", response=answers(MembershipAnswer, 201), auth=TillKey(Scope.SELL_MEMBERSHIPS), openapi_extra=NEEDS_KEY,
    summary="Sell a membership",
)  # fmt: skip
def sell(request: HttpRequest, body: SellBody) -> HttpResponse:
    """From today on, at the price of the programme; `price_cents` is to be taken. It is no visit and earns nothing."""
    store = key_of(request).store

    def take_on(reference: str) -> MembershipAnswer:
        action = renew_membership if body.renew else sell_membership
        key = hashlib.sha256(reference.encode()).hexdigest()
        return _shown(action(customer=customer_named(body.customer), store=store, key=key, by=None))

    return once_per_key(request, body, take_on, status=201)


@router.post(
    "/undo", response=answers(MembershipAnswer), auth=TillKey(Scope.SELL_MEMBERSHIPS), openapi_extra=NEEDS_KEY,
    summary="Undo the sale of a membership",
)  # fmt: skip
def undo(request: HttpRequest, body: UndoMembershipBody) -> HttpResponse:
    """Within the minutes in which tills may undo, for a sale in the own store; its price is to be given back."""
    store = key_of(request).store

    def give_back(_reference: str) -> MembershipAnswer:
        sold = Membership.objects.filter(pk=body.membership, store=store).first()
        if sold is None:
            raise ApiError(404, "membership_unknown", _("This membership is not known here."), field="membership")
        return _shown(undo_membership(membership=sold, by=None))

    return once_per_key(request, body, give_back)


def _shown(membership: Membership) -> MembershipAnswer:
    return MembershipAnswer(
        membership=membership.pk,
        customer=membership.customer.external_id,
        name=membership.name,
        price_cents=membership.price_cents,
        starts_on=membership.starts_on,
        last_day=membership.last_day,
        is_undone=membership.cancelled_at is not None,
    )

"""The page of a visit being typed: a customer and the form, or the form alone, with the points so far."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.mailing import may_be_mailed
from customers.actions.visit_lines import ReceiptLine
from customers.models import Customer
from loyaltycrm.core.access import person
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company, Store
from loyaltycrm.lib.formats import amount_in_field
from loyaltycrm.shop.forms.goods import readable_lines
from loyaltycrm.shop.forms.till import BESIDE, MemberVisitForm, VisitForm
from loyaltycrm.shop.queries.memberships import membership_of
from loyaltycrm.shop.queries.promises import owed_to
from loyaltycrm.shop.queries.till import CustomerCard, card_of
from loyaltycrm.shop.views.till.place import back
from loyaltycrm.shop.views.till.sums import (
    asked_parts,
    cents_typed,
    codes_typed,
    details_of,
    points_choices,
    points_typed,
    preview_of,
)
from rewards.actions.redeeming import usable_vouchers
from rewards.benefits.words import conditions_in_words
from rewards.discounts import discount_for
from rewards.models import Voucher
from rewards.places import stores_in_words

PARTS = ("paid_with_points", "gift_cards", "tax")


@dataclass(frozen=True, slots=True)
class OfferRow:
    """One of the customer's codes: whether it is ticked for this visit, its terms, and why it cannot be used here now
    (blank where it can, or where only the amount is missing)."""

    voucher: Voucher
    ticked: bool
    terms: str
    why_not: str = ""


class Pressed:
    """A button that does something of its own, perhaps beside the form of a visit: then what is typed there stays.

    Such a button belongs to that form, which has a one-time key of its own; the button's is its value. `key` is that of
    what the button does; empty where it has none. Raises `BadRequest` for a form of a visit without its keys.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.is_beside_visit = BESIDE in request.POST
        self.form_key = one_time_key(request) if self.is_beside_visit else ""

    @property
    def key(self) -> str:
        return one_time_key(self.request, BESIDE) if self.is_beside_visit else one_time_key(self.request)

    def back(self, store: Store, customer: Customer, *, just_used: Sequence[int] = ()) -> HttpResponse:
        """The visit as it was typed; pressed elsewhere, what its form names as `next`, else the customer's page."""
        if not self.is_beside_visit:
            return back(self.request, reverse("shop:till_customer", args=[customer.pk]))
        typed = MemberVisitForm(self.request.POST, is_draft=True)
        return visit_page(self.request, store, customer, typed, key=self.form_key, just_used=just_used)


def visit_page(
    request: HttpRequest,
    store: Store,
    customer: Customer | None,
    form: VisitForm,
    *,
    key: str = "",
    just_used: Sequence[int] = (),
    **more: Any,
) -> HttpResponse:
    """The form as it stands, with what is known of the customer; `just_used` are new uses of points, by id."""
    context: dict[str, Any] = {
        "store": store,
        "form": form,
        "key": key or str(uuid4()),
        "now": timezone.now(),
        "customer": customer,
        **more,
    }
    goods = readable_lines(form.data) if form.is_bound else []
    amount = amount_typed(form["amount"].value(), goods)
    if customer is None:
        return render(request, "till/without_card.html", context | {"nothing_paid": cents_typed(amount) == 0})
    context["card"] = card_of(customer, store=store, user=person(request))
    context["used_ticked"] = _used_ticked(form, context["card"], just_used)
    used = points_typed(form["points"].value())
    if isinstance(form, MemberVisitForm):
        form.offer_points(points_choices(context["card"].points, store))
    context["promises"] = owed_to(customer)
    context["membership"] = membership_of(customer, on=store.business_date(), store=store)
    vouchers = usable_vouchers(customer, store.business_date())
    if vouchers or discount_for(customer, on=store.business_date()):
        form["amount"].label = _("Amount before the discount")
    context["takes_email"] = may_be_mailed(customer)
    context["parts"] = [form[name] for name in asked_parts(store)]
    details = details_of(**{name: cents_typed(form[name].value()) for name in PARTS})
    ticked = {str(number) for number in form["voucher"].value() or []}
    codes = [] if form.errors else codes_typed(sorted(ticked), form["code"].value())
    context["preview"] = preview_of(
        customer, store, amount, form["payment_method"].value(), details,
        codes=codes, item_cents=cents_typed(form["item_cents"].value()), lines=goods, points=used,
    )  # fmt: skip
    context["offers"] = [_offer_row(voucher, store, ticked) for voucher in vouchers]
    context["asks_item"] = any(voucher.benefit.may_ask_item for voucher in vouchers)
    return render(request, "till/customer.html", context)


def _used_ticked(form: VisitForm, card: CustomerCard, just_used: Sequence[int]) -> set[int]:
    """The uses of points, by id, that are shown as belonging to the visit: what was ticked, and what is new."""
    if not form.is_bound:
        return {*card.used_for_next}
    shown = [one.redemption.pk for one in card.used if one.redemption]
    ticked = {str(number) for number in form["used"].value() or []}
    return {number for number in shown if str(number) in ticked or number in just_used}


def amount_typed(amount: object, goods: Sequence[ReceiptLine]) -> object:
    """The amount as typed so far; with goods their sum."""
    return amount_in_field(sum(line.net_cents for line in goods)) if goods else amount


def _offer_row(voucher: Voucher, store: Store, ticked: Collection[str]) -> OfferRow:
    benefit = voucher.benefit
    return OfferRow(
        voucher,
        str(voucher.pk) in ticked,
        terms=" ".join(conditions_in_words(benefit, Company.current().currency)),
        why_not=benefit.why_not_here(store=store.code, weekday=store.business_date().weekday(), named=stores_in_words),
    )

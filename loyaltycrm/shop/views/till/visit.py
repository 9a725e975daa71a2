"""Serving a customer: the visit form with its live points, rewards, and a problem told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from customers.actions.mailing import may_be_mailed
from customers.actions.visit_lines import ReceiptLine
from customers.models import Customer
from feedback.actions.conversation import say_sorry
from feedback.queries import open_complaint_of
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.idempotency import KeyReused
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company, Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.formats import amount_in_field
from loyaltycrm.lib.transactions import Busy
from loyaltycrm.shop.actions.receipt_mails import wants_receipts
from loyaltycrm.shop.actions.till import report_problem, save_visit, use_reward_now
from loyaltycrm.shop.forms.goods import readable_lines
from loyaltycrm.shop.forms.till import MemberVisitForm, ProblemForm, VisitForm
from loyaltycrm.shop.queries.memberships import membership_of
from loyaltycrm.shop.queries.promises import owed_to
from loyaltycrm.shop.queries.till import CustomerCard, card_of, saved_with
from loyaltycrm.shop.views.till.place import at_store, back, go_on, typed_at
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
from rewards.models import Reward, Voucher
from rewards.places import stores_in_words

PARTS = ("paid_with_points", "gift_cards", "tax")
USE_KEY = "use_key"


@dataclass(frozen=True, slots=True)
class OfferRow:
    """One of the customer's codes: whether it is ticked for this visit, its terms, and why it cannot be used here now
    (blank where it can, or where only the amount is missing)."""

    voucher: Voucher
    ticked: bool
    terms: str
    why_not: str = ""


@require_safe
@permission(Permission.LOG_VISITS)
@at_store
def serve(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """The customer and the form for this visit."""
    customer = _customer(request, pk)
    initial = {"voucher": request.GET.getlist("voucher"), "by_email": wants_receipts(customer)}
    return _visit_page(request, store, customer, MemberVisitForm(initial=initial))


@permission(Permission.LOG_VISITS)
@at_store
def save(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Save the visit, or only show its points where the form says `show`.

    An address of its own, since browsers forget the page that a form was sent to: going back must show the form with
    the key it had, so that sending it again is the same visit.
    """
    if request.method != "POST":
        return redirect("shop:till_customer", pk=pk)
    customer = _customer(request, pk)
    form = MemberVisitForm(request.POST)
    key = one_time_key(request)
    if {"show", "more"} & set(request.POST) or not form.is_valid():
        return _visit_page(request, store, customer, form, key=key)
    return _save(request, store, customer, form, key)


@require_safe
@permission(Permission.LOG_VISITS)
@at_store
def without_card(request: HttpRequest, store: Store) -> HttpResponse:
    """The form for somebody who is no customer: the visit earns nothing and counts in the sales."""
    return _visit_page(request, store, None, VisitForm())


@permission(Permission.LOG_VISITS)
@at_store
def save_without_card(request: HttpRequest, store: Store) -> HttpResponse:
    """Save a visit of somebody who is no customer."""
    if request.method != "POST":
        return redirect("shop:till_without_card")
    form = VisitForm(request.POST)
    key = one_time_key(request)
    if "more" in request.POST or not form.is_valid():
        return _visit_page(request, store, None, form, key=key)
    return _save(request, store, None, form, key)


@require_safe
@permission(Permission.LOG_VISITS)
@at_store
def preview_without_card(request: HttpRequest, store: Store) -> HttpResponse:
    """What is to know of a sale without a card of `?amount=`, as the part of the page that shows it."""
    asked = request.GET
    cents = cents_typed(amount_typed(asked.get("amount"), readable_lines(asked)))
    return render(request, "till/_without_card_answer.html", {"nothing_paid": cents == 0})


@require_safe
@permission(Permission.LOG_VISITS)
@at_store
def preview(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """The points that `?amount=` would earn, as the part of the page that shows them."""
    customer = _customer(request, pk)
    details = details_of(**{name: cents_typed(request.GET.get(name)) for name in PARTS})
    asked = request.GET
    codes = codes_typed(asked.getlist("voucher"), asked.get("code"))
    goods = readable_lines(asked)
    shown = preview_of(
        customer, store, amount_typed(asked.get("amount"), goods), asked.get("payment_method"), details,
        codes=codes, item_cents=cents_typed(asked.get("item_cents")), lines=goods,
        points=points_typed(asked.get("points")),
    )  # fmt: skip
    return render(request, "till/_preview_answer.html", {"preview": shown})


@permission(Permission.REDEEM)
@at_store
def use(request: HttpRequest, store: Store, pk: int, reward_pk: int) -> HttpResponse:
    """Use points for a reward now.

    Pressed beside the form of a visit, which then has a key of its own, what was typed there stays.
    """
    customer = _customer(request, pk)
    reward = get_object_or_404(Reward, pk=reward_pk)
    if request.method != "POST":
        return redirect("shop:till_customer", pk=customer.pk)
    is_beside_visit = USE_KEY in request.POST
    form_key = one_time_key(request)
    key = one_time_key(request, USE_KEY) if is_beside_visit else form_key
    new: list[int] = []
    try:
        used = use_reward_now(customer=customer, reward=reward, store=store, key=key, by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    except Busy:
        messages.error(request, _("The till is busy. Nothing was used; try again"))
    else:
        new.append(used.redemption.pk)
        if used.is_new:
            messages.success(
                request,
                _("%(reward)s is used: %(points)s.")
                % {"reward": reward.name, "points": formats.points(-reward.points_cost, signed=True)},
            )
    if is_beside_visit:
        typed = MemberVisitForm(request.POST, is_draft=True)
        return _visit_page(request, store, customer, typed, key=form_key, just_used=new)
    return back(request, reverse("shop:till_customer", args=[customer.pk]))


@permission(Permission.OPEN_TICKETS)
@at_store
def problem(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Tell the team what a customer says."""
    customer = _customer(request, pk)
    form = ProblemForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            ticket = report_problem(
                customer=customer, store=store, **form.cleaned_data, key=one_time_key(request), by=person(request)
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(
                request,
                _("Ticket %(number)s is open. Answer by: %(when)s")
                % {"number": ticket.pk, "when": formats.date_and_time(ticket.due_at)},
            )
            return redirect("shop:till_customer", pk=customer.pk)
    return render(request, "till/problem.html", {"store": store, "form": form, "customer": customer})


@require_POST
@permission(Permission.OPEN_TICKETS)
@at_store
def sorry(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Somebody said sorry for what the customer complains about."""
    customer = _customer(request, pk)
    complaint = open_complaint_of(customer)
    if complaint is None:
        messages.info(request, _("The complaint is solved already."))
    else:
        try:
            say_sorry(ticket=complaint, store=store, by=person(request))
        except Refused as refusal:
            messages.error(request, str(refusal))
    return redirect("shop:till_customer", pk=customer.pk)


def _customer(request: HttpRequest, pk: int) -> Customer:
    return get_object_or_404(Customer.objects.for_staff(person(request)).select_related("tier_standing"), pk=pk).current


def _save(request: HttpRequest, store: Store, customer: Customer | None, form: VisitForm, key: str) -> HttpResponse:
    values: dict[str, Any] = dict(form.cleaned_data)
    details = details_of(**{name: values.pop(name, None) for name in PARTS})
    try:
        saved = save_visit(
            customer=customer,
            store=store,
            amount_cents=values.pop("amount"),
            voucher_ids=values.pop("voucher", ()),
            receipt_lines=values.pop("goods"),
            details=details,
            **values,
            occurred_at=typed_at(request),
            key=key,
            by=person(request),
        )
    except KeyReused:
        before = saved_with(key, store)
        return _visit_page(request, store, customer, form, key=str(uuid4()), saved_before=before, form_failed=True)
    except Refused as refusal:
        form.refuse(refusal)
    except Busy:
        form.refuse(Refused(_("The till is busy. Your entry is kept; try again")))
    else:
        if not saved.is_new:
            messages.info(request, _("This receipt was saved before. Nothing was added."))
        return go_on(request, reverse("shop:till_receipt", args=[saved.visit_id]))
    return _visit_page(request, store, customer, form, key=key)


def _visit_page(
    request: HttpRequest,
    store: Store,
    customer: Customer | None,
    form: VisitForm,
    *,
    key: str = "",
    just_used: Sequence[int] = (),
    **more: Any,
) -> HttpResponse:
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

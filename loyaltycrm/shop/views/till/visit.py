"""Serving a customer: the visit form with its live points, rewards, and a problem told."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from customers.models import Customer, Visit
from feedback.actions.conversation import say_sorry
from feedback.queries import open_complaint_of
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.idempotency import KeyReused
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.transactions import Busy
from loyaltycrm.shop.actions.receipt_mails import wants_receipts
from loyaltycrm.shop.actions.till import report_problem, save_visit, use_reward_now
from loyaltycrm.shop.forms.goods import readable_lines
from loyaltycrm.shop.forms.till import MemberVisitForm, ProblemForm, VisitForm
from loyaltycrm.shop.queries.till import saved_with
from loyaltycrm.shop.views.till.place import at_store, go_on, typed_at
from loyaltycrm.shop.views.till.sums import (
    cents_typed,
    codes_typed,
    details_of,
    points_typed,
    preview_of,
)
from loyaltycrm.shop.views.till.visit_page import PARTS, Pressed, amount_typed, visit_page
from rewards.actions.promises import keep_promise
from rewards.models import Promise, Reward


@require_safe
@permission(Permission.LOG_VISITS)
@at_store
def serve(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """The customer and the form for this visit."""
    customer = _customer(request, pk)
    agreed = wants_receipts(customer)
    initial = {"voucher": request.GET.getlist("voucher"), "by_email": agreed, "by_consent": agreed}
    return visit_page(request, store, customer, MemberVisitForm(initial=initial))


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
        return visit_page(request, store, customer, form, key=key)
    return _save(request, store, customer, form, key)


@require_safe
@permission(Permission.LOG_VISITS)
@at_store
def without_card(request: HttpRequest, store: Store) -> HttpResponse:
    """The form for somebody who is no customer: the visit earns nothing and counts in the sales."""
    return visit_page(request, store, None, VisitForm())


@permission(Permission.LOG_VISITS)
@at_store
def save_without_card(request: HttpRequest, store: Store) -> HttpResponse:
    """Save a visit of somebody who is no customer."""
    if request.method != "POST":
        return redirect("shop:till_without_card")
    form = VisitForm(request.POST)
    key = one_time_key(request)
    if "more" in request.POST or not form.is_valid():
        return visit_page(request, store, None, form, key=key)
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
    """Use points for a reward now; `visit` is the one of this store, saved just before, that it was used on."""
    customer = _customer(request, pk)
    reward = get_object_or_404(Reward, pk=reward_pk)
    if request.method != "POST":
        return redirect("shop:till_customer", pk=customer.pk)
    pressed = Pressed(request)
    visit = _visit_named(request, store)
    new: list[int] = []
    try:
        used = use_reward_now(
            customer=customer, reward=reward, store=store, visit=visit, key=pressed.key, by=person(request)
        )
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
    return pressed.back(store, customer, just_used=new)


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


@permission(Permission.OPEN_TICKETS)
@at_store
def sorry(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Somebody said sorry for what the customer complains about."""
    customer = _customer(request, pk)
    if request.method != "POST":
        return redirect("shop:till_customer", pk=customer.pk)
    pressed = Pressed(request)
    complaint = open_complaint_of(customer)
    if complaint is None:
        messages.info(request, _("The complaint is solved already."))
    else:
        try:
            say_sorry(ticket=complaint, store=store, by=person(request))
        except Refused as refusal:
            messages.error(request, str(refusal))
    return pressed.back(store, customer)


@permission(Permission.LOG_VISITS)
@at_store
def keep(request: HttpRequest, store: Store, pk: int, promise_pk: int) -> HttpResponse:
    """Tick off what the customer was promised."""
    customer = _customer(request, pk)
    promise = get_object_or_404(Promise, pk=promise_pk, customer=customer)
    if request.method != "POST":
        return redirect("shop:till_customer", pk=customer.pk)
    pressed = Pressed(request)
    try:
        kept = keep_promise(promise=promise, by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    except Busy:
        messages.error(request, _("The till is busy. Nothing was changed; try again"))
    else:
        messages.success(request, _("Kept: %(name)s.") % {"name": kept.name})
    return pressed.back(store, customer)


def _customer(request: HttpRequest, pk: int) -> Customer:
    return get_object_or_404(Customer.objects.for_staff(person(request)).select_related("tier_standing"), pk=pk).current


def _visit_named(request: HttpRequest, store: Store) -> Visit | None:
    named = request.POST.get("visit", "")
    if not named:
        return None
    if not (named.isascii() and named.isdecimal() and len(named) <= 18):
        raise Http404
    return get_object_or_404(Visit.objects.for_staff(person(request)), pk=int(named), store=store)


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
        return visit_page(request, store, customer, form, key=str(uuid4()), saved_before=before, form_failed=True)
    except Refused as refusal:
        form.refuse(refusal)
    except Busy:
        form.refuse(Refused(_("The till is busy. Your entry is kept; try again")))
    else:
        if not saved.is_new:
            messages.info(request, _("This receipt was saved before. Nothing was added."))
        return go_on(request, reverse("shop:till_receipt", args=[saved.visit_id]))
    return visit_page(request, store, customer, form, key=key)

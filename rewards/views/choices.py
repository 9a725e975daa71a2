"""The choices of an offer: what it may give instead of its own benefit, and whom each speaks to."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib.translated import pick
from rewards.actions.choices import add_choice, edit_choice, remove_choice, set_own_choice
from rewards.benefits.words import benefit_in_words
from rewards.choice_forms import ChoiceForm, OwnChoiceForm
from rewards.knobs import CHOICE_EXPLORE_PERCENT
from rewards.models import Motive, Offer, OfferChoice, OfferStatus, OwnProduct
from rewards.views.kinds import choose_kind, kind_asked
from rewards.views.offers import offer_of
from rewards.views.staff import person, posted, try_it


@dataclass(frozen=True, slots=True)
class ShownChoice:
    """A choice in words; `pk` is None for the offer's own benefit."""

    pk: int | None
    name: str
    terms: str
    motive: str
    product: str


def choices_shown(offer: Offer) -> list[ShownChoice]:
    """The offer's own benefit and its choices, in words."""
    currency = Company.current().currency
    own = ShownChoice(
        None,
        pick(offer.benefit_names) or str(offer.benefit.label),
        benefit_in_words(offer.benefit, currency),
        str(Motive(offer.motive).label),
        "",
    )
    return [own, *(_shown(choice, currency) for choice in offer.choices.order_by("pk"))]


def _shown(choice: OfferChoice, currency: str) -> ShownChoice:
    return ShownChoice(
        choice.pk,
        pick(choice.benefit_names),
        benefit_in_words(choice.benefit, currency),
        str(Motive(choice.motive).label),
        str(OwnProduct(choice.own_product).label) if choice.own_product else "",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_choices(request: HttpRequest, pk: int) -> HttpResponse:
    """All choices of an offer; whom its own benefit speaks to and when its mails leave can be set here."""
    shown = offer_of(request, pk)
    form = OwnChoiceForm(request.POST or None, offer=shown)
    if request.method == "POST" and form.is_valid():
        set_to = {"motive": form.cleaned_data["motive"], "own_time_days": form.cleaned_data["own_time_days"]}
        try:
            set_own_choice(offer=shown, **set_to, by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:offer_choices", pk)
    context = {
        "offer": shown,
        "choices": choices_shown(shown),
        "form": form,
        "can_change": shown.status != OfferStatus.ENDED,
        "explore": value(CHOICE_EXPLORE_PERCENT),
    }
    return render(request, "rewards/staff/choices.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def choice_create(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a new choice, once the kind of its benefit is chosen."""
    shown = offer_of(request, pk)
    kind = kind_asked(request)
    if kind is None:
        back = reverse("rewards:offer_choices", args=[pk])
        return choose_kind(request, title=_("New choice"), back=back, back_label=_("Choices"))
    form = ChoiceForm(request.POST or None, kind=kind)
    if request.method == "POST" and form.is_valid():
        try:
            once(
                scope=f"add choice:{person(request).pk}",
                key=one_time_key(request),
                content=posted(request),
                produce=lambda: {"choice": add_choice(offer=shown, content=form.content(), by=person(request)).pk},
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:offer_choices", pk)
    return _form_page(request, form, shown, None)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def choice_edit(request: HttpRequest, pk: int, choice: int) -> HttpResponse:
    """The form of a choice there is."""
    shown, found = offer_of(request, pk), _choice(request, pk, choice)
    kind = kind_asked(request, found.benefit)
    if kind is None:
        back = reverse("rewards:offer_choices", args=[pk])
        return choose_kind(request, benefit=found.benefit, title=_("Edit choice"), back=back, back_label=_("Choices"))
    form = ChoiceForm(request.POST or None, kind=kind, choice=found)
    if request.method == "POST" and form.is_valid():
        try:
            edit_choice(choice=found, content=form.content(), by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:offer_choices", pk)
    return _form_page(request, form, shown, found)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def choice_remove(request: HttpRequest, pk: int, choice: int) -> HttpResponse:
    """Removing a choice cannot be undone, so it is confirmed."""
    found = _choice(request, pk, choice)
    if request.method == "POST":
        try_it(request, lambda: remove_choice(choice=found, by=person(request)), done=_("The choice is removed."))
        return redirect("rewards:offer_choices", pk)
    context = {
        "title": _("Remove “%(choice)s”") % {"choice": pick(found.benefit_names)},
        "question": _("No further run will give it."),
        "consequences": [_("Codes that customers have stay good until their last day."), _("Runs are kept.")],
        "submit": _("Remove"),
        "cancel": reverse("rewards:offer_choices", args=[pk]),
    }
    return render(request, "components/confirm.html", context)


def _choice(request: HttpRequest, pk: int, choice: int) -> OfferChoice:
    mine = OfferChoice.objects.for_staff(person(request)).select_related("offer")
    return get_object_or_404(mine, pk=choice, offer=pk)


def _form_page(request: HttpRequest, form: ChoiceForm, shown: Offer, choice: OfferChoice | None) -> HttpResponse:
    context = {"form": form, "offer": shown, "choice": choice}
    return render(request, "rewards/staff/choice_form.html", context)

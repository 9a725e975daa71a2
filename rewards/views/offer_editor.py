"""The form of an offer: saved when it can be, kept as a draft when it cannot, with who would get it beside it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from loyaltycrm.core.actions.idempotency import KeyReused, once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from rewards.actions.offer_drafts import keep_offer_draft, remove_offer_draft
from rewards.actions.offers import create_offer, edit_offer, refuse_content
from rewards.audience import complete_languages
from rewards.benefits import BenefitKind
from rewards.forms import OfferForm
from rewards.funnels import audience_now
from rewards.models import Offer, OfferDraft
from rewards.offer_checks import drafts_of_others, saved_since
from rewards.views.kinds import choose_kind, kind_asked
from rewards.views.offers import offer_of
from rewards.views.staff import person, posted


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_create(request: HttpRequest) -> HttpResponse:
    """The form of a new offer, once the kind of its benefit is chosen."""
    kind = kind_asked(request)
    if kind is None:
        back = reverse("rewards:offers")
        return choose_kind(request, title=_("New offer"), back=back, back_label=_("Offers"))
    if request.method != "POST":
        return _form_page(request, OfferForm(user=person(request), kind=kind))
    return _sent(request, kind)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of an offer there is. Changes that could not be saved yet are gone on with."""
    offer = offer_of(request, pk)
    kind = kind_asked(request, offer.benefit)
    if kind is None:
        back = reverse("rewards:offer", args=[pk])
        return choose_kind(request, benefit=offer.benefit, title=_("Edit offer"), back=back, back_label=offer.name)
    if request.method == "POST":
        return _sent(request, kind, offer=offer)
    draft = OfferDraft.objects.filter(offer=offer, saved_by=person(request)).first()
    if draft is not None and "kind" not in request.GET:
        return redirect("rewards:offer_draft", draft.pk)
    return _form_page(request, OfferForm(user=person(request), offer=offer, kind=kind), offer=offer)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """What was typed and could not be saved yet, with everything that is to be mended."""
    draft = get_object_or_404(OfferDraft.objects.for_staff(person(request)).select_related("offer"), pk=pk)
    kind = BenefitKind(draft.kind) if "choose" not in request.GET else kind_asked(request)
    kind = kind_asked(request) or kind
    if kind is None:
        back = reverse("rewards:offer_draft", args=[pk])
        return choose_kind(
            request, title=_("Edit offer"), back=back, back_label=draft.name or _("Offer without a name")
        )
    if request.method == "POST":
        return _sent(request, kind, offer=draft.offer, draft=draft)
    form = OfferForm.of_draft(draft, user=person(request), kind=kind)
    _refuse(form, draft.offer)
    return _form_page(request, form, offer=draft.offer, draft=draft)


@require_POST
@permission(Permission.MANAGE_OFFERS)
def offer_draft_remove(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(OfferDraft.objects.for_staff(person(request)), pk=pk)
    remove_offer_draft(draft=draft, by=person(request))
    messages.success(request, _("The draft is thrown away."))
    return redirect("rewards:offer", draft.offer_id) if draft.offer_id else redirect("rewards:offers")


def _sent(
    request: HttpRequest, kind: BenefitKind, *, offer: Offer | None = None, draft: OfferDraft | None = None
) -> HttpResponse:
    """What becomes of a form that was sent: shown with its audience, saved, or kept as a draft."""
    form = OfferForm(request.POST, user=person(request), offer=offer, kind=kind)
    if request.POST.get("then") == "show":
        return _with_audience(request, form, offer, draft)
    try:
        made = once(
            scope=f"save offer:{person(request).pk}",
            key=one_time_key(request),
            content=posted(request),
            produce=lambda: _save(form, offer=offer, draft=draft, request=request),
        )
    except Refused as refusal:
        form.refuse(refusal)
        return _form_page(request, form, offer=offer, draft=draft, needs_new_key=isinstance(refusal, KeyReused))
    if "draft" in made:
        return redirect("rewards:offer_draft", made["draft"])
    if made.get("dropped"):
        messages.success(request, _("The draft is thrown away."))
    return redirect("rewards:offer", made["offer"])


def _save(form: OfferForm, *, offer: Offer | None, draft: OfferDraft | None, request: HttpRequest) -> dict[str, int]:
    """An own draft that is older than what is saved now goes: gone on with, it would take the newer offer back. Those
    of colleagues stay, and say so themselves."""
    by = person(request)
    if not _refuse(form, offer):
        kept = keep_offer_draft(kind=form.kind, typed=form.typed(), draft=draft, offer=offer, by=by)
        return {"draft": kept.pk}
    if offer is None:
        saved = create_offer(content=form.content(), by=by)
    else:
        saved = edit_offer(offer=offer, content=form.content(), by=by)
    if draft is not None:
        remove_offer_draft(draft=draft, by=by)
    stale = OfferDraft.objects.filter(offer=saved, saved_by=by).first()
    if stale is not None:
        remove_offer_draft(draft=stale, by=by)
    return {"offer": saved.pk, "dropped": 1 if stale is not None else 0}


def _refuse(form: OfferForm, offer: Offer | None) -> bool:
    """Say in the form what the action would refuse; return whether nothing is left to mend."""
    if form.is_valid():
        try:
            refuse_content(content=form.content(), offer=offer)
        except Refused as refusal:
            form.refuse(refusal)
    return form.is_valid()


def _with_audience(
    request: HttpRequest, form: OfferForm, offer: Offer | None, draft: OfferDraft | None
) -> HttpResponse:
    """Who would get the offer as it stands in the form; nothing is saved."""
    problems = form.in_the_way_of_counting
    typed = None if problems else form.as_offer(offer)
    no_words = typed is not None and not complete_languages(typed.texts, typed.benefit_names)
    context = {
        "counted_at": timezone.now(),
        "zone": Company.current().zone,
        "typed_offer": typed,
        "funnel": audience_now(typed, all_written=no_words) if typed else None,
        "no_words": no_words,
        "in_the_way": problems,
    }
    if request.headers.get("HX-Request"):
        return render(request, "rewards/staff/_audience_now.html", context)
    return _form_page(request, form.as_it_is(), offer=offer, draft=draft, **context)


def _form_page(
    request: HttpRequest,
    form: OfferForm,
    *,
    offer: Offer | None = None,
    draft: OfferDraft | None = None,
    **context: Any,
) -> HttpResponse:
    context |= {
        "form": form,
        "offer": offer,
        "draft": draft,
        "is_own": draft is None or draft.saved_by_id == person(request).pk,
        "is_behind": draft is not None and saved_since(draft),
        "others": drafts_of_others(offer, by=person(request), but=draft) if offer is not None else [],
        "zone": Company.current().zone,
        "languages_of_form": form.language_fields,
    }
    return render(request, "rewards/staff/offer_form.html", context)

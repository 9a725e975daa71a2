"""A draft of the programme: read, planned, handed in, signed, declined, withdrawn."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.second_person import check_second_person
from loyaltycrm.lib import formats
from loyaltycrm.lib.translated import pick
from rewards.actions.programme import decline, hand_in, plan_draft, sign, take_back, withdraw
from rewards.actions.programme_versions import earliest_start, version_on
from rewards.models import DraftStatus, ProgrammeDraft, ProgrammeVersion
from rewards.plain_words import Section, differences, programme_in_words, terms_of
from rewards.programme_checks import checked_rules
from rewards.programme_forms.plan import DeclineForm, PlanForm
from rewards.programme_forms.rule import KINDS
from rewards.programme_remarks import remarks_on
from rewards.rule_words import rule_in_words
from rewards.views.programme import DRAFT_CHIPS, as_file, as_programme
from rewards.views.staff import person, try_it

_EDITORS = {
    "base": "rewards:draft_base",
    "expiry": "rewards:draft_expiry",
    "redemption": "rewards:draft_redemption",
    "refunds": "rewards:draft_refunds",
    "tiers": "rewards:draft_tiers",
    "membership": "rewards:draft_membership",
    "volume_discount": "rewards:draft_discount",
}


def draft_or_404(pk: int) -> ProgrammeDraft:
    """The draft of this number."""
    people = ("drafted_by", "asked_by", "decided_by", "based_on", "version")
    return get_object_or_404(ProgrammeDraft.objects.select_related(*people), pk=pk)


def compared_with(draft: ProgrammeDraft) -> ProgrammeVersion:
    """What would hold without the draft on its first day; without one, today."""
    if draft.version is not None:
        return draft.based_on
    return version_on(draft.starts_on or Company.current().today())


@require_safe
@permission(Permission.MANAGE_PROGRAMME)
def draft(request: HttpRequest, pk: int) -> HttpResponse:
    """One draft: what it says, what it changes, and what can be done with it."""
    shown = draft_or_404(pk)
    currency = Company.current().currency
    programme = as_programme(shown)
    sections = programme_in_words(programme, currency=currency)
    other = compared_with(shown)
    terms = terms_of(programme, currency=currency)
    rules = programme.rules.earning.rules
    context: dict[str, Any] = {
        "draft": shown,
        "chip": DRAFT_CHIPS[DraftStatus(shown.status)],
        "compared_with": other,
        "differences": differences(programme_in_words(as_programme(other), currency=currency), sections),
        "sections": [(section, _editor(shown, section)) for section in sections if section.key != "earning"],
        "rules": [
            {
                "key": rule.key,
                "words": rule_in_words(rule, terms),
                "first": not number,
                "last": number == len(rules) - 1,
            }
            for number, rule in enumerate(rules)
        ],
        "levels": [(level.key, pick(level.names)) for level in programme.rules.tiers.levels],
        "kinds": KINDS.items(),
        "why_not": _why_not(shown, request),
        "earliest": earliest_start(),
        "remarks": [] if shown.version else remarks_on(checked_rules(shown.rules), starts_on=shown.starts_on),
    }
    return render(request, "rewards/programme/draft.html", context)


def _editor(shown: ProgrammeDraft, section: Section) -> str:
    name = _EDITORS.get(section.key)
    return reverse(name, args=[shown.pk]) if name and shown.is_changeable else ""


def _why_not(shown: ProgrammeDraft, request: HttpRequest) -> str | None:
    """Why this person cannot sign now; None where they can, or where there is nothing to sign."""
    if shown.status != DraftStatus.HANDED_IN or shown.asked_by is None or shown.asked_at is None:
        return None
    try:
        check_second_person(
            asked_by=shown.asked_by, asked_at=shown.asked_at, by=person(request), needed=Permission.APPROVE
        )
    except Refused as refusal:
        return str(refusal)
    return None


@require_safe
@permission(Permission.MANAGE_PROGRAMME)
def draft_export(request: HttpRequest, pk: int) -> HttpResponse:
    """The draft as a file."""
    return as_file(draft_or_404(pk), f"programme-draft-{pk}.json")


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_PROGRAMME)
def draft_plan(request: HttpRequest, pk: int) -> HttpResponse:
    """From which day the draft is to hold, and what it changes in one line."""
    shown = draft_or_404(pk)
    initial = {"starts_on": shown.starts_on, "note": shown.note, "revision": shown.revision}
    form = PlanForm(request.POST or None, initial=initial, earliest=earliest_start())
    if request.method == "POST" and form.is_valid():
        try:
            plan_draft(draft=shown, by=person(request), **form.cleaned_data)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:programme_draft", pk)
    return render(request, "rewards/programme/plan.html", {"form": form, "draft": shown})


@require_POST
@permission(Permission.MANAGE_PROGRAMME)
def draft_hand_in(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a second person to sign."""
    shown = draft_or_404(pk)
    try_it(
        request,
        lambda: hand_in(draft=shown, revision=_revision(request), by=person(request)),
        done=_("Handed in. A second person reads it and signs."),
    )
    return redirect("rewards:programme_draft", pk)


@require_POST
@permission(Permission.MANAGE_PROGRAMME)
def draft_take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on working on a draft that was handed in."""
    shown = draft_or_404(pk)
    try_it(request, lambda: take_back(draft=shown, by=person(request)), done=_("Taken back. You can change it."))
    return redirect("rewards:programme_draft", pk)


@require_POST
@permission(Permission.APPROVE)
def draft_sign(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the draft the next version."""
    shown = draft_or_404(pk)
    try:
        made = sign(draft=shown, revision=_revision(request), by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("rewards:programme_draft", pk)
    words = _("Signed. Version %(number)s holds from: %(date)s")
    day = formats.short_date(made.starts_on) if made.starts_on else ""
    messages.success(request, words % {"number": made.number, "date": day})
    return redirect("rewards:programme_version", made.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.APPROVE)
def draft_decline(request: HttpRequest, pk: int) -> HttpResponse:
    """Say no, and why."""
    shown = draft_or_404(pk)
    form = DeclineForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            decline(draft=shown, reason=form.cleaned_data["reason"], by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Declined. Whoever drafted it sees your reason."))
            return redirect("rewards:programme_draft", pk)
    return render(request, "rewards/programme/decline.html", {"form": form, "draft": shown})


@require_POST
@permission(Permission.MANAGE_PROGRAMME)
def draft_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """End a draft."""
    shown = draft_or_404(pk)
    try_it(request, lambda: withdraw(draft=shown, by=person(request)), done=_("Withdrawn. It stays readable here."))
    return redirect("rewards:programme_draft", pk)


def _revision(request: HttpRequest) -> int:
    """The revision that the person has read; 0, which none has, where the form says nothing of use."""
    typed = request.POST.get("revision", "")
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else 0

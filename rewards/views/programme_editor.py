"""The editor of a draft: one page per part, one per earning rule, one per rank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.permissions import Permission, permission
from rewards.actions.programme import change_rules
from rewards.models import ProgrammeDraft
from rewards.programme_checks import WrongRules, checked_rules
from rewards.programme_edits import moved, without_level, without_rule
from rewards.programme_forms import (
    BaseForm,
    DiscountForm,
    ExpiryForm,
    LevelForm,
    MembershipForm,
    PartForm,
    RedemptionForm,
    RefundsForm,
    RuleForm,
    TiersForm,
)
from rewards.views.programme_drafts import draft_or_404
from rewards.views.staff import person, posted, try_it

page = require_http_methods(["GET", "HEAD", "POST"])


PARTS: Final[dict[str, type[PartForm]]] = {
    "base": BaseForm,
    "expiry": ExpiryForm,
    "redemption": RedemptionForm,
    "refunds": RefundsForm,
    "tiers": TiersForm,
    "membership": MembershipForm,
    "discount": DiscountForm,
    "level_add": LevelForm,
}


@page
@permission(Permission.MANAGE_PROGRAMME)
def part(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """One part of the rules, by its name in `PARTS`."""
    return _edit(request, pk, PARTS[name])


@page
@permission(Permission.MANAGE_PROGRAMME)
def rule_add(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """A new earning rule of this kind."""
    return _edit(request, pk, lambda *args, **kwargs: RuleForm(*args, kind=kind, **kwargs))


@page
@permission(Permission.MANAGE_PROGRAMME)
def rule(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """One earning rule."""
    listed = draft_or_404(pk).rules["earning"]["rules"]
    kind = next((each["gives"]["kind"] for each in listed if each["key"] == key), None)
    if kind is None:
        raise Http404
    return _edit(request, pk, lambda *args, **kwargs: RuleForm(*args, kind=kind, key=key, **kwargs))


@page
@permission(Permission.MANAGE_PROGRAMME)
def level(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """One rank."""
    _must_have(draft_or_404(pk).rules["tiers"]["levels"], key)
    return _edit(request, pk, lambda *args, **kwargs: LevelForm(*args, key=key, **kwargs))


@require_POST
@permission(Permission.MANAGE_PROGRAMME)
def rule_move(request: HttpRequest, pk: int, key: str, *, up: bool) -> HttpResponse:
    """A rule earlier or later in the stacking order."""
    done = _("Moved up.") if up else _("Moved down.")
    return _change(request, pk, key, lambda rules: moved(rules, key, up=up), done=done)


@require_POST
@permission(Permission.MANAGE_PROGRAMME)
def rule_remove(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """A rule out of the draft."""
    return _change(request, pk, key, lambda rules: without_rule(rules, key), done=_("Taken out of the draft."))


@require_POST
@permission(Permission.MANAGE_PROGRAMME)
def level_remove(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """A rank out of the draft."""
    done = _("Taken out of the draft.")
    return _change(request, pk, key, lambda rules: without_level(rules, key), done=done, among="tiers")


def _edit(request: HttpRequest, pk: int, form_of: Callable[..., PartForm]) -> HttpResponse:
    shown = draft_or_404(pk)
    form = form_of(request.POST or None, rules=checked_rules(shown.rules), revision=shown.revision)
    if request.method == "POST" and form.is_valid():
        try:
            once(
                scope=f"change draft {shown.pk}:{person(request).pk}",
                key=one_time_key(request),
                content=posted(request),
                produce=lambda: _save(shown, form.cleaned_data["revision"], form.rules_after(), request),
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:programme_draft", pk)
    return render(request, "rewards/programme/part.html", {"form": form, "draft": shown})


def _change(
    request: HttpRequest,
    pk: int,
    key: str,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    done: str,
    among: str = "earning",
) -> HttpResponse:
    shown = draft_or_404(pk)

    def produce() -> dict[str, Any]:
        listed = shown.rules["earning"]["rules"] if among == "earning" else shown.rules["tiers"]["levels"]
        if all(each["key"] != key for each in listed):
            raise Refused(_("That is not in the draft any more. Read the draft again."))
        try:
            return _save(shown, shown.revision, change(shown.rules), request)
        except WrongRules as wrong:
            raise Refused("\n".join(text for _path, text in wrong.problems)) from wrong

    scope = f"change draft {shown.pk}:{person(request).pk}"
    sent = posted(request)
    try_it(request, lambda: once(scope=scope, key=one_time_key(request), content=sent, produce=produce), done=done)
    return redirect("rewards:programme_draft", shown.pk)


def _save(shown: ProgrammeDraft, revision: int, rules: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
    return {"revision": change_rules(draft=shown, revision=revision, rules=rules, by=person(request)).revision}


def _must_have(listed: list[dict[str, Any]], key: str) -> None:
    if all(each["key"] != key for each in listed):
        raise Http404

"""The programme as managers read it: what holds, what was and what will be, and files of it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from rewards.actions.programme import draft_programme
from rewards.actions.programme_versions import earliest_start, version_on
from rewards.models import DraftStatus, ProgrammeDraft, ProgrammeVersion
from rewards.models.programme import CLOSED
from rewards.plain_words import programme_in_words
from rewards.programme import Programme
from rewards.programme_checks import WrongRules
from rewards.programme_files import programme_as_text, read_programme
from rewards.programme_forms.file import FileForm
from rewards.views.programme_versions import VersionTable, state_of, versions_found
from rewards.views.staff import person, posted

DRAFT_CHIPS = {
    DraftStatus.DRAFT: "neutral",
    DraftStatus.HANDED_IN: "warn",
    DraftStatus.DECLINED: "danger",
    DraftStatus.SIGNED: "ok",
    DraftStatus.WITHDRAWN: "neutral",
}
MOST_DRAFTS_SHOWN = 50


@require_safe
@permission(Permission.MANAGE_PROGRAMME)
def programme(request: HttpRequest) -> HttpResponse:
    """The rules in force today in sentences, the versions, and the drafts that are open."""
    company = Company.current()
    today = company.today()
    in_force = version_on(today)
    found = versions_found(request)
    table = VersionTable(found.qs, today=today)
    show_page(request, table)
    all_drafts = request.GET.get("drafts") == "all"
    drafts = ProgrammeDraft.objects.all() if all_drafts else ProgrammeDraft.objects.exclude(status__in=CLOSED)
    context = {
        "version": in_force,
        "sections": programme_in_words(as_programme(in_force), currency=company.currency),
        "table": table,
        "filter": found,
        "export_url": f"{reverse('rewards:programme_export')}?{request.GET.urlencode()}",
        "coming": ProgrammeVersion.objects.filter(starts_on__gt=today).order_by("-number").first(),
        "drafts": [
            (draft, DRAFT_CHIPS[DraftStatus(draft.status)])
            for draft in drafts.select_related("drafted_by").order_by("-changed_at", "-pk")[:MOST_DRAFTS_SHOWN]
        ],
        "all_drafts": all_drafts,
        "closed_drafts": ProgrammeDraft.objects.filter(status__in=CLOSED).exists(),
    }
    return render(request, "rewards/programme/programme.html", context)


@require_safe
@permission(Permission.MANAGE_PROGRAMME)
def version(request: HttpRequest, pk: int) -> HttpResponse:
    """One version in sentences, whether it holds or not."""
    company = Company.current()
    today = company.today()
    shown = get_object_or_404(ProgrammeVersion.objects.select_related("signed_by", "draft__drafted_by"), pk=pk)
    last_of_day = dict(ProgrammeVersion.objects.order_by("number").values_list("starts_on", "number"))
    kind, state = state_of(shown, last_of_day, today)
    context = {
        "version": shown,
        "draft": getattr(shown, "draft", None),
        "chip": kind,
        "state": state,
        "is_to_come": kind == "primary",
        "sections": programme_in_words(as_programme(shown), currency=company.currency),
    }
    return render(request, "rewards/programme/version.html", context)


@require_safe
@permission(Permission.MANAGE_PROGRAMME)
def version_export(request: HttpRequest, pk: int) -> HttpResponse:
    """The version as a file for another shop."""
    shown = get_object_or_404(ProgrammeVersion, pk=pk)
    return as_file(shown, f"programme-{shown.number}.json")


@require_POST
@permission(Permission.MANAGE_PROGRAMME)
def draft_create(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin a draft with the rules of a version. Of a version to come the day is kept, so that it can be replaced."""
    source = get_object_or_404(ProgrammeVersion, pk=pk)
    starts_on = source.starts_on if source.starts_on and source.starts_on >= earliest_start() else None
    made = once(
        scope=f"draft programme:{person(request).pk}",
        key=one_time_key(request),
        content=posted(request),
        produce=lambda: {"draft": draft_programme(based_on=source, starts_on=starts_on, by=person(request)).pk},
    )
    return redirect("rewards:programme_draft", made["draft"])


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_PROGRAMME)
def draft_import(request: HttpRequest) -> HttpResponse:
    """Begin a draft with the rules of a file."""
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            content = read_programme(form.cleaned_data["file"].read())
        except WrongRules as wrong:
            form.refuse_file(wrong)
        else:
            made = once(
                scope=f"import draft:{person(request).pk}",
                key=one_time_key(request),
                content=[content.rules, content.note],
                produce=lambda: {
                    "draft": draft_programme(
                        based_on=version_on(Company.current().today()),
                        rules=content.rules,
                        note=content.note,
                        by=person(request),
                    ).pk
                },
            )
            for remark in content.on_file:
                messages.warning(request, remark)
            return redirect("rewards:programme_draft", made["draft"])
    return render(request, "rewards/programme/import.html", {"form": form})


def as_programme(shown: ProgrammeVersion | ProgrammeDraft) -> Programme:
    """The rules of a version or a draft as the till would apply them."""
    number = shown.number if isinstance(shown, ProgrammeVersion) else 0
    return Programme(version_id=0, number=number, starts_on=shown.starts_on, rules=shown.rules)


def as_file(shown: ProgrammeVersion | ProgrammeDraft, name: str) -> HttpResponse:
    """A download of the rules."""
    text = programme_as_text(shown, currency=Company.current().currency)
    answer = HttpResponse(text, content_type="application/json; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer

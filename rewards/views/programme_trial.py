"""What a draft would change for one customer and one basket, side by side with what holds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from customers import search
from customers.models import Customer
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.translated import pick
from rewards.actions.trying import Outcome, try_visit, with_draft
from rewards.models import ProgrammeDraft
from rewards.plain_words import threshold_in_words
from rewards.programme import load_programmes
from rewards.programme_forms.trial import TrialForm
from rewards.views.programme_drafts import draft_or_404

_ASKED = ("amount", "q", "customer", "day")


@require_safe
@permission(Permission.MANAGE_PROGRAMME)
def trial(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a visit, and what it does today and under the draft."""
    shown = draft_or_404(pk)
    day = shown.starts_on or Company.current().today()
    asked = any(name in request.GET for name in _ASKED)
    initial = {"day": day, "channel": "till"}
    form = TrialForm(request.GET if asked else None, initial=initial)
    context: dict[str, Any] = {"form": form, "draft": shown, "customer": None, "matches": []}
    if asked and form.is_valid():
        customer, matches = _whom(form)
        is_named = bool(form.cleaned_data["q"] or form.cleaned_data["customer"])
        context |= {"customer": customer, "matches": matches, "nobody": is_named and not customer}
        if customer is not None or not is_named:
            context |= _compare(shown, form, customer)
    return render(request, "rewards/programme/trial.html", context)


def _whom(form: TrialForm) -> tuple[Customer | None, list[Customer]]:
    """The customer that was chosen or that the text names, and whom else it may mean."""
    if form.cleaned_data["customer"]:
        return Customer.objects.filter(pk=form.cleaned_data["customer"]).first(), []
    if not form.cleaned_data["q"]:
        return None, []
    matched = search.first(form.cleaned_data["q"])
    is_one = len(matched.customers) == 1 and not matched.has_more
    return (matched.customers[0], []) if is_one else (None, matched.customers)


def _compare(shown: ProgrammeDraft, form: TrialForm, customer: Customer | None) -> dict[str, Any]:
    visit = form.visit()
    drafted = with_draft(shown.rules, day=visit.day, starts_on=shown.starts_on)
    now, then = (try_visit(visit, customer=customer, programmes=each) for each in (load_programmes(), drafted))
    currency = Company.current().currency
    standings = [standing_in_words(side, currency=currency) for side in (now, then)]
    return {"now": now, "then": then, "sides": [now, then], "rows": _rows(now, then), "standings": standings}


def standing_in_words(side: Outcome, *, currency: str) -> list[str]:
    """The rank after the visit, what is missing for the next one, and what keeps it."""
    standing, tiers = side.standing, side.programme.rules.tiers
    names = {level.key: pick(level.names) for level in tiers.levels}
    words = [names[standing.tier]]
    if standing.next_tier is not None:
        missing = threshold_in_words(tiers, standing.missing, currency)
        words.append(_("%(missing)s more to become %(tier)s") % {"missing": missing, "tier": names[standing.next_tier]})
    if standing.stay_by is not None:
        needed = threshold_in_words(tiers, standing.needed_to_stay, currency)
        words.append(
            _("%(needed)s more keep it, until: %(date)s")
            % {"needed": needed, "date": formats.short_date(standing.stay_by)}
        )
    return words


def _rows(now: Outcome, then: Outcome) -> list[tuple[str, int | None, int | None]]:
    """The addends of both sides by name, each with its points today and under the draft."""
    names = list(dict.fromkeys([*(a.name for a in now.addends), *(a.name for a in then.addends)]))
    return [(name, _of(name, now), _of(name, then)) for name in names]


def _of(name: str, side: Outcome) -> int | None:
    found = [addend.points for addend in side.addends if addend.name == name]
    return sum(found) if found else None

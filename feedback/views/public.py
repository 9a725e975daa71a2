"""The survey as the customer sees it, opened by an unguessable link."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from feedback.actions.surveys import Answered, NoSuchSurvey, answer_survey, find_survey, stop_surveys
from feedback.emails import survey_question
from feedback.forms import SurveyForm
from feedback.models import SurveyInvitation
from loyaltycrm.core.permissions import public
from loyaltycrm.core.secret_pages import kept_secret, language_of_reader


def secret_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page behind a secret in its address: kept nowhere, told to nobody, and the same answer for every wrong secret.

    The secret is what it checks, so it needs no CSRF token and sets no cookie.
    """

    @wraps(view)
    def shown(request: HttpRequest, token: str) -> HttpResponse:
        try:
            response = view(request, token)
        except NoSuchSurvey as refusal:
            response = render(request, "feedback/public/no_survey.html", {"refusal": refusal.message}, status=404)
        return kept_secret(response)

    return csrf_exempt(require_http_methods(["GET", "HEAD", "POST"])(shown))


@public("a customer answers a survey; the unguessable link is what it checks")
@secret_page
def survey(request: HttpRequest, token: str) -> HttpResponse:
    """The question; a POST answers it once. GET and HEAD write nothing, so that link scanners do not answer."""
    invitation = find_survey(token)
    language = language_of_reader(request, invitation.customer.language)
    with translation.override(language):
        if request.method != "POST":
            page = "answered" if invitation.answered_at else "survey"
            return _page(request, page, invitation, token, form=SurveyForm())
        form = SurveyForm(request.POST)
        if not form.is_valid():
            return _page(request, "survey", invitation, token, form=form)
        answered: Answered = answer_survey(token=token, language=language, **form.cleaned_data)
        return _page(request, "thanks" if answered.first else "answered", answered.invitation, token)


@public("a customer stops surveys; the unguessable link is what it checks")
@secret_page
def survey_stop(request: HttpRequest, token: str) -> HttpResponse:
    """Stop surveys by email: GET asks, POST does it."""
    invitation = find_survey(token)
    with translation.override(language_of_reader(request, invitation.customer.language)):
        if request.method == "POST":
            stop_surveys(token=token)
        return _page(request, "stop", invitation, token, stopped=request.method == "POST")


def _page(request: HttpRequest, name: str, invitation: SurveyInvitation, token: str, **more: Any) -> HttpResponse:
    context = {"invitation": invitation, "token": token, "question": survey_question(), **more}
    response = render(request, f"feedback/public/{name}.html", context)
    response["Content-Language"] = translation.get_language() or "en"
    return response

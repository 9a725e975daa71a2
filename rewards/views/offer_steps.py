"""What a manager does with an offer: look at its mail, try it, activate, pause, send, copy and end it."""

from __future__ import annotations

from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from rewards.actions.offers import activate_offer, copy_offer, end_offer, pause_offer
from rewards.actions.proofs import look_as, send_test_mail
from rewards.actions.runs import start_run
from rewards.audience import Funnel
from rewards.funnels import count_today
from rewards.models import Offer, Run
from rewards.previews import as_seen_in_the_dark, letters_of
from rewards.schedule_words import schedule_in_words
from rewards.views.offers import look_asked, offer_of
from rewards.views.seen import seen_by
from rewards.views.staff import person, posted, try_it

_FRAME_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_activate(request: HttpRequest, pk: int) -> HttpResponse:
    """An active offer is sent by itself, so activating names how many would get it today."""
    shown = offer_of(request, pk)
    if request.method == "POST":
        done = _("Active. It is sent when it is due, or at once with “Send now”.")
        try_it(request, lambda: activate_offer(offer=shown, by=person(request)), done=done)
        return redirect("rewards:offer", pk)
    funnel = count_today(shown)
    context = {
        "title": _("Activate “%(offer)s”") % {"offer": shown.name},
        "question": _("It is sent by itself: %(when)s. Customers who would get it today: %(mailed)s.")
        % {"when": schedule_in_words(shown), "mailed": formats.number(funnel.mailed)},
        "consequences": _counted(shown, funnel),
        "submit": _("Activate"),
        "cancel": reverse("rewards:offer", args=[pk]),
    }
    return render(request, "components/confirm.html", context)


@require_POST
@permission(Permission.MANAGE_OFFERS)
def offer_pause(request: HttpRequest, pk: int) -> HttpResponse:
    shown = offer_of(request, pk)
    done = _("Paused. No further run starts until you activate it again.")
    try_it(request, lambda: pause_offer(offer=shown, by=person(request)), done=done)
    return redirect("rewards:offer", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Ending cannot be undone, so it is confirmed."""
    shown = offer_of(request, pk)
    if request.method == "POST":
        try_it(request, lambda: end_offer(offer=shown, by=person(request)), done=_("The offer has ended."))
        return redirect("rewards:offer", pk)
    context = {
        "title": _("End “%(offer)s”") % {"offer": shown.name},
        "question": _("No further run will start, for good."),
        "consequences": [_("Codes that customers have stay good until their last day."), _("Runs are kept.")],
        "submit": _("End offer"),
        "cancel": reverse("rewards:offer", args=[pk]),
    }
    return render(request, "components/confirm.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_send(request: HttpRequest, pk: int) -> HttpResponse:
    """Mails cannot be taken back, so sending now names how many there will be."""
    shown = offer_of(request, pk)
    if request.method == "POST":
        started: list[Run] = []
        sent = try_it(
            request,
            lambda: started.append(start_run(offer=shown, by=person(request))),
            done=_("The run starts within a minute. You can stop it at any moment."),
        )
        return redirect("rewards:run", started[0].pk) if sent else redirect("rewards:offer", pk)
    funnel = count_today(shown)
    context = {
        "title": _("Send “%(offer)s” now") % {"offer": shown.name},
        "question": _("Customers who will get the email: %(mailed)s. A sent email cannot be taken back.")
        % {"mailed": formats.number(funnel.mailed)},
        "consequences": _counted(shown, funnel),
        "submit": _("Send now"),
        "cancel": reverse("rewards:offer", args=[pk]),
    }
    return render(request, "components/confirm.html", context)


def _counted(shown: Offer, funnel: Funnel) -> list[str]:
    """An audience in the lines of a question."""
    lines = [
        _("%(audience)s: %(count)s") % {"audience": shown.audience_name, "count": formats.number(funnel.matching)},
        _("Left out, each with a reason: %(count)s") % {"count": formats.number(sum(funnel.left_out.values()))},
    ]
    if funnel.held_out:
        lines.append(_("Held out of all offers: %(count)s") % {"count": formats.number(funnel.held_out)})
    return [*lines, _("Control group, gets nothing: %(count)s") % {"count": formats.number(funnel.control)}]


@require_POST
@permission(Permission.MANAGE_OFFERS)
def offer_copy(request: HttpRequest, pk: int) -> HttpResponse:
    """A new draft like this offer, opened to be changed."""
    shown = offer_of(request, pk)
    made = once(
        scope=f"copy offer:{person(request).pk}",
        key=one_time_key(request),
        content=posted(request),
        produce=lambda: {"offer": copy_offer(offer=shown, by=person(request)).pk},
    )
    return redirect("rewards:offer_edit", made["offer"])


@require_POST
@permission(Permission.MANAGE_OFFERS)
def offer_test(request: HttpRequest, pk: int) -> HttpResponse:
    """The mail to one's own address, as the reader and with the choice that were asked for."""
    shown = offer_of(request, pk)
    seen = seen_by(person(request), shown, request.POST)
    if seen.is_chosen and seen.reader:
        look_as(offer=shown, customer=seen.reader, by=person(request))
    try_it(
        request,
        lambda: once(
            scope=f"test mail:{person(request).pk}",
            key=one_time_key(request),
            content=posted(request),
            produce=lambda: {
                "sent": send_test_mail(offer=shown, customer=seen.reader, shown=seen.shown, by=person(request))
            },
        ),
        done=_("A test mail in every complete language is on its way to %(address)s. Its links lead nowhere.")
        % {"address": person(request).email},
    )
    return redirect("rewards:offer", pk)


@require_safe
@permission(Permission.MANAGE_OFFERS)
@never_cache
@xframe_options_sameorigin
def offer_preview(request: HttpRequest, pk: int, language: str) -> HttpResponse:
    """The mail alone, for a frame that may do nothing; its own inline styles are allowed here."""
    shown = offer_of(request, pk)
    seen = seen_by(person(request), shown, request.GET)
    letter = letters_of(shown, seen.reader, shown=seen.shown).get(language)
    if letter is None:
        raise Http404
    html = as_seen_in_the_dark(letter.html) if look_asked(request) == "dark" else letter.html
    response = HttpResponse(html)
    response.headers["Content-Security-Policy"] = _FRAME_POLICY
    return response

"""Where a mail provider tells what became of mails. Only the one that the settings name is listened to, and only with
its secret: django-anymail checks its signature and reads its words."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from loyaltycrm.core.permissions import public
from loyaltycrm.lib.letters import DELIVERY
from rewards.actions.outcomes import MailEvent, Told, record_mail_event, remembered_since
from rewards.providers import PROVIDERS, listens_to

_BROKEN: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_TOLD: Final = {
    EventType.DELIVERED: Told.DELIVERED,
    EventType.BOUNCED: Told.BOUNCED,
    EventType.REJECTED: Told.BOUNCED,
    EventType.COMPLAINED: Told.COMPLAINED,
    EventType.UNSUBSCRIBED: Told.UNSUBSCRIBED,
}


@csrf_exempt
@public("a mail provider tells what became of mails; its signature is what is checked")
@require_http_methods(["POST", "HEAD"])
def mail_events(request: HttpRequest, provider: str) -> HttpResponse:
    """Take down what the provider tells. Forged or broken words get 400 and change nothing, repeated ones 200."""
    if not provider or provider != listens_to():
        raise Http404
    if request.method == "HEAD":
        return HttpResponse()
    view = import_string(PROVIDERS[provider][0])()
    try:
        view.run_validators(request)
        if provider == "mailgun" and _signed_at(request) < remembered_since():
            return HttpResponse()
        told = [event for event in view.parse_events(request) if isinstance(event, AnymailTrackingEvent)]
        body = hashlib.sha256(request.body).hexdigest()
        read = [_read(provider, event, f"{body}:{place}") for place, event in enumerate(told)]
    except (
        AnymailError,
        AnymailWebhookValidationFailure,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ):
        return HttpResponse("This is nothing that the provider says.", status=400, content_type="text/plain")
    for event in read:
        if event is not None:
            record_mail_event(event=event)
    return HttpResponse()


def _signed_at(request: HttpRequest) -> datetime:
    """When Mailgun signed this: it may be overheard and sent again when we have forgotten that it was told."""
    signed = json.loads(request.body)["signature"] if request.content_type == "application/json" else request.POST
    return datetime.fromtimestamp(int(signed["timestamp"]), UTC)


def _read(provider: str, event: AnymailTrackingEvent, place: str) -> MailEvent | None:
    """What an event says to us; None for one that says nothing of use, such as that a mail was opened.

    `place` names it where the provider gives it no name. Mailgun signs the name alone, so with the same name anything
    else it says is a forgery.
    """
    told = _TOLD.get(event.event_type)
    recipient = str(event.recipient or "").strip()
    if told is None or not 3 <= len(recipient) <= 254 or "@" not in recipient or not recipient.isprintable():
        return None
    known = event.event_id or place
    return MailEvent(
        reference=_short(f"{provider}:{known}:{'' if provider == 'mailgun' else event.event_type}"),
        told=told,
        recipient=recipient,
        message_id=_message_id(event),
        at=event.timestamp,
        said=str(event.mta_response or event.description or "")[:300],
        is_lasting=_is_lasting(event),
    )


def _short(reference: str) -> str:
    return reference if len(reference) <= 120 else hashlib.sha256(reference.encode()).hexdigest()


def _message_id(event: AnymailTrackingEvent) -> str:
    """The Message-ID that we gave: the provider hands it back, or it is the mail's own."""
    handed_back: Any = (event.metadata or {}).get(DELIVERY) if isinstance(event.metadata, dict) else None
    found = handed_back or event.message_id
    return found if isinstance(found, str) and found.isprintable() and len(found) <= 120 else ""


def _is_lasting(event: AnymailTrackingEvent) -> bool:
    """Whether a bounce is about the address itself. Postmark calls a full mailbox a bounce too, a soft one."""
    soft = isinstance(event.esp_event, dict) and event.esp_event.get("Type") == "SoftBounce"
    return event.reject_reason in (RejectReason.BOUNCED, RejectReason.INVALID, None) and not soft

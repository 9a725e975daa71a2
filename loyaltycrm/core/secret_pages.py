"""Pages behind a secret in their address: kept nowhere, told to nobody, read in the reader's own language."""

from __future__ import annotations

from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Response = TypeVar("Response", bound=HttpResponseBase)


def kept_secret(response: Response) -> Response:
    """The answer of such a page, so that no cache, no other site and no search engine learns its address."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


def language_of_reader(request: HttpRequest, own: str) -> str:
    """The language chosen on this device with the switch, else the customer's `own`."""
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    return chosen if chosen in dict(settings.LANGUAGES) else own

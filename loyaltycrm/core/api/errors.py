"""One shape for everything that goes wrong: a stable code, and a sentence that a till can print."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from pydantic import BaseModel, Field

from loyaltycrm.core.actions.idempotency import InFlight, KeyReused
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.lib.transactions import Busy

logger = logging.getLogger("loyaltycrm.api")
BUSY_SECONDS: Final = 2

# What a text has to hold that may not be blank.
SOMETHING_SEEN: Final = r"\S"

# What is said where no better sentence is known, by status.
CODES: Final[dict[int, tuple[str, Any]]] = {
    400: ("bad_request", gettext_lazy("This request cannot be read. Ask whoever looks after the till.")),
    401: ("unauthorized", gettext_lazy("This till is not let in. Ask an admin for a new key.")),
    403: ("forbidden", gettext_lazy("This till may not do this. Ask an admin.")),
    404: ("not_found", gettext_lazy("This is not known. Check the number.")),
    405: ("method_not_allowed", gettext_lazy("This address takes another method. Ask whoever looks after the till.")),
    409: ("conflict", gettext_lazy("This is known already with other content. Check the number.")),
    413: ("too_large", gettext_lazy("This request is too large.")),
    415: ("unsupported_media_type", gettext_lazy("This request cannot be read. Send JSON.")),
    422: ("invalid", gettext_lazy("Something in this request cannot be. Look at the details.")),
    429: ("too_many_requests", gettext_lazy("Too many requests. Wait a moment and send it again.")),
    500: ("internal", gettext_lazy("Something went wrong here. Send it again in a moment.")),
    503: ("busy", gettext_lazy("Too much is going on. Nothing changed. Send it again in a moment.")),
}

# What is needed instead of a value of another kind, by the kind of the mistake, or what a ValueError of ours says.
WANTED: Final[dict[str, Any]] = {
    "int_type": gettext_lazy("A whole number is needed, such as 2490."),
    "string_type": gettext_lazy("A text in quotes is needed."),
    "bool_type": gettext_lazy("true or false is needed, without quotes."),
    "list_type": gettext_lazy("A list in [ ] is needed."),
    "model_type": gettext_lazy("An object in { } is needed."),
    "nothing to change": gettext_lazy("Send at least one field that is to change."),
    "instant": gettext_lazy("A time with its distance from UTC is needed, such as 2026-07-14T10:00:00+03:00."),
}


class Detail(BaseModel):
    """One thing that is wrong in a request."""

    field: str = Field(description="Where it is, for example `lines.0.net_cents`.")
    code: str
    message: str


class ErrorContent(BaseModel):
    """What went wrong."""

    code: str = Field(description="Stable; listed in the documentation.")
    message: str = Field(description="A sentence to print, in the language of Accept-Language or of the key.")
    field: str | None = Field(default=None, description="The field to mend, where it is one.")
    details: list[Detail] = []


class ErrorAnswer(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorContent


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        code: str = "",
        message: str = "",
        *,
        field: str | None = None,
        details: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, code)
        self.status, self.code, self.message, self.field = status, code, message, field
        self.details, self.headers = details or [], headers or {}


def invalid(details: list[dict[str, str]]) -> ApiError:
    """The refusal of a request of a wrong shape, by what is wrong in it: the first is what a till prints."""
    field, words = details[0]["field"], details[0]["message"]
    return ApiError(422, "invalid", f"{field}: {words}" if field else words, field=field or None, details=details)


def invalid_field(field: str, words: str = "", *, code: str = "value_error") -> ApiError:
    """The refusal of one field, for what shapes alone cannot say; `words` tell what is needed instead."""
    return invalid([{"field": field, "code": code, "message": words or _("This cannot be used here.")}])


def error_response(error: ApiError) -> HttpResponse:
    """The answer for it, with the words of its status where it brings none."""
    code, words = CODES.get(error.status, CODES[400 if error.status < 500 else 500])
    content: dict[str, Any] = {"code": error.code or code, "message": str(error.message or words)}
    content["field"], content["details"] = error.field, error.details
    response = JsonResponse(
        {"error": content}, status=error.status, json_dumps_params={"ensure_ascii": False}, headers=error.headers
    )
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if error.status == 503:
        response.headers.setdefault("Retry-After", str(BUSY_SECONDS))
    return response


def use_error_shape(api: NinjaAPI, *, fields: Mapping[str, str]) -> None:
    """Let the API answer everything that can be raised in the one shape.

    `fields` says what requests call the fields that actions name otherwise.
    """

    def shaped(request: HttpRequest, problem: Any) -> HttpResponse:
        error = as_api_error(problem)
        if isinstance(problem, Refused) and problem.field:
            error.field = fields.get(problem.field, problem.field)
        return error_response(error)

    for kind in (
        ApiError, Refused, ValidationError, HttpError, Http404, Busy, OperationalError, BadRequest,
        SuspiciousOperation, Exception,
    ):  # fmt: skip
        api.add_exception_handler(kind, shaped)


def as_api_error(problem: Exception) -> ApiError:
    """What is said of an exception. One that nobody expected is logged and says nothing of itself."""
    match problem:
        case ApiError():
            return problem
        case InFlight():
            return ApiError(409, "in_flight", str(problem.message), headers={"Retry-After": "1"})
        case KeyReused():
            words = _("This Idempotency-Key was used for another request. Take a new one.")
            return ApiError(422, "idempotency_key_reused", words)
        case Conflict():
            return ApiError(409, "conflict", str(problem.message), field=problem.field)
        case Refused():
            return ApiError(422, problem.code, str(problem.message), field=problem.field)
        case ValidationError():
            return _invalid(problem)
        case AuthenticationError():
            return ApiError(401)
        case HttpError():
            cause = problem.__cause__
            return cause if isinstance(cause, ApiError) else ApiError(problem.status_code)
        case Http404():
            return ApiError(404)
        case Busy() | OperationalError():
            logger.warning("The database is busy or away: %s", type(problem).__name__)
            return ApiError(503)
        case BadRequest() | SuspiciousOperation():
            return ApiError(400)
        case _:
            logger.error("The API failed.", exc_info=problem)
            return ApiError(500)


def _invalid(problem: ValidationError) -> ApiError:
    details = [_detail(found) for found in problem.errors[:20]]
    return invalid(details) if details else ApiError(422)


def _detail(found: dict[str, Any]) -> dict[str, str]:
    where = [str(part) for part in found.get("loc", ())]
    kind = str(found.get("type", "invalid"))
    limits = found.get("ctx", {})
    if kind == "missing" or limits.get("pattern") == SOMETHING_SEEN:
        words = _("This is missing.")
    elif kind == "extra_forbidden":
        words = _("This is not known here. Leave it out.")
    elif kind in ("less_than_equal", "string_too_long", "too_long"):
        limit = limits.get("le", limits.get("max_length"))
        words = _("At most %(limit)s is allowed.") % {"limit": limit}
    elif kind in ("greater_than_equal", "string_too_short", "too_short"):
        limit = limits.get("ge", limits.get("min_length"))
        words = _("At least %(limit)s is needed.") % {"limit": limit}
    elif kind in ("literal_error", "enum"):
        words = _("One of these is needed: %(choices)s.") % {"choices": limits.get("expected", "")}
    else:
        words = str(WANTED.get(str(limits.get("error", kind))) or _("This cannot be used here."))
    return {"field": ".".join(where[2:] if where[:1] == ["body"] else where[1:]), "code": kind, "message": words}

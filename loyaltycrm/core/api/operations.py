"""What every operation does besides its own work: it refuses what its address does not know, and tells when it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.http import http_date
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.operation import Operation

from loyaltycrm.core.api.errors import invalid

# Beside an operation in the schema: what a key needs for it, null where any key will do.
SCOPE: Final = "x-scope"
_SINCE: Final = "x-deprecated-since"
_SUNSET: Final = "x-sunset"
_INSTEAD: Final = "x-instead"
Run = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Ending:
    """That an operation will end: said since a day, gone from another at least twelve months later.

    `instead` is the address of what takes its place. Give it to an operation as `**Ending(…).declared()`, with
    `extra` for what else the operation adds to the schema; its answers then carry the headers `Deprecation`
    (RFC 9745), `Sunset` (RFC 8594) and `Link`. Raises `ValueError` for less than twelve months.
    """

    since: date
    sunset: date
    instead: str

    def __post_init__(self) -> None:
        if (self.sunset.year - self.since.year) * 12 + self.sunset.month - self.since.month < 12 or (
            self.sunset.month == self.since.month
            and self.sunset.year == self.since.year + 1
            and self.sunset.day < self.since.day
        ):
            raise ValueError("An operation ends at least twelve months after that was said.")

    def declared(self, extra: dict[str, Any] | None = None) -> dict[str, Any]:
        """The arguments of `router.get` and `router.post`."""
        told = {_SINCE: self.since.isoformat(), _SUNSET: self.sunset.isoformat(), _INSTEAD: self.instead}
        return {"deprecated": True, "openapi_extra": {**(extra or {}), **told}}


def headers_of(operation: Operation) -> dict[str, str]:
    """What the answers of an operation say of its end; nothing where it does not end."""
    told = operation.openapi_extra or {}
    if _SINCE not in told:
        return {}
    since, sunset = (_midnight(told[name]) for name in (_SINCE, _SUNSET))
    return {
        "Deprecation": f"@{int(since)}",
        "Sunset": http_date(sunset),
        "Link": f'<{told[_INSTEAD]}>; rel="successor-version"',
    }


def query_names(operation: Operation) -> frozenset[str]:
    """What the address of an operation may carry behind its question mark."""
    names: set[str] = set()
    for model in operation.models:
        if model.__ninja_param_source__ == "query":
            names |= set(model.__ninja_flatten_map__)
    return frozenset(names)


def watch_operations(api: NinjaAPI) -> None:
    """Let every operation of the API know its query names, and its answers tell when it ends."""

    def watched(run: Run) -> Run:
        operation: Operation = run.__self__  # type: ignore[attr-defined]
        scopes = [scope for one in operation.auth_callbacks if (scope := getattr(one, "scope", None))]
        operation.openapi_extra = {**(operation.openapi_extra or {}), SCOPE: scopes[0] if scopes else None}
        names, headers = query_names(operation), headers_of(operation)

        @wraps(run)
        def with_names(request: HttpRequest, **given: Any) -> HttpResponseBase:
            request.query_names = names  # type: ignore[attr-defined]
            response = run(request, **given)
            for name, value in headers.items():
                response[name] = value
            response["Content-Language"] = translation.get_language() or ""
            return response

        return with_names

    api.add_decorator(watched, mode="view")


def refuse_unknown_query(request: HttpRequest) -> None:
    """Raise `ApiError` for a name behind the question mark that the operation does not know, or one that comes twice.

    A till that asks for `custmer=` would else get an answer to another question.
    """
    known: frozenset[str] = getattr(request, "query_names", frozenset())
    details = []
    for name, given in request.GET.lists():
        if name not in known:
            words = _("This is not known here. Leave it out.")
            details.append({"field": name[:64], "code": "extra_forbidden", "message": words})
        elif len(given) > 1:
            details.append({"field": name, "code": "given_twice", "message": _("This was given twice. Send it once.")})
    if details:
        raise invalid(details[:20])


def _midnight(day: str) -> float:
    return datetime.combine(date.fromisoformat(day), time(0), UTC).timestamp()

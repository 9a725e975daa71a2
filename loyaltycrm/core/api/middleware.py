"""What is refused before the API sees it, and the one error shape for what Django refuses by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

from loyaltycrm.core.api.errors import ApiError, error_response
from loyaltycrm.core.api.strict import LARGEST_BODY

PREFIX: Final = "/api/"
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


class ApiMiddleware:
    """JSON in, JSON out under /api/: bodies of other kinds and sizes are refused, pages of errors become JSON.

    Stands above sessions and forms, so that neither reads a body that is not theirs.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(PREFIX):
            return self.get_response(request)
        problem = _before(request)
        response: Any = self.get_response(request) if problem is None else None
        is_json = response is not None and response.headers.get("Content-Type", "").startswith("application/json")
        if problem is None and response.status_code >= 400 and not is_json:
            allowed = {"Allow": response["Allow"]} if "Allow" in response.headers else {}
            problem = ApiError(response.status_code, headers=allowed)
        if problem is not None:
            language = translation.get_language_from_request(request)
            with translation.override(language):
                response = error_response(problem)
            response["Content-Language"] = language
        response.headers.setdefault("Cache-Control", "no-store")
        return response  # type: ignore[no-any-return]


def _before(request: HttpRequest) -> ApiError | None:
    if request.method not in _WITH_BODY:
        return None
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdecimal():
        return ApiError(400)
    if int(length) > LARGEST_BODY:
        return ApiError(413)
    if request.content_type != "application/json":
        return ApiError(415)
    return None

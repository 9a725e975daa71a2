"""How much a request may carry. A body that is too large is refused before anything reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission, View, allowed, declaration

WRAPPING_BYTES: Final = 1_000_000


def takes_files(megabytes: Callable[[], int]) -> Callable[[View], View]:
    """Declare that a view takes files of so many megabytes, from those who have its permission."""

    def mark(view: View) -> View:
        view.largest_megabytes = megabytes  # type: ignore[union-attr]
        return view

    return mark


class BodyMiddleware:
    """Answer 413 where the body is larger than the fields of any form, and the view takes no files of that size.

    Stands above the check of forms, which reads the body of whoever sends one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        if _length(request) > _largest(request, view):
            return render(request, "413.html", status=413)
        return None


def _length(request: HttpRequest) -> int:
    """What Django takes for the length of the body, which is all that it reads of it."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _largest(request: HttpRequest, view: Any) -> int:
    largest: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + WRAPPING_BYTES
    megabytes, needed = getattr(view, "largest_megabytes", None), declaration(view)
    if megabytes is None or not isinstance(needed, Permission):
        return largest
    is_let = isinstance(request.user, User) and allowed(request.user, needed)
    return largest + megabytes() * 1_000_000 if is_let else largest

"""The mailbox page: what a customer or a member of staff would have received, had the demo really sent it."""

import re
from pathlib import Path

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from loyaltycrm.core.permissions import public
from loyaltycrm.local.mailbox import Mail, headings, read

_ON_A_PAGE = 50
_WHY_PUBLIC = "the demo's own mailbox, mounted only where MAILBOX_DIR is set; it holds nobody's real mail"

_FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)


def _folder() -> Path:
    if not settings.MAILBOX_DIR:
        raise Http404
    return Path(settings.MAILBOX_DIR)


def _mail(name: str) -> Mail:
    found = read(_folder(), name)
    if found is None:
        raise Http404
    return found


@public(_WHY_PUBLIC)
@require_safe
@never_cache
def mailbox(request: HttpRequest) -> HttpResponse:
    """All mails, newest first, found by words in sender, recipient and subject."""
    words = request.GET.get("q", "")[:200]
    page = Paginator(headings(_folder(), words=words), _ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "local/mailbox.html", {"page": page, "words": words})


@public(_WHY_PUBLIC)
@require_safe
@never_cache
def mail(request: HttpRequest, name: str) -> HttpResponse:
    """One mail: its HTML part in a frame that may do nothing, its text part, its headers."""
    return render(request, "local/mail.html", {"mail": _mail(name)})


@public(_WHY_PUBLIC)
@require_safe
@never_cache
@xframe_options_sameorigin
def mail_html(request: HttpRequest, name: str) -> HttpResponse:
    """The HTML part alone; its own inline styles are allowed here and nowhere else. Links open in a new tab."""
    html = _mail(name).html
    if not html:
        raise Http404
    head = _HEAD.search(html)
    at = head.end() if head else 0
    response = HttpResponse(f'{html[:at]}<base target="_blank">{html[at:]}')
    response.headers["Content-Security-Policy"] = _FRAME_POLICY
    return response


@public(_WHY_PUBLIC)
@require_safe
@never_cache
def mail_source(request: HttpRequest, name: str) -> HttpResponse:
    """The mail as it came over the wire, as a file."""
    response = HttpResponse(_mail(name).raw, content_type="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.eml"'
    return response

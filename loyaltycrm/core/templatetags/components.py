"""Tags for the parts that every page is made of."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from django import template
from django.core.paginator import Page
from django.forms import BaseForm
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyaltycrm.core import forms
from loyaltycrm.core.navigation import NavigationItem, navigation_items
from loyaltycrm.lib import deadlines

register = template.Library()


@register.simple_tag
def icon(name: str, *, label: str = "", css: str = "") -> SafeString:
    """`{% icon "gift" %}`, one symbol of static/icons.svg; with a `label` it is read aloud, else it is decoration."""
    spoken = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html(
        '<svg class="icon{}" {} focusable="false"><use href="{}#{}"></use></svg>',
        f" {css}" if css else "",
        spoken,
        static("icons.svg"),
        name,
    )


@register.simple_tag(takes_context=True)
def one_time_key(context: Context) -> SafeString:
    """The hidden field that makes a double submit harmless. A form shown again keeps its key, unless the page says
    `needs_new_key`, since that one was used for something else."""
    request = context.get("request")
    key = "" if request is None or context.get("needs_new_key") else request.POST.get("idempotency_key", "")
    return format_html('<input type="hidden" name="idempotency_key" value="{}">', key[:80] or uuid4())


@register.simple_tag(takes_context=True)
def navigation(context: Context) -> list[NavigationItem]:
    """The main places this person may open. `nav_badges` in the context adds words such as "2 late"."""
    request = context.get("request")
    return navigation_items(
        may=context.get("may") or {},
        path=request.path if request is not None else "",
        badges=context.get("nav_badges") or {},
    )


@register.filter
def meter_width(share: Any) -> str:
    """A share of one as the width of a bar that is 100 wide, kept within it."""
    return f"{min(max(float(share or 0), 0.0), 1.0) * 100:.1f}"


@register.simple_tag(takes_context=True)
def query_with(context: Context, name: str, value: object) -> str:
    """The page's own query with one parameter changed; unlike `querystring`, the name may be a variable."""
    query = context["request"].GET.copy()
    query[name] = str(value)
    return f"?{query.urlencode()}"


@register.filter
def page_numbers(page: Page[Any]) -> list[int]:
    """The page numbers to offer, 0 standing for a gap."""
    return [number if isinstance(number, int) else 0 for number in page.paginator.get_elided_page_range(page.number)]


@register.inclusion_tag("components/deadline.html")
def deadline(due_at: datetime, opened_at: datetime, *, paused: str = "", key: Any = "") -> dict[str, Any]:
    """`{% deadline ticket.due_at ticket.opened_at paused=ticket.pause_reason key=ticket.pk %}`.

    With a `key` the words are refreshed every 60 s where JavaScript runs.
    """
    return {"deadline": deadlines.deadline(due_at, opened_at=opened_at, paused_because=paused), "key": key}


@register.filter
def mistakes(form: BaseForm) -> list[forms.Mistake]:
    """Everything to fix in a form, for the summary above it."""
    return forms.mistakes(form)


@register.filter
def summary_title(form: BaseForm) -> str:
    """To save this, fix 1 thing."""
    return forms.summary_title(form)

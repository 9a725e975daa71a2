"""Tags of the till's pages."""

from uuid import uuid4

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyaltycrm.lib import formats
from loyaltycrm.shop.forms.till import BESIDE

register = template.Library()


@register.simple_tag(takes_context=True)
def currency_symbol(context: Context) -> str:
    """The sign before an amount that is typed: €."""
    code: str = context["company"].currency
    return formats.SYMBOLS.get(code, code)


@register.simple_tag
def decimal_sign() -> str:
    """The key for cents on the keypad: a comma or a point."""
    return formats.amount_in_field(0).strip("0")


@register.simple_tag
def fresh_key() -> str:
    """A one-time key for a form that is never shown again with what was typed."""
    return str(uuid4())


@register.simple_tag
def beside_visit(to: str, *args: int) -> SafeString:
    """What makes a button part of the form of a visit though it does something of its own, at the address `to`.

    What is typed is sent with it, and stays. Its value is its own one-time key.
    """
    return format_html(
        'type="submit" form="visit" formaction="{}" name="{}" value="{}"', reverse(to, args=args), BESIDE, fresh_key()
    )

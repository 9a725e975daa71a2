"""Tags of the till's pages."""

from uuid import uuid4

from django import template
from django.template import Context

from loyaltycrm.lib import formats

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

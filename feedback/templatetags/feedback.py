"""Words of this app's pages."""

from django import template
from django.utils.translation import gettext as _

from rewards import queries

register = template.Library()


@register.filter
def tier_name(key: str) -> str:
    """A tier's name in the reader's language; "everyone else" for someone without a tier."""
    return queries.tier_name(key) if key else _("everyone else")

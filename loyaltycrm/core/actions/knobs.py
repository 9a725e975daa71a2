"""Changing a programme setting."""

import math
import re
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import REGISTRY, value
from loyaltycrm.core.models import KnobValue, User


@transaction.atomic
def set_knob(*, key: str, new: Any, by: User | None) -> None:
    """Give a setting a new value from now on. Raises `Refused` for an unknown key, a wrong kind or out of bounds."""
    knob = REGISTRY.get(key)
    if knob is None:
        raise Refused(_("There is no setting called %(key)s.") % {"key": key})
    if not _of_kind(new, knob.kind):
        raise Refused(_("Enter a value of the same kind as the default, %(default)s.") % {"default": knob.default})
    if knob.minimum is not None and new < knob.minimum:
        raise Refused(_("Enter %(minimum)s or more.") % {"minimum": knob.minimum}, field=key)
    if knob.maximum is not None and new > knob.maximum:
        raise Refused(_("Enter %(maximum)s or less.") % {"maximum": knob.maximum}, field=key)
    if knob.pattern and not re.fullmatch(knob.pattern, new):
        raise Refused(_("Write it like %(default)s.") % {"default": knob.default}, field=key)
    before = value(knob)
    if before == new:
        return
    row = KnobValue.objects.create(key=key, value=new, set_by=by)
    audit.record("change setting", row, by=by, data={"key": key, "before": before, "after": new})


def _of_kind(new: Any, kind: type) -> bool:
    """Whether the value is of exactly this kind: True is no whole number here, and infinity is no number."""
    return type(new) is kind and math.isfinite(new if isinstance(new, int | float) else 0)

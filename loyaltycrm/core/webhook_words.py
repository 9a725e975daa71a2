"""Why an event did not arrive, in words."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyaltycrm.lib.outgoing import PROBLEMS

_REASONS: Final = {
    **PROBLEMS,
    "redirect": gettext_lazy("The receiver sent us elsewhere. Redirects are not followed: give its real address."),
    "removed": gettext_lazy("The receiver was removed."),
    "erased": gettext_lazy("The person was erased before it was sent."),
    "died": gettext_lazy("Sending broke off again and again."),
    "failing": gettext_lazy("It took nothing for days."),
    "gone": gettext_lazy("It answered 410: it wants nothing any more."),
}


def reason_in_words(reason: str, code: int | None = None) -> str:
    """The sentence for a reason's key, or for a status that is no success; blank for neither."""
    if reason in _REASONS:
        return str(_REASONS[reason])
    return _("The receiver answered %(code)s.") % {"code": code} if code else ""

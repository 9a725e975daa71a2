"""Settings of the till that a manager edits."""

from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.knobs import Knob, declare

ENDING_SOON_DAYS = declare(
    Knob(
        key="till_ending_soon_days",
        default=14,
        label=_("Days before points end on which the till says so"),
        help=_("The till asks to offer a reward to customers whose points end within these days."),
        minimum=1,
        maximum=365,
        unit="days",
        group=_("Till"),
    )
)

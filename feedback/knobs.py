"""What a manager may set about tickets and surveys."""

from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.knobs import Knob, declare, value
from loyaltycrm.core.models import Role

_TICKETS = _("Tickets")
_SURVEYS = _("Surveys")

IN_TIME_GOAL_PERCENT = declare(
    Knob(
        key="feedback.in_time_goal_percent",
        default=90,
        label=_("Goal for tickets solved in time"),
        help=_("Shown beside the share of tickets that were solved in time this month."),
        minimum=1,
        maximum=100,
        unit="%",
        group=_TICKETS,
    )
)

GOODWILL_LIMITS = {
    Role.TILL: declare(
        Knob(
            key="feedback.goodwill_limit_till",
            default=100,
            label=_("Goodwill points a till may give for one ticket"),
            help=_("Above it, a manager decides."),
            minimum=0,
            maximum=1_000_000,
            unit="points",
            group=_TICKETS,
        )
    ),
    Role.MANAGER: declare(
        Knob(
            key="feedback.goodwill_limit_manager",
            default=1_000,
            label=_("Goodwill points a manager may give for one ticket"),
            help=_("Above it, an admin decides."),
            minimum=0,
            maximum=1_000_000,
            unit="points",
            group=_TICKETS,
        )
    ),
    Role.ADMIN: declare(
        Knob(
            key="feedback.goodwill_limit_admin",
            default=5_000,
            label=_("Goodwill points an admin may give for one ticket"),
            help=_("Nobody may give more."),
            minimum=0,
            maximum=1_000_000,
            unit="points",
            group=_TICKETS,
        )
    ),
}

REFUND_LIMITS = {
    Role.TILL: declare(
        Knob(
            key="feedback.refund_limit_till",
            default=10,
            label=_("Refund a till may promise for one ticket"),
            help=_("In whole units of the currency. Above it, a manager decides."),
            minimum=0,
            maximum=1_000_000,
            group=_TICKETS,
        )
    ),
    Role.MANAGER: declare(
        Knob(
            key="feedback.refund_limit_manager",
            default=100,
            label=_("Refund a manager may promise for one ticket"),
            help=_("In whole units of the currency. Above it, an admin decides."),
            minimum=0,
            maximum=1_000_000,
            group=_TICKETS,
        )
    ),
    Role.ADMIN: declare(
        Knob(
            key="feedback.refund_limit_admin",
            default=1_000,
            label=_("Refund an admin may promise for one ticket"),
            help=_("In whole units of the currency. Nobody may promise more."),
            minimum=0,
            maximum=1_000_000,
            group=_TICKETS,
        )
    ),
}

SUGGESTED_GOODWILL = declare(
    Knob(
        key="feedback.suggested_goodwill",
        default=100,
        label=_("Goodwill points suggested for a complaint"),
        help=_("The number that stands in the field before anyone types."),
        minimum=1,
        maximum=1_000_000,
        unit="points",
        group=_TICKETS,
    )
)

COMPLAINT_STRENGTH = declare(
    Knob(
        key="feedback.complaint_strength",
        default=-0.6,
        label=_("What a complaint says about attachment"),
        help=_("From −1 (speaks against it) to 0. It moves the attachment score and fades with time."),
        minimum=-1.0,
        maximum=0.0,
        group=_TICKETS,
    )
)

PUT_RIGHT_STRENGTH = declare(
    Knob(
        key="feedback.put_right_strength",
        default=0.5,
        label=_("What a complaint put right says about attachment"),
        help=_("From 0 to 1 (speaks for it). It moves the attachment score and fades with time."),
        minimum=0.0,
        maximum=1.0,
        group=_TICKETS,
    )
)

PRAISE_STRENGTH = declare(
    Knob(
        key="feedback.praise_strength",
        default=0.8,
        label=_("What praise says about attachment"),
        help=_("From 0 to 1 (speaks for it). It moves the attachment score and fades with time."),
        minimum=0.0,
        maximum=1.0,
        group=_TICKETS,
    )
)

LOW_RATING = declare(
    Knob(
        key="feedback.low_rating",
        default=4,
        label=_("Highest survey rating that opens a ticket"),
        help=_("A rating of this or less, on the scale from 0 to 10, is treated as a complaint."),
        minimum=0,
        maximum=9,
        group=_SURVEYS,
    )
)

SURVEY_LINK_DAYS = declare(
    Knob(
        key="feedback.survey_link_days",
        default=30,
        label=_("Days a survey link can be answered"),
        help=_("After that the link leads nowhere."),
        minimum=1,
        maximum=365,
        unit="days",
        group=_SURVEYS,
    )
)

SURVEY_MAIL_GAP_DAYS = declare(
    Knob(
        key="feedback.survey_mail_gap_days",
        default=30,
        label=_("Days between two surveys by email to one customer"),
        help=_("A customer gets at most one survey by email in this many days."),
        minimum=1,
        maximum=365,
        unit="days",
        group=_SURVEYS,
    )
)


def goodwill_limit(role: str) -> int:
    """The points a person of this role may give for one ticket; 0 for a role that is not known."""
    knob = GOODWILL_LIMITS.get(Role(role)) if role in Role.values else None
    return int(value(knob)) if knob else 0


def refund_limit_cents(role: str) -> int:
    """The refund in cents that a person of this role may promise for one ticket; 0 for a role that is not known."""
    knob = REFUND_LIMITS.get(Role(role)) if role in Role.values else None
    return int(value(knob)) * 100 if knob else 0

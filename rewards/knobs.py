"""Settings of rewards and offers that a manager edits."""

from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.knobs import Knob, declare

UNDO_MINUTES = declare(
    Knob(
        key="undo_minutes",
        default=15,
        label=_("Minutes to undo a visit at the till"),
        help=_("After that a manager makes a correction."),
        minimum=1,
        maximum=240,
        unit="minutes",
        group=_("Till"),
    )
)
CLAIM_DAYS = declare(
    Knob(
        key="claim_days",
        default=30,
        label=_("Days in which points of a past receipt can be added"),
        help=_("For a sale saved without a card. The customer shows the receipt; its points are added once."),
        minimum=0,
        maximum=365,
        unit="days",
        group=_("Till"),
    )
)
VOUCHER_DAYS = declare(
    Knob(
        key="voucher_days",
        default=30,
        label=_("Days for which a reward bought with points can be collected"),
        help=_("Counts from the day on which the points were used."),
        minimum=1,
        maximum=730,
        unit="days",
        group=_("Rewards"),
    )
)
OFFER_GAP_DAYS = declare(
    Knob(
        key="offer_gap_days",
        default=14,
        label=_("Days between two offers to one household"),
        help=_("Being in a control group counts like an offer."),
        minimum=0,
        maximum=365,
        unit="days",
        group=_("Offers"),
    )
)
OVERDUE_HOURS = declare(
    Knob(
        key="overdue_hours",
        default=24,
        label=_("Hours after which a late run waits for a person"),
        help=_("A run that could not start in time is not sent by itself when it is later than this."),
        minimum=1,
        maximum=336,
        unit="hours",
        group=_("Offers"),
    )
)
DELIVERY_ATTEMPTS = declare(
    Knob(
        key="delivery_attempts",
        default=6,
        label=_("Attempts before a mail is given up"),
        help=_("Counts how often the mail server asked to try again later. The pauses grow from a minute to hours."),
        minimum=1,
        maximum=20,
        unit="attempts",
        group=_("Offers"),
    )
)
ADJUSTMENT_APPROVAL_POINTS = declare(
    Knob(
        key="adjustment_approval_points",
        default=1_000,
        label=_("Points above which an adjustment needs a second person"),
        help=_(
            "More than this, by one person on one customer in a day, is posted when another person has approved it."
        ),
        minimum=0,
        maximum=1_000_000,
        unit="points",
        group=_("Approvals"),
    )
)
ADJUSTMENT_CAP_MANAGER_POINTS = declare(
    Knob(
        key="adjustment_cap_manager_points",
        default=5_000,
        label=_("Points that a manager may adjust in a day"),
        help=_("Given and taken together, over all customers."),
        minimum=0,
        maximum=1_000_000,
        unit="points",
        group=_("Approvals"),
    )
)
ADJUSTMENT_CAP_ADMIN_POINTS = declare(
    Knob(
        key="adjustment_cap_admin_points",
        default=20_000,
        label=_("Points that an admin may adjust in a day"),
        help=_("Given and taken together, over all customers."),
        minimum=0,
        maximum=1_000_000,
        unit="points",
        group=_("Approvals"),
    )
)
UNUSUAL_VISITS_DAY = declare(
    Knob(
        key="unusual_visits_day",
        default=3,
        label=_("Visits of one customer with one cashier in a day"),
        help=_("More are shown to managers as unusual use."),
        minimum=1,
        maximum=100,
        unit="visits",
        group=_("Unusual use"),
    )
)
UNUSUAL_VISITS_WEEK = declare(
    Knob(
        key="unusual_visits_week",
        default=10,
        label=_("Visits of one customer with one cashier in seven days"),
        help=_("More are shown to managers as unusual use."),
        minimum=1,
        maximum=500,
        unit="visits",
        group=_("Unusual use"),
    )
)
UNUSUAL_OWN_SALES = declare(
    Knob(
        key="unusual_own_sales",
        default=0,
        label=_("Sales of cashiers to themselves in seven days"),
        help=_("More, on the customer number that stands in the cashier’s account, are shown as unusual use."),
        minimum=0,
        maximum=100,
        unit="visits",
        group=_("Unusual use"),
    )
)
UNUSUAL_REFUNDS = declare(
    Knob(
        key="unusual_refunds",
        default=2,
        label=_("Refunds of one customer’s sales with points by one cashier in 30 days"),
        help=_("More are shown to managers as unusual use."),
        minimum=0,
        maximum=100,
        unit="",
        group=_("Unusual use"),
    )
)
UNUSUAL_CLAIMS = declare(
    Knob(
        key="unusual_claims",
        default=2,
        label=_("Past receipts given to one customer by one cashier in 30 days"),
        help=_("More are shown to managers as unusual use."),
        minimum=0,
        maximum=100,
        unit="",
        group=_("Unusual use"),
    )
)

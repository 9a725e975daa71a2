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
CODES_PER_VISIT = declare(
    Knob(
        key="codes_per_visit",
        default=1,
        label=_("Offers and codes used on one visit, at most"),
        help=_("Several are worked out one after the other, each on what is left to pay."),
        minimum=1,
        maximum=20,
        unit="",
        group=_("Offers"),
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
EFFECT_DAYS = declare(
    Knob(
        key="effect_days",
        default=28,
        label=_("Days after a run in which visits count towards its effect"),
        help=_("The day of the run is the first. The effect is told when they are over."),
        minimum=1,
        maximum=180,
        unit="days",
        group=_("Offers"),
    )
)
HOLD_OUT_PERCENT = declare(
    Knob(
        key="hold_out_percent",
        default=5,
        label=_("Households held out of all offers, percent"),
        help=_(
            "Drawn at random once a year; their points go on. Another share holds from the next draw, 0 ends the "
            "hold-out at once."
        ),
        minimum=0,
        maximum=20,
        unit="%",
        group=_("Offers"),
    )
)
CHOICE_EXPLORE_PERCENT = declare(
    Knob(
        key="choice_explore_percent",
        default=10,
        label=_("Choices drawn at random to learn, percent"),
        help=_("Of an offer with several choices. Everyone else gets the one that fits them best."),
        minimum=1,
        maximum=100,
        unit="%",
        group=_("Offers"),
    )
)
MOTIVE_VISITS = declare(
    Knob(
        key="motive_visits",
        default=6,
        label=_("Visits it takes to tell what moves a customer"),
        help=_("In the last 365 days. With fewer it is not known."),
        minimum=3,
        maximum=365,
        unit="visits",
        group=_("Offers"),
    )
)
MOTIVE_TIMES = declare(
    Knob(
        key="motive_times",
        default=1.5,
        label=_("A motive is known from this many times the norm"),
        help=_("As often as this, against what is usual in the same stores."),
        minimum=1.1,
        maximum=10.0,
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
SEND_FROM_HOUR = declare(
    Knob(
        key="send_from_hour",
        default=9,
        label=_("Hour from which offers are sent"),
        help=_("By the clock of the reader’s store. What is ready earlier waits. 0 is midnight."),
        minimum=0,
        maximum=12,
        group=_("Offers"),
    )
)
SEND_UNTIL_HOUR = declare(
    Knob(
        key="send_until_hour",
        default=20,
        label=_("Hour from which no more offers are sent"),
        help=_("By the clock of the reader’s store. What is left waits for the next day. 24 is midnight."),
        minimum=13,
        maximum=24,
        group=_("Offers"),
    )
)
EVENT_WINDOW_DAYS = declare(
    Knob(
        key="event_window_days",
        default=3,
        label=_("Days for which an offer looks back at an event"),
        help=_("An offer that could not answer a birthday or another event in this time lets it pass."),
        minimum=1,
        maximum=30,
        unit="days",
        group=_("Offers"),
    )
)
MAIL_EVENT_DAYS = declare(
    Knob(
        key="mail_event_days",
        default=90,
        label=_("Days for which reports of a mail provider are remembered"),
        help=_("What it reports again in this time changes nothing. What became of a mail stays with the mail."),
        minimum=30,
        maximum=3_650,
        unit="days",
        group=_("Offers"),
    )
)
GOOD_ANSWER = declare(
    Knob(
        key="good_answer",
        default=9,
        label=_("Survey rating from which an offer says thank you"),
        help=_("From 0 to 10. Offers that follow a good answer go to whoever gave this rating or a higher one."),
        minimum=6,
        maximum=10,
        group=_("Offers"),
    )
)
ADJUSTMENT_APPROVAL_POINTS = declare(
    Knob(
        key="adjustment_approval_points",
        default=1_000,
        label=_("Points above which an adjustment needs a second person"),
        help=_(
            "More than this, by one person on one customer in a day, is posted when another person has approved it. "
            "Whoever raises it has the old limit until the next day."
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
        help=_("Given and taken together, over all customers. Whoever raises it has the old limit until the next day."),
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
        help=_("Given and taken together, over all customers. Whoever raises it has the old limit until the next day."),
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

_REFERRALS = _("Bringing friends")
REFERRAL_POINTS = declare(
    Knob(
        key="referral_points",
        default=200,
        label=_("Points for a customer whose friend joined and bought"),
        help=_("Given after the friend's first paid visit, taken back with it. 0 gives none."),
        minimum=0,
        maximum=100_000,
        unit="points",
        group=_REFERRALS,
    )
)
REFERRAL_FRIEND_POINTS = declare(
    Knob(
        key="referral_friend_points",
        default=200,
        label=_("Points for the friend"),
        help=_("Given after their first paid visit, taken back with it. 0 gives none."),
        minimum=0,
        maximum=100_000,
        unit="points",
        group=_REFERRALS,
    )
)
REFERRALS_MOST = declare(
    Knob(
        key="referrals_most",
        default=12,
        label=_("Friends in 365 days for whom a customer is thanked"),
        help=_("Further friends still get theirs."),
        minimum=0,
        maximum=1_000,
        group=_REFERRALS,
    )
)

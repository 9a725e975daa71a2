"""What a manager may set about regular and loyal. Each is explained in docs/loyalty.md."""

from django.utils.translation import gettext_lazy as _

from customers.models import EvidenceKind
from loyaltycrm.core.knobs import Knob, declare

_REGULAR = _("Regular customers")
_LOYAL = _("Loyal customers")

REPEAT_THRESHOLD = declare(
    Knob(
        key="customers.repeat_threshold",
        default=3,
        label=_("Repeat purchase days that make a customer regular"),
        help=_("3 or 5 are usual. The first purchase day does not count as a repeat."),
        minimum=1,
        maximum=365,
        unit="days",
        group=_REGULAR,
    )
)
WINDOW_DAYS = declare(
    Knob(
        key="customers.window_days",
        default=365,
        label=_("Days in which repeat purchases count"),
        help=_("The last so many days, today included."),
        minimum=7,
        maximum=1095,
        unit="days",
        group=_REGULAR,
    )
)
YEAR_RULE = declare(
    Knob(
        key="customers.year_rule",
        default=True,
        label=_("A purchase in every month also makes a customer regular"),
        help=_("However few the purchases are."),
        group=_REGULAR,
    )
)
YEAR_MONTHS = declare(
    Knob(
        key="customers.year_months",
        default=12,
        label=_("Months in a row with a purchase that this takes"),
        help=_("Calendar months, the current one included."),
        minimum=2,
        maximum=60,
        unit="months",
        group=_REGULAR,
    )
)
LOYAL_THRESHOLD = declare(
    Knob(
        key="customers.loyal_threshold",
        default=60,
        label=_("Attachment score that makes a customer loyal"),
        help=_("Out of 100. The score starts at 50."),
        minimum=51,
        maximum=100,
        group=_LOYAL,
    )
)
THIN_POINTS = declare(
    Knob(
        key="customers.thin_points",
        default=10,
        label=_("Evidence is thin while it could move the score by less than this"),
        help=_("If every piece of it spoke for the customer, or every piece against."),
        minimum=0,
        maximum=50,
        group=_LOYAL,
    )
)
EVIDENCE_MONTHS = declare(
    Knob(
        key="customers.evidence_months",
        default=36,
        label=_("Months after which evidence is forgotten"),
        help=_("Calendar months, the current one included. Until then it fades."),
        minimum=6,
        maximum=120,
        unit="months",
        group=_LOYAL,
    )
)
NORM_VISITS = declare(
    Knob(
        key="customers.norm_visits",
        default=30,
        label=_("Visits it takes to tell a store's norm"),
        help=_("A store with fewer in the 12 full months before is compared with all stores together."),
        minimum=2,
        maximum=100_000,
        unit="visits",
        group=_LOYAL,
    )
)
RHYTHM_FLOOR_DAYS = declare(
    Knob(
        key="customers.rhythm_floor_days",
        default=7,
        label=_("Shortest rhythm that a customer is held to"),
        help=_("Whoever comes more often may still miss a few days."),
        minimum=1,
        maximum=365,
        unit="days",
        group=_LOYAL,
    )
)
LATE_FACTOR = declare(
    Knob(
        key="customers.late_factor",
        default=2.0,
        label=_("Late is after this many times the usual gap"),
        help=_("Counted from the last purchase day."),
        minimum=1.0,
        maximum=10.0,
        group=_LOYAL,
    )
)

AT_RISK_FACTOR = declare(
    Knob(
        key="customers.at_risk_factor",
        default=1.5,
        label=_("At risk from this many times the usual gap"),
        help=_("The list of customers at risk and the profile go by it. Two days away at the least."),
        minimum=1.0,
        maximum=10.0,
        group=_("At risk"),
    )
)

_DEFAULT_WEIGHTS = {EvidenceKind.SAYS: 25, EvidenceKind.BRINGS: 15, EvidenceKind.PAYS: 15, EvidenceKind.STAYS: 20}
WEIGHTS = {
    kind: declare(
        Knob(
            key=f"customers.weight_{kind}",
            default=_DEFAULT_WEIGHTS[kind],
            label=label,
            help=_("The most by which this evidence moves the score, up or down."),
            minimum=0,
            maximum=50,
            group=_LOYAL,
        )
    )
    for kind, label in (
        (EvidenceKind.SAYS, _("Weight of what they say")),
        (EvidenceKind.BRINGS, _("Weight of whom they bring")),
        (EvidenceKind.PAYS, _("Weight of what they pay")),
        (EvidenceKind.STAYS, _("Weight of whether they stay")),
    )
}

_DEFAULT_HALF_LIVES = {EvidenceKind.SAYS: 12, EvidenceKind.BRINGS: 24, EvidenceKind.PAYS: 12, EvidenceKind.STAYS: 12}
HALF_LIVES = {
    kind: declare(
        Knob(
            key=f"customers.half_life_{kind}",
            default=_DEFAULT_HALF_LIVES[kind],
            label=label,
            help=_("After so many months it counts half."),
            minimum=1,
            maximum=120,
            unit="months",
            group=_LOYAL,
        )
    )
    for kind, label in (
        (EvidenceKind.SAYS, _("Half-life of what they say")),
        (EvidenceKind.BRINGS, _("Half-life of whom they bring")),
        (EvidenceKind.PAYS, _("Half-life of what they pay")),
        (EvidenceKind.STAYS, _("Half-life of whether they stay")),
    )
}

_DEFAULT_DOUBTS = {EvidenceKind.SAYS: 2, EvidenceKind.BRINGS: 1, EvidenceKind.PAYS: 10, EvidenceKind.STAYS: 4}
DOUBTS = {
    kind: declare(
        Knob(
            key=f"customers.doubt_{kind}",
            default=_DEFAULT_DOUBTS[kind],
            label=label,
            help=_("With so many fresh pieces, the evidence moves the score by half of its weight."),
            minimum=0,
            maximum=100,
            group=_LOYAL,
        )
    )
    for kind, label in (
        (EvidenceKind.SAYS, _("Doubt about what they say, in answers")),
        (EvidenceKind.BRINGS, _("Doubt about whom they bring, in friends")),
        (EvidenceKind.PAYS, _("Doubt about what they pay, in purchase days")),
        (EvidenceKind.STAYS, _("Doubt about whether they stay, in months")),
    )
}

PAGE_LINK_DAYS = declare(
    Knob(
        key="customers.page_link_days",
        default=45,
        label=_("Days for which a link to a customer's own page works"),
        help=_("Counted from the mail it came with. Links to unsubscribe never end."),
        minimum=1,
        maximum=365,
        unit="days",
        group=_("Own pages of customers"),
    )
)

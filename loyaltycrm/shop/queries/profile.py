"""What a manager wants to know about one customer before talking to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from customers.classification.reasons import Reason, ScorePart, reasons_of, score_parts
from customers.models import Classification, Customer, CustomerValue, Group, Refund, Visit
from customers.risk import lateness_of
from feedback.models import Ticket
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib import formats
from loyaltycrm.lib.charts import VisitsStrip, visits_strip
from loyaltycrm.shop.queries.offered import Gets, gets_of
from loyaltycrm.shop.queries.path import Path, path_of
from loyaltycrm.shop.queries.promises import lasting_privileges
from loyaltycrm.shop.queries.standing import tier_held_in_words, tier_in_words
from rewards.hold_out import held_out_through
from rewards.models import GroupRewards, Redemption
from rewards.programme import load_programmes
from rewards.queries import Balance, balance_of, tier_name, tier_progress

YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class YearOfVisits:
    """Twelve months up to today: visits, net spend in cents, that of the year before, and rewards received."""

    visits: int
    net_cents: int
    net_cents_before: int
    reward_cents: int
    last_visit_on: date | None
    strip: VisitsStrip

    @property
    def change(self) -> float | None:
        """Spend against the year before, as a share; None without one."""
        return (self.net_cents - self.net_cents_before) / self.net_cents_before if self.net_cents_before > 0 else None

    @property
    def reward_cents_per_100(self) -> int | None:
        """Money value of rewards received per 100 of spend, in cents; None without spend."""
        return round(self.reward_cents * 10_000 / self.net_cents) if self.net_cents > 0 else None


@dataclass(frozen=True, slots=True)
class DoNext:
    """The one thing to do about this customer, with the ticket it is about, if any."""

    title: str
    text: str
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything on the profile but the timeline."""

    balance: Balance
    tier_held: str
    tier_ahead: list[str]
    tier_name: str
    tier_rank: int
    privileges: list[str]
    classification: Classification | None
    group: str
    reasons: list[Reason]
    parts: list[ScorePart]
    year: YearOfVisits
    do_next: DoNext
    value: CustomerValue | None
    lateness: Decimal | None
    held_out_through: date | None
    gets: Gets
    path: Path
    loyal_cents_per_100: int | None


def profile_of(customer: Customer, *, user: User, ticket: Ticket | None) -> Profile:
    """The customer's profile for this person; `ticket` is the open complaint they may see, if any."""
    today = Company.current().today()
    classification = Classification.objects.filter(customer=customer).first()
    tier = tier_progress(customer)
    programme = load_programmes().at(today)
    currency = Company.current().currency
    keys = programme.tier_keys
    group = classification.group if classification else Group.UNKNOWN
    year = _year(customer, today, user)
    lateness = lateness_of(classification, year.last_visit_on, today)
    return Profile(
        balance=balance_of(customer, today),
        tier_held=tier_held_in_words(tier, programme.rules.tiers.window, currency=currency),
        tier_ahead=tier_in_words(tier, currency=currency),
        privileges=lasting_privileges(tier.tier, programme),
        tier_name=tier_name(tier.tier),
        tier_rank=keys.index(tier.tier) + 1 if tier.tier in keys else 1,
        classification=classification,
        group=group,
        reasons=reasons_of(classification) if classification else [],
        parts=score_parts(classification) if classification else [],
        year=year,
        do_next=_do_next(classification, ticket, lateness, away_since=year.last_visit_on, today=today),
        value=CustomerValue.objects.select_related("fit").filter(customer=customer).first(),
        lateness=lateness,
        held_out_through=held_out_through(customer, today),
        gets=gets_of(customer, group=group, tier=tier.tier, programme=programme),
        path=path_of(customer, classification, today),
        loyal_cents_per_100=_loyal_cents_per_100(),
    )


def _loyal_cents_per_100() -> int | None:
    """What loyal customers got per 100 of spend, all together, by the last night; None before it or without spend."""
    loyal = GroupRewards.objects.filter(group__in=[Group.REGULAR_LOYAL, Group.LOYAL])
    sums = loyal.aggregate(net=Sum("net_cents"), given=Sum("reward_cents"))
    return round(sums["given"] * 10_000 / sums["net"]) if sums["net"] and sums["net"] > 0 else None


def _year(customer: Customer, today: date, user: User) -> YearOfVisits:
    first = today - YEAR + timedelta(days=1)
    before = first - YEAR
    this = Q(business_date__gte=first)
    standing = Visit.objects.filter(customer=customer, voided_at__isnull=True, business_date__lte=today)
    sums = standing.filter(business_date__gte=before).aggregate(
        visits=Count("id", filter=this), now=Sum("net_cents", filter=this), then=Sum("net_cents", filter=~this)
    )
    refunds = Refund.objects.filter(visit__customer=customer, visit__voided_at__isnull=True)
    back = refunds.filter(business_date__gte=before).aggregate(
        now=Sum("net_cents", filter=this), then=Sum("net_cents", filter=~this)
    )
    rewards = Redemption.objects.filter(customer=customer, undone_at__isnull=True, business_date__gte=first)
    bars = _bars(standing.filter(this), user)
    return YearOfVisits(
        visits=sums["visits"],
        net_cents=(sums["now"] or 0) - (back["now"] or 0),
        net_cents_before=(sums["then"] or 0) - (back["then"] or 0),
        reward_cents=rewards.aggregate(cents=Sum("value_cents"))["cents"] or 0,
        last_visit_on=standing.aggregate(day=Max("business_date"))["day"],
        strip=visits_strip(bars, first=first, last=today),
    )


def _bars(visits: QuerySet[Visit], user: User) -> list[tuple[date, int]]:
    """(day, cents) of each visit; those at other stores all count as the middle one of the stores this person sees."""
    stores = set(Store.objects.for_staff(user).values_list("id", flat=True))
    rows = list(visits.order_by("business_date").values_list("business_date", "net_cents", "store"))
    middle = round(median([cents for _day, cents, store in rows if store in stores] or [1]))
    return [(day, cents if store in stores else middle) for day, cents, store in rows]


def _do_next(
    classification: Classification | None,
    ticket: Ticket | None,
    lateness: Decimal | None,
    *,
    away_since: date | None,
    today: date,
) -> DoNext:
    if ticket is not None:
        words = {"number": ticket.pk, "subject": ticket.subject}
        return DoNext(_("Answer ticket %(number)s") % words, ticket.subject, ticket)
    if away_since is None:
        return DoNext(_("Nothing yet"), _("The first visit will tell more."))
    if lateness is not None and classification is not None and classification.usual_gap_days:
        return DoNext(
            _("Invite them back"),
            _("Away for %(away)s days, usually %(gap)s. Later by %(times)s times than their own rhythm.")
            % {
                "away": formats.number((today - away_since).days),
                "gap": formats.decimal_number(classification.usual_gap_days, 0),
                "times": formats.decimal_number(lateness),
            },
        )
    return DoNext(_("Nothing is waiting"), _("Comes as usual, no open ticket."))

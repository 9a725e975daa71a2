"""The schema of a programme version's rules, as they stand in its row and in an exported file."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final, Literal

from django.utils.translation import gettext as _
from pydantic import Field, ValidationInfo, field_validator, model_validator

from rewards.models.posting import LARGEST_POSTING_POINTS
from rewards.parts import Cents, Key, Names, Strict
from rewards.programme.benefits import MembershipTerms, VolumeDiscount
from rewards.programme.earning_rules import Earning

_LONGEST_MONTH: Final = {4: 30, 6: 30, 9: 30, 11: 30, 2: 29}

Days = Annotated[int, Field(ge=1, le=36_500)]


class DaysAfterEarning(Strict):
    """Good on the day of earning and the `days` − 1 days after it."""

    policy: Literal["days_after_earning"]
    days: Days


class DaysAfterActivity(Strict):
    """Good on the day of the customer's last activity and the `days` − 1 days after it.

    Activity is earning points by a visit, or using points.
    """

    policy: Literal["days_after_activity"]
    days: Days


class FixedDate(Strict):
    """Good to the end of the next `day` of `month` that gives at least `at_least_days`, the day of earning included.

    29 February is 28 February in other years.
    """

    policy: Literal["fixed_date"]
    month: Annotated[int, Field(ge=1, le=12)]
    day: Annotated[int, Field(ge=1, le=31)]
    at_least_days: Days = 1

    @field_validator("day")
    @classmethod
    def _is_in_the_month(cls, day: int, info: ValidationInfo) -> int:
        if day > _LONGEST_MONTH.get(info.data.get("month", 1), 31):
            raise ValueError(_("The month has no such day. Choose an earlier one."))
        return day


class EndOfMonthPlus(Strict):
    """Good to the end of the month that comes `months` after that of earning; 0: its own."""

    policy: Literal["end_of_month_plus"]
    months: Annotated[int, Field(ge=0, le=1_200)]


class Never(Strict):
    """Good for ever."""

    policy: Literal["never"]


Policy = Annotated[
    DaysAfterEarning | DaysAfterActivity | FixedDate | EndOfMonthPlus | Never, Field(discriminator="policy")
]


class Expiry(Strict):
    """How long points last: those earned, those given as goodwill, and those that rules of the kind bonus gave."""

    earned: Policy
    goodwill: Policy
    bonus: Policy


class Redemption(Strict):
    """`points` are worth `value_cents`; as money off they are used in multiples of `points`, from `minimum_points`."""

    points: Annotated[int, Field(ge=1, le=LARGEST_POSTING_POINTS)]
    value_cents: Cents
    minimum_points: Annotated[int, Field(ge=0, le=LARGEST_POSTING_POINTS)] = 0


class Refunds(Strict):
    """What a refund does with points that are no longer there, and how long points given back to a lapsed lot live.

    `arrears`: owed, later earning repays them. `within_balance`: what the balance has not is let go. `only_pending`:
    only points that cannot be used yet are taken, the rest is let go.
    """

    shortfall: Literal["arrears", "within_balance", "only_pending"]
    grace_days: Annotated[int, Field(ge=1, le=365)]


class Privilege(Strict):
    """What a tier is owed, with its names by language.

    With `within_days`, whoever rises is promised it once, to be kept within so many days; without, it is owed as long
    as the tier is held.
    """

    kind: Literal[
        "early_access",
        "exclusive_sale",
        "faster_answer",
        "extended_warranty",
        "free_trial",
        "low_interest_financing",
        "gift",
    ]
    names: Names
    within_days: Annotated[int, Field(ge=0, le=3_660)] | None = None


class TierLevel(Strict):
    """A rank, held from `threshold` on: cents, points or visits, as `qualify_on` says."""

    key: Annotated[Key, Field(max_length=20)]
    names: Names
    threshold: Annotated[int, Field(ge=0, le=10**12)]
    privileges: Annotated[list[Privilege], Field(max_length=30)] = []


class Trailing(Strict):
    """The last `days`, the day itself included."""

    kind: Literal["trailing"]
    days: Annotated[int, Field(ge=1, le=3_660)]


class CalendarYear(Strict):
    """From 1 January of the shop's calendar to the day itself."""

    kind: Literal["calendar_year"]


class Tiers(Strict):
    """Ranks, lowest first, by what a window holds, refunds subtracted.

    A customer rises on the day that reaches a threshold, and falls at the end of a day, month or year (`review`) that
    ends below it, or `grace_days` later if it is still not reached.
    """

    qualify_on: Literal["net_spend", "earned_points", "visits"]
    window: Annotated[Trailing | CalendarYear, Field(discriminator="kind")]
    review: Literal["daily", "monthly", "yearly"]
    grace_days: Annotated[int, Field(ge=0, le=366)]
    levels: Annotated[list[TierLevel], Field(min_length=1, max_length=20)]

    @field_validator("levels")
    @classmethod
    def _rise(cls, levels: list[TierLevel]) -> list[TierLevel]:
        keys = [level.key for level in levels]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValueError(_("The key %(key)s stands here twice. Give each tier its own.") % {"key": twice})
        if levels[0].threshold != 0:
            raise ValueError(_("The lowest tier is everybody's. Let it begin at 0."))
        if any(low.threshold >= high.threshold for low, high in pairwise(levels)):
            raise ValueError(_("Put the tiers in order, each with a higher threshold than the one before."))
        return levels


class Rules(Strict):
    """Everything that a version lays down. Without a `membership` none is sold, but those sold hold to their end."""

    earning: Earning
    expiry: Expiry
    redemption: Redemption
    refunds: Refunds
    tiers: Tiers
    membership: MembershipTerms | None = None
    volume_discount: VolumeDiscount | None = None

    @model_validator(mode="after")
    def _names_its_own_tiers(self) -> Rules:
        known = {level.key for level in self.tiers.levels}
        for rule in self.earning.rules:
            if unknown := next((key for key in rule.when.tiers if key not in known), None):
                raise ValueError(
                    _("Rule %(rule)s asks for tier %(tier)s, which is not among the tiers. Add it or choose another.")
                    % {"rule": rule.told, "tier": unknown}
                )
        return self

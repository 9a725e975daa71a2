"""The schema of earning: the base, and rules that give points under conditions."""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby
from typing import Annotated, Final, Literal

from django.utils.translation import gettext as _
from pydantic import Field, ValidationInfo, field_validator, model_validator

from customers.actions.visits import LARGEST_VISIT_CENTS
from loyaltycrm.lib.translated import pick
from rewards.models.posting import LARGEST_POSTING_POINTS
from rewards.parts import Cents, Clock, Day, Key, Names, Strict, Word, Words

Rounding = Literal["down", "nearest", "up"]
Period = Literal["visit", "day", "week", "month", "year", "ever"]
MOST_RULES: Final = 60


class Base(Strict):
    """What of a receipt's net earns points.

    `paid_with_points`: whether the part that points paid counts. `gift_cards`: whether sales of gift cards count; a
    line is one if the till says so or its category or department is in `gift_card_categories`. `tax`: whether tax
    counts; without it, the tax that the till names is left out, or else that of `tax_basis_points` (2100 = 21 %),
    which is contained in the price.
    """

    paid_with_points: Literal["counts", "excluded"]
    gift_cards: Literal["counts", "excluded"]
    gift_card_categories: Words = []
    tax: Literal["with", "without"]
    tax_basis_points: Annotated[int, Field(ge=0, le=10_000)] = 0


class PerAmount(Strict):
    """`points` per full step of `step_cents`, or in exact proportion to the amount."""

    kind: Literal["per_amount"]
    points: Annotated[int, Field(ge=0, le=1_000_000)]
    step_cents: Annotated[int, Field(ge=1, le=100_000_000)]
    proportional: bool = False

    @property
    def most(self) -> Fraction:
        """More than any visit gets by it."""
        return Fraction(self.points * LARGEST_VISIT_CENTS, self.step_cents)


class Times(Strict):
    """The points of all that stands above in the list, times `numerator` / `denominator`."""

    kind: Literal["times"]
    numerator: Annotated[int, Field(ge=1, le=10_000)]
    denominator: Annotated[int, Field(ge=1, le=1_000)] = 1

    @field_validator("denominator")
    @classmethod
    def _does_not_take_away(cls, denominator: int, info: ValidationInfo) -> int:
        if info.data.get("numerator", denominator) < denominator:
            raise ValueError(_("A multiplier below 1 would take points away. Make it 1 or more."))
        return denominator

    @property
    def factor(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)


class Bonus(Strict):
    """A number of points, whatever the amount."""

    kind: Literal["bonus"]
    points: Annotated[int, Field(ge=1, le=1_000_000)]


class When(Strict):
    """The conditions of a rule; all that are named must hold. A list holds if one of its members does.

    `from_time` is in the hours, `until_time` no longer; over midnight if it is the earlier one. `products` and
    `categories` (a category or a department): the rule sees only the lines that match one of them. `min_net_cents` is
    asked of the receipt's net, or with products or categories of the matching lines. `tiers`: the tier before the
    visit. `partners`: codes of partners at which it was bought. `birthday`: on the day (28 February where there is no
    29th), in its week from Monday to Sunday, or in its month.
    `members_only`: while the customer's membership holds.
    """

    stores: Words = []
    channels: list[Literal["till", "import", "api", "web"]] = []
    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = []
    from_time: Clock | None = None
    until_time: Clock | None = None
    products: Words = []
    categories: Words = []
    min_net_cents: Cents = 0
    tiers: list[Key] = []
    first_purchase: bool = False
    birthday: Literal["day", "week", "month"] | None = None
    partners: list[Word] = []
    payment_methods: list[Literal["cash", "card", "mobile", "points"]] = []
    first_day: Day | None = None
    last_day: Day | None = None
    members_only: bool = False

    @model_validator(mode="after")
    def _can_hold(self) -> When:
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError(_("The last day lies before the first. Swap them."))
        if self.from_time is not None and self.from_time == self.until_time:
            raise ValueError(_("The hours begin and end at the same time. Leave both out for the whole day."))
        return self

    @property
    def sees_lines(self) -> bool:
        """Whether the rule looks at some lines of a receipt only."""
        return bool(self.products or self.categories)


class Cap(Strict):
    """The most that a rule gives one customer in a period of the shop's calendar (a week begins on Monday)."""

    points: Annotated[int, Field(ge=1, le=LARGEST_POSTING_POINTS)]
    per: Period


class EarningRule(Strict):
    """One rule. Of the rules of one `group`, which stand together in the list, only the best for the customer counts.

    `budget_points` is the most that the rule gives to all customers under this version.
    """

    key: Key
    names: Names
    gives: Annotated[PerAmount | Times | Bonus, Field(discriminator="kind")]
    when: When = When()
    group: Key | None = None
    cap: Cap | None = None
    budget_points: Annotated[int, Field(ge=1, le=10**15)] | None = None

    @property
    def told(self) -> str:
        """The rule for whoever reads of it on a page or looks for it in a file: its name and its key."""
        return f"{pick(self.names)} ({self.key})"


class Earning(Strict):
    """Rules in stacking order: each adds to what those above it gave. Rounded once, at the end.

    Points can be used `pending_days` after the visit.
    """

    base: Base
    rounding: Rounding
    pending_days: Annotated[int, Field(ge=0, le=365)]
    rules: Annotated[list[EarningRule], Field(max_length=MOST_RULES)]

    @field_validator("rules")
    @classmethod
    def _stack(cls, rules: list[EarningRule]) -> list[EarningRule]:
        keys = [rule.key for rule in rules]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValueError(_("The key %(key)s stands here twice. Give each rule its own.") % {"key": twice})
        groups = [name for name, _members in groupby(rule.group for rule in rules) if name is not None]
        if parted := next((name for name in groups if groups.count(name) > 1), None):
            raise ValueError(_("Put the rules of group %(group)s next to each other.") % {"group": parted})
        kinds = [rule.gives.kind for rule in rules]
        if "times" in kinds and "per_amount" in kinds[kinds.index("times") :]:
            late = rules[kinds.index("times") + kinds[kinds.index("times") :].index("per_amount")]
            raise ValueError(
                _("Multipliers come after points per amount. Move %(key)s above them.") % {"key": late.told}
            )
        if _most_of(rules) > LARGEST_POSTING_POINTS:
            raise ValueError(_("The largest visit would earn more points than can be recorded. Give fewer points."))
        return rules


def _most_of(rules: list[EarningRule]) -> Fraction:
    """More than any visit gets by the rules."""
    total = Fraction(0)
    for name, members in groupby(rules, key=lambda rule: rule.group or f"#{rule.key}"):
        del name
        total = max(_after(total, rule) for rule in members)
    return total


def _after(total: Fraction, rule: EarningRule) -> Fraction:
    if isinstance(rule.gives, Times):
        return total * rule.gives.factor
    return total + (rule.gives.most if isinstance(rule.gives, PerAmount) else rule.gives.points)

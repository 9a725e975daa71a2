"""What runs and offers changed, from what was measured: one answer a run, one for an offer over all its runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from django.db.models import Max

from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from rewards.effects.costs import cost_of_offers, cost_of_runs
from rewards.effects.statistics import FEWEST_HOUSEHOLDS, Arm, Comparison, Pair, compare
from rewards.knobs import EFFECT_DAYS
from rewards.models import ArmSums, HoldOut, HoldOutArm, MeasuredArm, Run


class Verdict(StrEnum):
    """What can be said of an offer. By visits alone: whoever looks at many figures finds luck in one of them."""

    NO_CONTROL = "no_control"
    TOO_EARLY = "too_early"
    TOO_FEW = "too_few"
    MORE = "more"
    LESS = "less"


@dataclass(frozen=True, slots=True)
class Compared:
    """The two groups by visits, by whether they came at all, and by net spend in cents, each per household."""

    visits: Comparison
    came: Comparison
    net_cents: Comparison


@dataclass(frozen=True, slots=True)
class Effect:
    """What a run or an offer changed. `compared` is None where the verdict says that there is nothing to compare.

    `households` were offered something in the measured `runs`, which cost `cost_cents`: the value of the codes used.
    `told_on` is the first day on which more is known, where that is still to come.
    """

    verdict: Verdict
    runs: int
    households: int
    control_households: int
    days: int
    cost_cents: int
    compared: Compared | None = None
    told_on: date | None = None

    @property
    def extra_visits(self) -> float | None:
        """Visits that would not have been, in all; None unless there were more."""
        return self._per_household * self.households if self._per_household else None

    @property
    def cents_per_extra_visit(self) -> int | None:
        """What one visit more cost; None unless there were more visits."""
        return round(self.cost_cents / self.extra_visits) if self.extra_visits else None

    @property
    def _per_household(self) -> float:
        if self.verdict != Verdict.MORE or self.compared is None:
            return 0.0
        return self.compared.visits.difference


def effects_of_runs(runs: Collection[Run]) -> dict[int, Effect]:
    """{run: its effect} for these runs."""
    arms = _arms(run.pk for run in runs)
    costs = cost_of_runs(run.pk for run in runs)
    days, today = value(EFFECT_DAYS), Company.current().today()
    return {run.pk: _effect([run], arms, costs, days, today) for run in runs}


def effects_of_offers(offer_ids: Collection[int]) -> dict[int, Effect]:
    """{offer: its effect over all its runs} for these offers."""
    runs: dict[int, list[Run]] = {pk: [] for pk in offer_ids}
    for run in Run.objects.filter(offer__in=offer_ids, planned_at__isnull=False).order_by("valid_from", "pk"):
        runs[run.offer_id].append(run)
    ids = [run.pk for own in runs.values() for run in own]
    arms, costs = _arms(ids), cost_of_runs(ids)
    days, today = value(EFFECT_DAYS), Company.current().today()
    return {pk: _effect(own, arms, costs, days, today) for pk, own in runs.items()}


def last_measured() -> date | None:
    """The last day that counts in any measured run."""
    newest: date | None = MeasuredArm.objects.aggregate(last=Max("through"))["last"]
    return newest


@dataclass(frozen=True, slots=True)
class HoldOutEffect:
    """Everybody against those held out, from the draw `through` a month's end; None before the first one.

    `cost_cents` is what was given for offers meanwhile, to `households` that could get them.
    """

    through: date | None
    households: int
    held_out_households: int
    cost_cents: int
    compared: Compared | None

    @property
    def return_cents(self) -> int | None:
        """What all households spent more, or less, than they would have, less the cost; None where luck explains it."""
        if self.compared is None or not self.compared.net_cents.is_told:
            return None
        return round(self.compared.net_cents.difference * self.households) - self.cost_cents


def hold_out_effect(hold_out: HoldOut) -> HoldOutEffect:
    """The newest comparison of a draw."""
    return next(iter(hold_out_course(hold_out)), HoldOutEffect(None, 0, 0, 0, None))


def hold_out_course(hold_out: HoldOut) -> list[HoldOutEffect]:
    """The comparisons of a draw, the newest first: each from the draw through the end of a month."""
    by_day: dict[date, dict[bool, HoldOutArm]] = defaultdict(dict)
    for arm in HoldOutArm.objects.filter(hold_out=hold_out).order_by("-through"):
        by_day[arm.through][arm.is_treated] = arm
    found = []
    for through, arms in by_day.items():
        both = len(arms) == 2
        found.append(
            HoldOutEffect(
                through=through,
                households=arms[True].households if True in arms else 0,
                held_out_households=arms[False].households if False in arms else 0,
                cost_cents=cost_of_offers(hold_out.starts_on, through),
                compared=compared([(arms[True], arms[False])]) if both else None,
            )
        )
    return found


def compared(strata: Collection[tuple[ArmSums, ArmSums]]) -> Compared | None:
    """Each outcome of (treated, control), over the runs given; None where these are too few to compare."""
    visits = compare([Pair(_visits(treated), _visits(control)) for treated, control in strata])
    came = compare([Pair(_came(treated), _came(control)) for treated, control in strata])
    spent = compare([Pair(_spent(treated), _spent(control)) for treated, control in strata])
    if visits is None or came is None or spent is None:
        return None
    return Compared(visits, came, spent)


def _effect(
    runs: list[Run], arms: dict[int, dict[bool, MeasuredArm]], costs: dict[int, int], days: int, today: date
) -> Effect:
    drawn = [run for run in runs if run.control_percent]
    measured = [run for run in drawn if run.pk in arms]
    found = compared(strata_of([(run, arms[run.pk]) for run in measured]))
    waiting = [run for run in drawn if run not in measured and run.valid_from + timedelta(days=days) >= today]
    return Effect(
        verdict=_verdict(found, has_control=bool(drawn) or not runs, is_open=bool(waiting) or not runs),
        runs=len(measured),
        households=_households(arms[run.pk].get(True) for run in measured),
        control_households=_households(arms[run.pk].get(False) for run in measured),
        days=days,
        cost_cents=sum(costs.get(run.pk, 0) for run in measured),
        compared=found,
        told_on=min((run.valid_from + timedelta(days=days) for run in waiting), default=None),
    )


def _households(arms: Iterable[MeasuredArm | None]) -> int:
    return sum(arm.households for arm in arms if arm is not None)


def _verdict(found: Compared | None, *, has_control: bool, is_open: bool) -> Verdict:
    if not has_control:
        return Verdict.NO_CONTROL
    if found is None:
        return Verdict.TOO_EARLY if is_open else Verdict.TOO_FEW
    if found.visits.is_more:
        return Verdict.MORE
    return Verdict.LESS if found.visits.is_less else Verdict.TOO_FEW


def strata_of(runs: Collection[tuple[Run, dict[bool, MeasuredArm]]]) -> list[tuple[MeasuredArm, MeasuredArm]]:
    """The groups that are compared with one another: those of one run, or of small runs of a month together.

    An offer on birthdays has a few customers a day, and on most days nobody in the control group. Within one month and
    one control percentage everybody had the same chance to be drawn, so small runs of these may be put together; across
    them they may not.
    """
    own: dict[tuple[int, ...], list[dict[bool, MeasuredArm]]] = defaultdict(list)
    for run, arms in runs:
        is_large = all(one in arms and arms[one].households >= FEWEST_HOUSEHOLDS for one in (True, False))
        own[(run.pk,) if is_large else (run.valid_from.year, run.valid_from.month, run.control_percent)].append(arms)
    return [(_together(some, is_treated=True), _together(some, is_treated=False)) for some in own.values()]


_SUMS = ("households", "came", "visits", "visits_squares", "net_cents", "net_cents_squares")


def _together(arms: Iterable[dict[bool, MeasuredArm]], *, is_treated: bool) -> MeasuredArm:
    """The sums of several runs as one group; never stored."""
    some = [one[is_treated] for one in arms if is_treated in one]
    return MeasuredArm(**{name: sum(getattr(arm, name) for arm in some) for name in _SUMS})


def _arms(run_ids: Iterable[int]) -> dict[int, dict[bool, MeasuredArm]]:
    arms: dict[int, dict[bool, MeasuredArm]] = defaultdict(dict)
    for arm in MeasuredArm.objects.filter(run__in=list(run_ids)):
        arms[arm.run_id][arm.is_treated] = arm
    return arms


def _visits(arm: ArmSums) -> Arm:
    return Arm(arm.households, arm.visits, arm.visits_squares)


def _came(arm: ArmSums) -> Arm:
    return Arm(arm.households, arm.came, arm.came)


def _spent(arm: ArmSums) -> Arm:
    return Arm(arm.households, arm.net_cents, int(arm.net_cents_squares))

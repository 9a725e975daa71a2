"""An audience as the steps of a funnel: who would get an offer today, and why the others would not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from django.conf import settings

from loyaltycrm.core.models import Company
from rewards.audience import MAILED, ON_ITS_WAY, Funnel, complete_languages, count_places, place_parameters
from rewards.effects.budget import Budget, budget_of, expected_mail_cents
from rewards.effects.forecast import Cost, Sight, cost_of, sight
from rewards.effects.words import per_hundred
from rewards.models import Delivery, DeliveryReason, Offer
from rewards.occasions import happened

BEYOND: Final = (DeliveryReason.LIMIT, DeliveryReason.BUDGET)
"""Reasons that come after the control group is drawn."""


@dataclass(frozen=True, slots=True)
class Step:
    """One reason: how many it takes away, how many are left then, and how much of the whole that is, 0 to 1."""

    label: str
    lost: int
    left: int
    share: float


@dataclass(frozen=True, slots=True)
class AudienceNow:
    """A run planned today, in numbers, with what it would cost and how small an effect it could show."""

    counted: Funnel
    steps: list[Step]
    beyond: list[Step]
    sight: Sight | None
    cost: Cost
    budget: Budget | None
    expected_cents: int

    @property
    def smallest_per_hundred(self) -> str:
        """The smallest effect in visits per 100 households; blank where none can be told."""
        return per_hundred(self.sight.smallest) if self.sight and self.sight.smallest is not None else ""

    @property
    def held_out_share(self) -> float:
        return self._share(self.counted.held_out)

    @property
    def control_share(self) -> float:
        return self._share(self.counted.control)

    @property
    def mailed_share(self) -> float:
        return self._share(self.counted.mailed)

    def _share(self, count: int) -> float:
        return count / self.counted.matching if self.counted.matching else 0


def asked_of(offer: Offer, today: date, *, all_written: bool = False) -> dict[str, Any]:
    """What `place_parameters` wants to know about an offer."""
    every = [code for code, _name in settings.LANGUAGES]
    return {
        "audience": offer.audience,
        "languages": every if all_written else complete_languages(offer.texts, offer.benefit_names),
        "control_percent": offer.control_percent,
        "today": today,
        "among": happened(offer, today=today),
    }


def audience_now(offer: Offer, *, all_written: bool = False) -> AudienceNow:
    """Who would get the offer today, or would if its words were `all_written`. It may be one that is not saved.

    Changes nothing.
    """
    today = Company.current().today()
    parameters = place_parameters(**asked_of(offer, today, all_written=all_written), seed=0)
    budget, mail_cents = budget_of(offer), expected_mail_cents(offer)
    counted = _within(count_places(parameters), _mails_left(offer), budget.mails(mail_cents) if budget else None)
    steps, left = _steps(counted, counted.matching, [one for one in DeliveryReason if one not in BEYOND])
    beyond, _left = _steps(counted, left - counted.held_out - counted.control, list(BEYOND))
    return AudienceNow(
        counted=counted,
        steps=steps,
        beyond=beyond,
        sight=sight(parameters) if offer.control_percent else None,
        cost=cost_of(offer, mailed=counted.mailed),
        budget=budget,
        expected_cents=round(counted.mailed * mail_cents),
    )


def count_today(offer: Offer) -> Funnel:
    """The same in numbers alone."""
    counted = count_places(place_parameters(**asked_of(offer, Company.current().today()), seed=0))
    budget = budget_of(offer)
    return _within(counted, _mails_left(offer), budget.mails(expected_mail_cents(offer)) if budget else None)


def is_used_up(offer: Offer) -> DeliveryReason:
    """Which of its own limits keeps an offer from one mail more; blank where none does."""
    if _mails_left(offer) == 0:
        return DeliveryReason.LIMIT
    budget = budget_of(offer)
    if budget is not None and budget.mails(expected_mail_cents(offer)) == 0:
        return DeliveryReason.BUDGET
    return DeliveryReason.NONE


def _mails_left(offer: Offer) -> int | None:
    if offer.most_mails is None:
        return None
    if not offer.is_saved:
        return offer.most_mails
    mailed = Delivery.objects.filter(run__offer=offer, status__in=[*ON_ITS_WAY, *MAILED]).count()
    return max(offer.most_mails - mailed, 0)


def _within(counted: Funnel, *limits: int | None) -> Funnel:
    """The same where only so many are mailed, by the reasons of `BEYOND` in their order."""
    for reason, most in zip(BEYOND, limits, strict=True):
        if most is not None and counted.mailed > most:
            left_out = counted.left_out | {reason.value: counted.mailed - most}
            counted = replace(counted, left_out=left_out, mailed=most)
    return counted


def _steps(counted: Funnel, left: int, reasons: list[DeliveryReason]) -> tuple[list[Step], int]:
    steps = []
    for reason in reasons:
        lost = counted.left_out.get(reason.value, 0)
        if lost:
            left -= lost
            steps.append(Step(str(reason.label), lost, left, left / counted.matching))
    return steps, left

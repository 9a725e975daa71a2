"""Offers: what is given, to whom, when, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, time
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import Segment
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from rewards.models import BenefitKind, Offer, OfferStatus, Schedule
from rewards.offer_checks import what_is_missing
from rewards.wording import unknown_placeholders

LARGEST_VALUE_CENTS: Final = 100_000_00
Texts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferContent:
    """Everything that a manager sets. Amounts are in minor units; `texts`, `day` and `segment` are as on `Offer`."""

    name: str
    benefit_names: Mapping[str, str]
    value_cents: int
    texts: Texts
    send_at: time
    benefit_kind: str = BenefitKind.MONEY_OFF
    minimum_spend_cents: int = 0
    valid_days: int = 14
    schedule: str = Schedule.MONTHLY
    day: int = 1
    control_percent: int = 10
    active_from: date | None = None
    segment: Segment | None = None


@transaction.atomic
def create_offer(*, content: OfferContent, by: User | None) -> Offer:
    """Make a draft. Raises `Refused` for what cannot be, naming the field."""
    _check(content)
    offer = Offer.objects.create(**_columns(content), status=OfferStatus.DRAFT, created_by=by)
    audit.record("create offer", offer, by=by, data={"name": offer.name})
    return offer


@transaction.atomic
def edit_offer(*, offer: Offer, content: OfferContent, by: User | None) -> Offer:
    """Change an offer from its next run on; runs that are planned already keep what they froze.

    Raises `Refused` for what cannot be, for an offer that ended, and for an active offer that would lose what its
    readers need.
    """
    offer = Offer.objects.select_for_update().get(pk=offer.pk)
    if offer.status == OfferStatus.ENDED:
        raise Refused(_("This offer has ended. Make a new one."))
    _check(content)
    columns = _columns(content)
    changed = [name for name, new in columns.items() if getattr(offer, name) != new]
    if not changed:
        return offer
    for name in changed:
        setattr(offer, name, columns[name])
    if offer.status == OfferStatus.ACTIVE:
        _refuse_incomplete(offer)
        if {"schedule", "day", "send_at"} & set(changed):
            offer.activated_at = timezone.now()
            offer.activated_by = by
    offer.save()
    audit.record("edit offer", offer, by=by, data={"changed": changed})
    return offer


@transaction.atomic
def activate_offer(*, offer: Offer, by: User | None) -> Offer:
    """Let the offer be sent at every due moment from now on.

    Raises `Refused` while something is missing (`what_is_missing`), or when the offer has ended.
    """
    offer = Offer.objects.select_for_update().get(pk=offer.pk)
    if offer.status == OfferStatus.ACTIVE:
        return offer
    if offer.status == OfferStatus.ENDED:
        raise Refused(_("This offer has ended. Make a new one."))
    _refuse_incomplete(offer)
    offer.status = OfferStatus.ACTIVE
    offer.activated_at = timezone.now()
    offer.activated_by = by
    offer.save(update_fields=["status", "activated_at", "activated_by"])
    audit.record("activate offer", offer, by=by)
    return offer


@transaction.atomic
def pause_offer(*, offer: Offer, by: User | None) -> Offer:
    """Start no further runs; a run that is being sent goes on. Raises `Refused` when the offer is not active."""
    offer = Offer.objects.select_for_update().get(pk=offer.pk)
    if offer.status != OfferStatus.ACTIVE:
        raise Refused(_("Only an active offer can be paused."))
    offer.status = OfferStatus.PAUSED
    offer.save(update_fields=["status"])
    audit.record("pause offer", offer, by=by)
    return offer


@transaction.atomic
def end_offer(*, offer: Offer, by: User | None) -> Offer:
    """Start no further runs, for good; codes already given stay good."""
    offer = Offer.objects.select_for_update().get(pk=offer.pk)
    if offer.status != OfferStatus.ENDED:
        offer.status = OfferStatus.ENDED
        offer.save(update_fields=["status"])
        audit.record("end offer", offer, by=by)
    return offer


def _columns(content: OfferContent) -> dict[str, Any]:
    codes = [code for code, _name in settings.LANGUAGES]
    columns = {one.name: getattr(content, one.name) for one in fields(content)}
    columns["name"] = content.name.strip()
    columns["benefit_names"] = {code: content.benefit_names.get(code, "").strip() for code in codes}
    columns["texts"] = {
        code: {field: text.strip() for field, text in (content.texts.get(code) or {}).items()} for code in codes
    }
    return columns


def _check(content: OfferContent) -> None:
    if not content.name.strip():
        raise Refused(_("Give the offer a name, for example: A thank-you for coming back"), field="name")
    if not 1 <= content.value_cents <= LARGEST_VALUE_CENTS:
        raise Refused(_("Enter what the benefit is worth, for example 3.00"), field="value_cents")
    if not 0 <= content.minimum_spend_cents <= LARGEST_VALUE_CENTS:
        raise Refused(_("Enter an amount from 0.00 to 100,000.00."), field="minimum_spend_cents")
    if not 1 <= content.valid_days <= 365:
        raise Refused(_("Enter a number of days from 1 to 365."), field="valid_days")
    if not 0 <= content.control_percent <= 50:
        raise Refused(_("Enter a control group from 0 to 50 percent."), field="control_percent")
    if content.schedule not in Schedule.values:
        raise Refused(_("Choose how often the offer is sent."), field="schedule")
    if not is_day_of(content.schedule, content.day):
        raise Refused(_("Choose a day that fits the schedule."), field="day")
    for language, texts in content.texts.items():
        for field, text in texts.items():
            unknown = unknown_placeholders(text)
            if unknown:
                raise Refused(
                    _("Use only {first_name}, {benefit} and {points} in braces, not: %(unknown)s")
                    % {"unknown": ", ".join(unknown)},
                    field=f"{field}_{language}",
                )


def is_day_of(schedule: str, day: int) -> bool:
    """Whether a day number fits: 0 (Monday) to 6 for a weekly offer, 1 to 28 for a monthly one."""
    return 0 <= day <= 6 if schedule == Schedule.WEEKLY else 1 <= day <= 28


def _refuse_incomplete(offer: Offer) -> None:
    missing = what_is_missing(offer)
    if missing:
        raise Refused(" ".join(str(problem.text) for problem in missing), field=missing[0].field)

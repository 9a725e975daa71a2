"""Offers: what is given, to whom, when, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, fields, replace
from datetime import date, time
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import Segment
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User
from rewards.actions.choices import copy_choices
from rewards.benefits import Benefit
from rewards.models import LAST_DAY, LOOKS_AHEAD, Offer, OfferEvent, OfferStatus, Schedule
from rewards.offer_checks import what_is_missing
from rewards.schedule import Timetable, next_occurrence
from rewards.wording import unknown_placeholders

LARGEST_MAILS: Final = 10_000_000
LARGEST_BUDGET_CENTS: Final = 1_000_000_000_00
MOST_DAYS_AHEAD: Final = 90
_TIMES: Final = {"schedule", "day", "send_at", "once_on", "event", "event_days"}
Texts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferContent:
    """Everything that a manager sets, as on `Offer`."""

    name: str
    benefit: Benefit
    benefit_names: Mapping[str, str]
    texts: Texts
    send_at: time
    valid_days: int = 14
    schedule: str = Schedule.MONTHLY
    day: int = 1
    once_on: date | None = None
    event: str = ""
    event_days: int = 0
    priority: int = 5
    most_mails: int | None = None
    budget_cents: int | None = None
    control_percent: int = 10
    active_from: date | None = None
    segment: Segment | None = None


@transaction.atomic
def create_offer(*, content: OfferContent, by: User | None) -> Offer:
    """Make a draft. Raises `Refused` for what cannot be, naming the field."""
    refuse_content(content=content)
    offer = Offer.objects.create(**_columns(content), status=OfferStatus.DRAFT, created_by=by)
    audit.record("create offer", offer, by=by, data={"name": offer.name})
    return offer


def content_of(offer: Offer) -> OfferContent:
    """What a manager has set on an offer."""
    return OfferContent(**{one.name: getattr(offer, one.name) for one in fields(OfferContent)})


@transaction.atomic
def copy_offer(*, offer: Offer, by: User | None) -> Offer:
    """Make a draft like another offer, whatever became of that one. Its name says that it is a copy."""
    name = _("Copy of %(offer)s") % {"offer": offer.name}
    longest = Offer._meta.get_field("name").max_length
    copy = create_offer(content=replace(content_of(offer), name=name[:longest]), by=by)
    copy_choices(source=offer, target=copy)
    return copy


@transaction.atomic
def edit_offer(*, offer: Offer, content: OfferContent, by: User | None) -> Offer:
    """Change an offer from its next run on; runs that are planned already keep what they froze.

    Raises `Refused` for what cannot be, for an offer that ended, and for an active offer that would lose what its
    readers need.
    """
    offer = Offer.objects.select_for_update().get(pk=offer.pk)
    refuse_content(content=content, offer=offer)
    columns = _columns(content)
    changed = [name for name, new in columns.items() if getattr(offer, name) != new]
    if not changed:
        return offer
    for name in changed:
        setattr(offer, name, columns[name])
    if offer.status == OfferStatus.ACTIVE and _TIMES & set(changed):
        offer.activated_at = timezone.now()
        offer.activated_by = by
    offer.save()
    audit.record("edit offer", offer, by=by, data={"changed": changed})
    return offer


@transaction.atomic
def activate_offer(*, offer: Offer, by: User | None) -> Offer:
    """Let the offer be sent at every due moment from now on.

    Raises `Refused` while something is missing (`what_is_missing`), when its only day is over, or when it has ended.
    """
    offer = Offer.objects.select_for_update().get(pk=offer.pk)
    if offer.status == OfferStatus.ACTIVE:
        return offer
    if offer.status == OfferStatus.ENDED:
        raise Refused(_("This offer has ended. Make a new one."))
    _refuse_incomplete(offer)
    if next_occurrence(Timetable.of(offer), zone=Company.current().zone, now=timezone.now()) is None:
        raise Refused(_("The day on which this offer is sent is over. Choose another one."), field="once_on")
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


def refuse_content(*, content: OfferContent, offer: Offer | None = None) -> None:
    """Raise `Refused` for what cannot be saved, as a new offer or as a change of one. Changes nothing."""
    if offer is not None and offer.status == OfferStatus.ENDED:
        raise Refused(_("This offer has ended. Make a new one."))
    _check(content)
    if offer is not None and offer.status == OfferStatus.ACTIVE:
        changed = copy(offer)
        for name, new in _columns(content).items():
            setattr(changed, name, new)
        _refuse_incomplete(changed)


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
    if not 1 <= content.valid_days <= 365:
        raise Refused(_("Enter a number of days from 1 to 365."), field="valid_days")
    if not 0 <= content.control_percent <= 50:
        raise Refused(_("Enter a control group from 0 to 50 percent."), field="control_percent")
    if content.budget_cents is not None and not 1 <= content.budget_cents <= LARGEST_BUDGET_CENTS:
        words = _("Enter the most that the offer may cost, or leave it empty for no limit.")
        raise Refused(words, field="budget_cents")
    _check_time(content)
    for language, texts in content.texts.items():
        for field, text in texts.items():
            unknown = unknown_placeholders(text)
            if unknown:
                raise Refused(
                    _("Use only {first_name}, {benefit} and {points} in braces, not: %(unknown)s")
                    % {"unknown": ", ".join(unknown)},
                    field=f"{field}_{language}",
                )


def _check_time(content: OfferContent) -> None:
    if content.schedule not in Schedule.values:
        raise Refused(_("Choose how often the offer is sent."), field="schedule")
    if not is_day_of(content.schedule, content.day):
        raise Refused(_("Choose a day that fits the schedule."), field="day")
    if (content.once_on is not None) is not (content.schedule == Schedule.ONCE):
        raise Refused(_("Choose the day on which the offer is sent."), field="once_on")
    if (content.event in OfferEvent.values) is not (content.schedule == Schedule.EVENT):
        raise Refused(_("Choose what the offer answers."), field="event")
    most_days = MOST_DAYS_AHEAD if content.event in LOOKS_AHEAD else 0
    if not 0 <= content.event_days <= most_days:
        raise Refused(_("Enter a number of days from 0 to %(most)s.") % {"most": most_days}, field="event_days")
    if not 1 <= content.priority <= 9:
        raise Refused(_("Enter a priority from 1 to 9."), field="priority")
    if content.most_mails is not None and not 1 <= content.most_mails <= LARGEST_MAILS:
        raise Refused(_("Enter at least one mail, or leave it empty for no limit."), field="most_mails")


def is_day_of(schedule: str, day: int) -> bool:
    """Whether a day number fits: 0 (Monday) to 6 of a week, 1 to 28 or `LAST_DAY` of a month, else 0."""
    if schedule == Schedule.WEEKLY:
        return 0 <= day <= 6
    if schedule == Schedule.MONTHLY:
        return 1 <= day <= 28 or day == LAST_DAY
    return day == 0


def _refuse_incomplete(offer: Offer) -> None:
    missing = what_is_missing(offer)
    if missing:
        raise Refused(" ".join(str(problem.text) for problem in missing), field=missing[0].field)

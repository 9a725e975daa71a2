"""Adding versions of the programme: signed drafts, and files from another shop.

A version is never changed, taken back or deleted. One that has not begun is replaced by signing another one that
starts on the same day; of the two the later one holds, and the first never did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from customers.models import Visit
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib import formats
from rewards.models import Posting, ProgrammeVersion, TierStanding
from rewards.programme_checks import checked_rules

FURTHEST_START_DAYS: Final = 1_830


def lock_versions() -> None:
    """Let one transaction at a time add versions. Readers and the tills do not wait."""
    ProgrammeVersion.objects.select_for_update(no_key=True).get(number=1)


def version_on(day: date) -> ProgrammeVersion:
    """The version in force on a shop-local day, as far as is known now."""
    later = ProgrammeVersion.objects.filter(starts_on__lte=day).order_by("-number").first()
    return later or ProgrammeVersion.objects.get(number=1)


def replaced_before_it_began(version: ProgrammeVersion) -> bool:
    """Whether a later version starts on the same day, so that this one never holds."""
    if version.starts_on is None:
        return False
    return ProgrammeVersion.objects.filter(starts_on=version.starts_on, number__gt=version.number).exists()


def earliest_start() -> date:
    """The first day on which a new version can begin: not today in any store's calendar, nor before another start, nor
    a day for which points were posted: the clock may have been set back since."""
    today = max([Company.current().today(), *(store.business_date() for store in Store.objects.all())])
    posted = Posting.objects.aggregate(last=Max("business_date"))["last"]
    today = max(today, posted or today)
    last = ProgrammeVersion.objects.order_by("-number").values_list("starts_on", flat=True).first()
    return max(today + timedelta(days=1), last or date.min)


def check_start(starts_on: date) -> None:
    """Refuse (`Refused`) a start date on which visits may have been recorded, or before another version's start."""
    earliest = earliest_start()
    if starts_on < earliest:
        raise Refused(
            _("A version begins on a day that is still to come. The first that is free: %(date)s")
            % {"date": formats.short_date(earliest)},
            field="starts_on",
        )
    _check_not_far(starts_on)


def _check_not_far(starts_on: date) -> None:
    """Refuse a mistyped year: nothing could be signed before a version that starts in a far year."""
    latest = Company.current().today() + timedelta(days=FURTHEST_START_DAYS)
    if starts_on > latest:
        raise Refused(
            _("Check the year: a version begins at the latest on: %(date)s") % {"date": formats.short_date(latest)},
            field="starts_on",
        )


def add_version(*, rules: Mapping[str, Any], starts_on: date, note: str, by: User | None) -> ProgrammeVersion:
    """Write the next version. Only after `lock_versions` and with a start date that was checked."""
    last = ProgrammeVersion.objects.order_by("-number").values_list("number", flat=True)[0]
    return ProgrammeVersion.objects.create(
        number=last + 1, starts_on=starts_on, rules=checked_rules(rules), note=note, signed_by=by
    )


@dataclass(frozen=True, slots=True)
class ImportedVersion:
    """The version that holds a file's rules from the day; `is_new` is False where it did so already."""

    version: ProgrammeVersion
    is_new: bool


@transaction.atomic
def import_version(*, rules: Mapping[str, Any], starts_on: date, note: str = "", by: User | None) -> ImportedVersion:
    """Make these rules the programme from a day on, in the past too while no points were posted on or after it.

    What is imported afterwards is then posted under it, as if it had held since that day; tiers that were reviewed on
    or after it are reviewed again. The same rules from the same day once more change nothing, nor do those of a version
    that holds on that day already and that no other follows. Raises `Refused`.
    """
    rules = checked_rules(rules)
    lock_versions()
    held = version_on(starts_on)
    is_the_last = not ProgrammeVersion.objects.filter(starts_on__gt=starts_on).exists()
    if (held.starts_on == starts_on or is_the_last) and checked_rules(held.rules) == rules:
        return ImportedVersion(held, is_new=False)
    _check_import_start(starts_on)
    version = add_version(rules=rules, starts_on=starts_on, note=note, by=by)
    TierStanding.objects.filter(reviewed_on__gte=starts_on).update(next_review_on=starts_on)
    data = {"version": version.number, "starts_on": starts_on.isoformat()}
    audit.record("import programme", version, by=by, data=data)
    return ImportedVersion(version, is_new=True)


def _check_import_start(starts_on: date) -> None:
    _check_not_far(starts_on)
    last = ProgrammeVersion.objects.order_by("-number")[0]
    if last.starts_on is not None and starts_on < last.starts_on:
        raise Refused(
            _("Version %(number)s starts on a later day: %(date)s. Choose that day or a later one.")
            % {"number": last.number, "date": formats.short_date(last.starts_on)}
        )
    posted = _first_day_judged(starts_on)
    if posted is not None:
        raise Refused(
            _(
                "Points were posted under another version on or after that day, first on: %(date)s. "
                "Nothing of the past changes, so choose a day to come, from: %(earliest)s"
            )
            % {
                "date": formats.short_date(posted),
                "earliest": formats.short_date(earliest_start()),
            }
        )


def _first_day_judged(since: date) -> date | None:
    """The first day from this one on that another version has judged already: by a posting, or by a customer's visit,
    which may have earned nothing then and would earn something now."""
    posted = Posting.objects.filter(business_date__gte=since).order_by("business_date")
    visits = Visit.objects.filter(business_date__gte=since, customer__isnull=False).order_by("business_date")
    days = [rows.values_list("business_date", flat=True).first() for rows in (posted, visits)]
    return min((day for day in days if day is not None), default=None)

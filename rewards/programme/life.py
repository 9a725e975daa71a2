"""How long points are good: the last shop-local day, by the policy of a version."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

from rewards.programme.schema import DaysAfterActivity, DaysAfterEarning, EndOfMonthPlus, FixedDate, Policy


def good_through(policy: Policy, earned_on: date) -> date | None:
    """The last day on which points earned that day are good; None: they never end. Days after activity count from
    the day of earning until something later prolongs them."""
    if isinstance(policy, DaysAfterEarning | DaysAfterActivity):
        return earned_on + timedelta(days=policy.days - 1)
    if isinstance(policy, FixedDate):
        first = earned_on + timedelta(days=policy.at_least_days - 1)
        this_year = _day_in(first.year, policy)
        return this_year if this_year >= first else _day_in(first.year + 1, policy)
    if isinstance(policy, EndOfMonthPlus):
        months = earned_on.year * 12 + earned_on.month - 1 + policy.months
        year, month = divmod(months, 12)
        return date(year, month + 1, calendar.monthrange(year, month + 1)[1])
    return None


def _day_in(year: int, policy: FixedDate) -> date:
    return date(year, policy.month, min(policy.day, calendar.monthrange(year, policy.month)[1]))

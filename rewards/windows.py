"""The hours in which offers are sent, each by the clock of its reader's store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, Store
from rewards.knobs import SEND_FROM_HOUR, SEND_UNTIL_HOUR
from rewards.schedule import instant


@dataclass(frozen=True, slots=True)
class SendWindow:
    """From the first hour of a local day until the last: 9 and 20 are 09:00 to 19:59. It never crosses midnight."""

    from_hour: int
    until_hour: int

    @classmethod
    def current(cls) -> SendWindow:
        return cls(value(SEND_FROM_HOUR), value(SEND_UNTIL_HOUR))

    def is_open(self, now: datetime, zone: ZoneInfo) -> bool:
        """Whether offers may leave for readers who go by this zone's clock."""
        return self.from_hour <= now.astimezone(zone).hour < self.until_hour

    def opening(self, now: datetime, zone: ZoneInfo) -> datetime:
        """When the window opens next, or `now` where it is open: on days of clock changes at the first such hour."""
        if self.is_open(now, zone):
            return now
        today = now.astimezone(zone).date()
        for day in (today, today + timedelta(days=1)):
            opens = instant(day, time(self.from_hour), zone)
            if opens > now:
                return opens
        raise ValueError("A window opens every day.")


def closed_zones(now: datetime) -> dict[str, datetime]:
    """{time zone: when its window opens} of the company and its stores where offers may not leave now."""
    window = SendWindow.current()
    names = {Company.current().time_zone, *Store.objects.values_list("time_zone", flat=True).distinct()}
    zones = {name: ZoneInfo(name) for name in sorted(names)}
    return {name: window.opening(now, zone) for name, zone in zones.items() if not window.is_open(now, zone)}

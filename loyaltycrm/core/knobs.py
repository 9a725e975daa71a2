"""Programme settings that a manager edits: registered with a default, stored as dated rows.

Each app declares its own knobs in `<app>/knobs.py` with `declare(...)`; `value(key)` reads one.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.db import connection
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models import KnobValue, User

Unit = Literal["", "%", "attempts", "days", "hours", "minutes", "months", "points", "visits"]


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting: its key, kind, default, bounds, and the words it is shown with (lazy texts).

    `pattern` is the regular expression that the whole of a text must match. `group` is the heading it stands under.
    """

    key: str
    default: int | float | bool | str
    label: Any
    help: Any
    minimum: float | None = None
    maximum: float | None = None
    unit: Unit = ""
    pattern: str = ""
    group: Any = ""

    @property
    def kind(self) -> type:
        return type(self.default)


# By hand, since tills ask for knobs on their way: Django takes four times as long to say the same.
_NEWEST: Final = "SELECT value::text FROM core_knobvalue WHERE key = %s ORDER BY set_at DESC, id DESC LIMIT 1"
REGISTRY: dict[str, Knob] = {}


def declare(knob: Knob) -> Knob:
    """Register a knob; two of one key are a programming error."""
    if knob.key in REGISTRY:
        raise ValueError(f"Two settings are called {knob.key}.")
    REGISTRY[knob.key] = knob
    return knob


def values() -> dict[str, Any]:
    """Every knob's value in force: the newest stored one, else the default. One query."""
    stored = dict(KnobValue.objects.order_by("key", "-set_at", "-id").distinct("key").values_list("key", "value"))
    return {key: stored.get(key, knob.default) for key, knob in REGISTRY.items()}


def value(knob: Knob) -> Any:
    """The value in force of one knob."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [knob.key])
        newest = cursor.fetchone()
    return knob.default if newest is None else json.loads(newest[0])


def value_without(knob: Knob, *, by: User, since: datetime) -> Any:
    """The value in force, but for those that this person set since an instant: nobody widens a limit for themselves
    on the way to what it stops."""
    rows = KnobValue.objects.filter(key=knob.key).exclude(set_by=by, set_at__gte=since)
    newest = rows.order_by("-set_at", "-id").values_list("value", flat=True).first()
    return knob.default if newest is None else newest


PHONE_COUNTRY = declare(
    Knob(
        "phone_country",
        "LV",
        label=_("Country of phone numbers"),
        help=_("Numbers typed without a country code are read as numbers of this country: two letters, such as LV."),
        pattern="[A-Z]{2}",
        group=_("Contact"),
    )
)
OWN_CONFIRMATION_HOURS = declare(
    Knob(
        key="own_confirmation_hours",
        default=24,
        label=_("Hours before the only manager may confirm alone"),
        help=_("Where nobody else could approve, the person who asked confirms after this time."),
        minimum=1,
        maximum=336,
        unit="hours",
        group=_("Approvals"),
    )
)
WEBHOOK_ATTEMPTS = declare(
    Knob(
        key="webhook_attempts",
        default=10,
        label=_("Attempts before an event is given up"),
        help=_("The pauses between them grow from ten seconds to half a day. A person can send it again afterwards."),
        minimum=1,
        maximum=30,
        unit="attempts",
        group=_("Webhooks"),
    )
)
WEBHOOK_OFF_DAYS = declare(
    Knob(
        key="webhook_off_days",
        default=5,
        label=_("Days of failures after which a receiver is switched off"),
        help=_("Admins are told by email. What happens meanwhile is kept and sent when it is switched on again."),
        minimum=1,
        maximum=60,
        unit="days",
        group=_("Webhooks"),
    )
)
WEBHOOK_KEEP_DAYS = declare(
    Knob(
        key="webhook_keep_days",
        default=30,
        label=_("Days for which events and their log are kept"),
        help=_("Older ones are removed in the night, also those that still wait for a receiver that stands still."),
        minimum=1,
        maximum=730,
        unit="days",
        group=_("Webhooks"),
    )
)
IMPORT_KEEP_DAYS = declare(
    Knob(
        key="import_keep_days",
        default=30,
        label=_("Days for which imported files are kept"),
        help=_("Afterwards the file and its refused rows are removed. What was imported stays, and the account of it."),
        minimum=1,
        maximum=365,
        unit="days",
        group=_("Imports"),
    )
)
IMPORT_FORGET_DAYS = declare(
    Knob(
        key="import_forget_days",
        default=7,
        label=_("Days after which a file that nobody imported is removed"),
        help=_("It holds data of people, and nobody needed it. Send it again to import it."),
        minimum=1,
        maximum=365,
        unit="days",
        group=_("Imports"),
    )
)
TILL_IDLE_MINUTES = declare(
    Knob(
        key="till_idle_minutes",
        default=15,
        label=_("Minutes after which an unused till locks"),
        help=_("Whoever comes back unlocks it with a PIN, or logs in with a password where the till is not enrolled."),
        minimum=1,
        maximum=240,
        unit="minutes",
        group=_("Till"),
    )
)

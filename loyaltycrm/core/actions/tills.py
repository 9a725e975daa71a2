"""Making a browser a till, and the PIN by which a person unlocks it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import StaffPin, Store, TillDevice, User
from loyaltycrm.core.tills import SESSION_BY_PIN, SESSION_TILL, may_unlock
from loyaltycrm.lib.tokens import hash_token, new_token

NAME_LENGTH: Final = 40
PIN_LENGTHS: Final = range(4, 9)
MOST_FAILURES: Final = 5


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A till and the secret for its browser's cookie, which nobody can read again."""

    device: TillDevice
    token: str


@transaction.atomic
def enrol_till(*, name: str, store: Store, replaces: TillDevice | None = None, by: User) -> Enrolled:
    """Make the browser that gets the returned secret a till of this store; `replaces` is the till that it was before.

    Raises `Refused` without a name, for one that another till of the store has, and for a store that is closed.
    """
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise Refused(_("Name the till in at most %(count)s characters") % {"count": NAME_LENGTH}, field="name")
    Store.objects.select_for_update().get(pk=store.pk)
    if not store.is_active:
        raise Refused(_("This store is closed. Choose another one"), field="store")
    if replaces is not None:
        revoke_till(device=replaces, by=by)
    if TillDevice.objects.filter(store=store, name__iexact=name, revoked_at__isnull=True).exists():
        raise Refused(_("Another till of this store has this name. Choose another name"), field="name")
    token = new_token()
    device = TillDevice.objects.create(name=name, store=store, token_hash=hash_token(token), enrolled_by=by)
    audit.record("enrol till", device, by=by, data={"name": name, "store": store.code})
    return Enrolled(device, token)


@transaction.atomic
def revoke_till(*, device: TillDevice, by: User) -> TillDevice:
    """Let no PIN unlock this till any more, and end what a PIN opened on it. A second time changes nothing."""
    device = TillDevice.objects.select_for_update(of=("self",)).select_related("store").get(pk=device.pk)
    if device.revoked_at is None:
        device.revoked_at, device.revoked_by = timezone.now(), by
        device.save(update_fields=["revoked_at", "revoked_by"])
        audit.record("revoke till", device, by=by, data={"name": device.name, "sessions": _end_sessions_on(device)})
    return device


def _end_sessions_on(device: TillDevice) -> int:
    on_it = []
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        told = session.get_decoded()
        if told.get(SESSION_BY_PIN) and told[SESSION_TILL]["pk"] == device.pk:
            on_it.append(session.pk)
    Session.objects.filter(pk__in=on_it).delete()
    return len(on_it)


@transaction.atomic
def set_pin(*, person: User, pin: str, by: User) -> StaffPin:
    """Give a person the PIN that unlocks tills, in the place of the one before.

    Raises `Refused` for one that is no number of 4 to 8 digits, or that anybody would try first.
    """
    if not (pin.isascii() and pin.isdecimal() and len(pin) in PIN_LENGTHS):
        raise Refused(_("Choose 4 to 8 digits"), field="pin")
    if _is_easily_guessed(pin):
        raise Refused(_("This PIN is easily guessed. Choose digits that do not follow one another"), field="pin")
    row, _is_new = StaffPin.objects.update_or_create(
        person=person, defaults={"pin_hash": make_password(pin), "set_at": timezone.now(), "failures": 0}
    )
    audit.record("set pin", person, by=by)
    return row


def _is_easily_guessed(pin: str) -> bool:
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    return steps in ({0}, {1}, {-1})


def unlock_till(*, device: TillDevice, person_id: int, pin: str) -> User:
    """The person whose PIN this is, if they may work at this till.

    Every try is counted before it is judged, so that many at once are as few as one after the other. Raises `Refused`
    for a wrong PIN, and after five wrong ones in a row for any until the person has logged in with the password.
    """
    person = may_unlock(device).filter(pk=person_id).first()
    if person is None:
        raise Refused(_("Choose your name, then type your PIN"), field="person")
    tries = StaffPin.objects.filter(person=person)
    if not tries.filter(failures__lt=MOST_FAILURES).update(failures=F("failures") + 1):
        raise Refused(_("Too many wrong PINs. Log in with your password; then the PIN works again"))
    row = tries.get()
    if not check_password(pin, row.pin_hash):
        if row.failures >= MOST_FAILURES:
            with transaction.atomic():
                audit.record("block pin", person, by=None, data={"till": device.pk})
        raise Refused(_("This is not your PIN. Try again"), field="pin")
    tries.update(failures=0)
    TillDevice.objects.filter(pk=device.pk).update(last_used_at=timezone.now(), last_used_by=person)
    return person


def forget_failures(person: User) -> None:
    """The person typed the password: wrong PINs before count no more."""
    StaffPin.objects.filter(person=person, failures__gt=0).update(failures=0)

"""Who works here: adding people, changing what they may do, ending it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core import own_customers
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Role, StaffPin, Store, User

NAME_LENGTH = 120
_PLAIN_SIGNS: Final = "abcdefghjkmnpqrstuvwxyz23456789"


def initial_password() -> str:
    """A random password to read out once: 20 signs (99 bits) in groups of five, none mistaken for another."""
    signs = "".join(secrets.choice(_PLAIN_SIGNS) for _position in range(20))
    return "-".join(signs[start : start + 5] for start in range(0, 20, 5))


@transaction.atomic
def add_person(
    *,
    email: str,
    name: str,
    role: str,
    stores: Iterable[Store] = (),
    customer_number: str = "",
    password: str,
    by: User | None,
) -> User:
    """Give a person an account. Raises `Refused`, naming the field, for a value that cannot be or is taken.

    `customer_number` names the customer that the person is, to whom they may not give points.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Refused(_("Enter an email address, for example anna@example.com"), field="email") from error
    if User.objects.filter(email__iexact=email).exists():
        raise Refused(_("Somebody with this email has an account already"), field="email")
    places = list(stores)
    person = User(
        email=email,
        name=_clean_name(name),
        role=_clean_role(role, places),
        customer_id=_own_customer(customer_number),
    )
    _check_password(password, person)
    person.set_password(password)
    person.save(force_insert=True)
    person.stores.set(places)
    audit.record("add person", person, by=by, data=_told(person, places))
    return person


@transaction.atomic
def change_person(
    *, person: User, name: str, role: str, stores: Iterable[Store], customer_number: str | None = None, by: User
) -> User:
    """Change a person's name, role, stores or own customer number; None leaves that number as it is, blank takes it
    away. Raises `Refused` where no admin would be left at work and for a number that nobody has.
    """
    current = _locked(person)
    places = list(stores)
    before = _told(current, current.stores.all())
    current.name = _clean_name(name)
    if current.role == Role.ADMIN and role != Role.ADMIN:
        _keep_an_admin(current)
    current.role = _clean_role(role, places)
    if customer_number is not None:
        current.customer_id = _own_customer(customer_number)
    current.save(update_fields=["name", "role", "customer_id"])
    current.stores.set(places)
    audit.record("change person", current, by=by, data={"before": before, "after": _told(current, places)})
    return current


@transaction.atomic
def disable_person(*, person: User, by: User) -> User:
    """Close an account: the person can log in no more, every session of theirs ends now, and the PIN is gone.

    Raises `Refused` for one's own account and for the last admin at work.
    """
    if person.pk == by.pk:
        raise Refused(_("This is your own account. Ask another admin to close it"))
    current = _locked(person)
    if current.is_active:
        if current.role == Role.ADMIN:
            _keep_an_admin(current)
        current.is_active = False
        current.save(update_fields=["is_active"])
        StaffPin.objects.filter(person=current).delete()
        audit.record("disable person", current, by=by, data={"sessions": end_sessions(current)})
    return current


@transaction.atomic
def enable_person(*, person: User, by: User) -> User:
    """Open a closed account again, with the password it had."""
    current = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if not current.is_active:
        current.is_active = True
        current.save(update_fields=["is_active"])
        audit.record("enable person", current, by=by)
    return current


@transaction.atomic
def renew_password(*, person: User, by: User) -> str:
    """Give a person a new random password, returned to be read out once; their sessions end now, the PIN is gone."""
    current = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    password = initial_password()
    current.set_password(password)
    current.save(update_fields=["password"])
    StaffPin.objects.filter(person=current).delete()
    audit.record("renew password", current, by=by, data={"sessions": end_sessions(current)})
    return password


@transaction.atomic
def remove_second_step(*, person: User, by: User) -> int:
    """Forget the second step of a person who lost it, and log the person out; return how many keys that were."""
    keys = list(Authenticator.objects.select_for_update().filter(user=person))
    for key in keys:
        key.delete()
    if keys:
        audit.record("remove second step", person, by=by, data={"sessions": end_sessions(person)})
    return len(keys)


def end_sessions(person: User) -> int:
    """Log a person out everywhere; return of how many sessions."""
    theirs = [
        session.pk
        for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator()
        if session.get_decoded().get("_auth_user_id") == str(person.pk)
    ]
    Session.objects.filter(pk__in=theirs).delete()
    return len(theirs)


def _locked(person: User) -> User:
    """The person as stored, locked together with all admins, always in one order: so one admin remains."""
    rows = User.objects.select_for_update(no_key=True).filter(Q(role=Role.ADMIN) | Q(pk=person.pk)).order_by("pk")
    return next(row for row in rows if row.pk == person.pk)


def _keep_an_admin(leaving: User) -> None:
    if not User.objects.filter(role=Role.ADMIN, is_active=True).exclude(pk=leaving.pk).exists():
        raise Refused(_("This is the last admin. Make somebody else an admin first"), field="role")


def _clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or not name.isprintable() or len(name) > NAME_LENGTH:
        raise Refused(_("Enter the name of the person"), field="name")
    return name


def _clean_role(role: str, stores: list[Store]) -> str:
    if role not in Role.values:
        raise Refused(_("Choose one of the options shown"), field="role")
    if role != Role.ADMIN and not stores:
        raise Refused(_("Choose at least one store. Only admins see all of them"), field="stores")
    return role


def _own_customer(number: str) -> int | None:
    number = number.strip()
    found = own_customers.id_of(number) if number else None
    if number and found is None:
        raise Refused(_("No customer has this number. Look it up in the list of customers"), field="customer_number")
    return found


def _told(person: User, places: Iterable[Store]) -> dict[str, Any]:
    """What the audit log says a person may do."""
    own = {"customer": person.customer_id} if person.customer_id is not None else {}
    return {"role": person.role, "stores": _codes(places), **own}


def _check_password(password: str, person: User) -> None:
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Refused(" ".join(error.messages), field="password") from error


def _codes(stores: Iterable[Store]) -> list[str]:
    return sorted(store.code for store in stores)

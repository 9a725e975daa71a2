"""Adding and changing stores."""

import re

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.models.store import validate_time_zone

CODE_LENGTH = 40
NAME_LENGTH = 120


@transaction.atomic
def add_store(*, code: str, name: str, time_zone: str, by: User | None) -> Store:
    """Open a store. `code` is what tills and files call it; upper and lower case are the same code.

    Whoever opens it works for it, unless they see all stores anyway.

    Raises `Refused` for a code that is taken, a missing name or an unknown time zone.
    """
    code = _one_line(code, "code", CODE_LENGTH)
    if not code:
        raise Refused(_("Enter the code that your tills use for this store"), field="code")
    if Store.objects.filter(code__iexact=code).exists():
        raise Refused(_("Code %(code)s is taken. Choose another one") % {"code": code}, field="code")
    store = Store.objects.create(code=code, name=_clean_name(name), time_zone=_clean_zone(time_zone))
    if by is not None and not by.sees_all_stores:
        by.stores.add(store)
    audit.record("add store", store, by=by, data={"code": store.code, "name": store.name, "time_zone": store.time_zone})
    return store


@transaction.atomic
def change_store(*, store: Store, name: str, time_zone: str, is_active: bool, by: User | None) -> Store:
    """Rename a store, close or reopen it, or move its calendar. The code stays: files and receipts name it.

    The business dates of receipts recorded already do not change.
    """
    current = Store.objects.select_for_update(no_key=True).get(pk=store.pk)
    new = {"name": _clean_name(name), "time_zone": _clean_zone(time_zone), "is_active": is_active}
    before = {field: getattr(current, field) for field in new}
    if new != before:
        for field, value in new.items():
            setattr(current, field, value)
        current.save(update_fields=list(new))
        audit.record("change store", current, by=by, data={"before": before, "after": new})
    return current


def _clean_name(name: str) -> str:
    name = _one_line(name, "name", NAME_LENGTH)
    if not name:
        raise Refused(_("Enter the name of the store"), field="name")
    return name


def _clean_zone(time_zone: str) -> str:
    try:
        validate_time_zone(time_zone)
    except ValidationError as error:
        raise Refused(error.messages[0], field="time_zone") from error
    return time_zone


def _one_line(text: str, field: str, length: int) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    if not text.isprintable():
        raise Refused(_("Remove the characters that cannot be seen"), field=field)
    if len(text) > length:
        raise Refused(_("Shorten this to %(count)s characters") % {"count": length}, field=field)
    return text

"""Changing what the company is called, where its mail comes from, and its calendar."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User

CHANGEABLE = frozenset({"name", "currency", "time_zone", "language", "postal_address", "from_email"})


@transaction.atomic
def change_company(*, by: User | None, currency_locked: bool = False, **changes: Any) -> Company:
    """Change any of name, currency, time_zone, language, postal_address, from_email.

    Raises `Refused`, naming the field, for a value that cannot be; the currency stays once there are amounts in it,
    which the caller knows (`currency_locked`).
    """
    if unknown := changes.keys() - CHANGEABLE:
        raise TypeError(f"change_company() cannot change {', '.join(sorted(unknown))}.")
    Company.current()
    company = Company.objects.select_for_update().get(id=1)
    before = {field: getattr(company, field) for field in changes}
    new = {field: " ".join(str(value).split()) for field, value in changes.items()}
    if currency_locked and new.get("currency", company.currency) != company.currency:
        raise Refused(
            _("The currency stays %(currency)s: visits are recorded in it") % {"currency": company.currency},
            field="currency",
        )
    for field, value in new.items():
        setattr(company, field, value)
    try:
        company.full_clean()
    except ValidationError as error:
        field, texts = next(iter(error.message_dict.items()))
        raise Refused(texts[0], field=field if field in CHANGEABLE else None) from error
    if new != before:
        company.save()
        audit.record("change company", company, by=by, data={"before": before, "after": new})
    return company

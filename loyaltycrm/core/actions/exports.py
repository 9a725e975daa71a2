"""Who took which list away as a file."""

from collections.abc import Iterable

from django.db import transaction

from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import User


@transaction.atomic
def record_export(*, what: str, filters: Iterable[str], by: User) -> None:
    """Write down that a list was exported: which one and by which filters, by name only, for values name people."""
    audit.record("export", None, by=by, data={"what": what, "filters": sorted(filters)})

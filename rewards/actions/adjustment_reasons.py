"""The list of reasons why points are moved by hand."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from rewards.actions.catalogue import free_key, names_in_every_language
from rewards.models import AdjustmentDirection, AdjustmentReason


@transaction.atomic
def keep_reason(
    *, reason: AdjustmentReason | None, names: Mapping[str, str], direction: str, is_active: bool, by: User | None
) -> AdjustmentReason:
    """Add a reason (None) or change one from now on; adjustments made before keep it, whatever it is called then.

    Raises `Refused`, naming the field, for a language without a name or a direction that is none.
    """
    names = names_in_every_language(names, _("Name the reason in every language."))
    if direction not in AdjustmentDirection.values:
        raise Refused(_("Choose one of the options shown"), field="direction")
    columns = {"names": names, "direction": direction, "is_active": is_active}
    if reason is None:
        rows = AdjustmentReason.objects.all()
        reason = AdjustmentReason.objects.create(key=free_key(names["en"], rows, stem="reason"), **columns)
        audit.record("add adjustment reason", reason, by=by, data={"key": reason.key, **columns})
        return reason
    reason = AdjustmentReason.objects.select_for_update().get(pk=reason.pk)
    before = {name: getattr(reason, name) for name in columns if getattr(reason, name) != columns[name]}
    if before:
        for name in before:
            setattr(reason, name, columns[name])
        reason.save(update_fields=list(before))
        after = {name: columns[name] for name in before}
        audit.record("change adjustment reason", reason, by=by, data={"before": before, "after": after})
    return reason

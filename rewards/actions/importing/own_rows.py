"""Nobody imports points to an account of their own."""

from __future__ import annotations

from loyaltycrm.core.imports import Stage
from loyaltycrm.core.models import User
from loyaltycrm.lib.kept_words import gettext as _


def refuse_own_rows(stage: Stage, *, owner: str = "s.customer_id", by: User | None) -> None:
    """Refuse rows still to be taken whose customer (`owner`, in SQL) is the member of staff who imports."""
    if by is not None and by.customer_id is not None:
        words = _("This is your own account. Ask somebody else to import it.")
        stage.refuse("customer_id", words, f"{owner} = %s", by.customer_id)

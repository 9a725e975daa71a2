"""What a member of staff chose for their own screen."""

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User

THEMES = ("light", "dark")


@transaction.atomic
def choose_language(*, by: User, language: str) -> None:
    """Show every page to this person in `language` from now on. Raises `Refused` for a language we do not speak."""
    if language not in dict(settings.LANGUAGES):
        raise Refused(_("Choose one of the languages shown."))
    if by.language != language:
        audit.record("choose language", by, by=by, data={"before": by.language, "after": language})
        by.language = language
        by.save(update_fields=["language"])


@transaction.atomic
def choose_theme(*, by: User, theme: str) -> None:
    """Show every page to this person light or dark; an empty `theme` follows the device. Raises `Refused` else."""
    if theme and theme not in THEMES:
        raise Refused(_("Choose one of the colours shown."))
    if by.theme != theme:
        audit.record("choose theme", by, by=by, data={"before": by.theme, "after": theme})
        by.theme = theme
        by.save(update_fields=["theme"])

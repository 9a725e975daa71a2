"""Pause every offer and every run: the first thing to do with a restored backup."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rewards.actions.holding import hold_sending
from rewards.actions.runs import in_company_language

NOTE = gettext_lazy("A backup was restored. Some readers may have had this mail already. When in doubt, cancel it.")


class Command(BaseCommand):
    help = "Pause every active offer and every run that is planned or under way. Run it before a restored site starts."

    def handle(self, *args: Any, **options: Any) -> None:
        held = hold_sending(by=None, note=in_company_language(NOTE))
        self.stdout.write(
            _("Paused: %(offers)d offers, %(runs)d runs. Nothing is sent until a manager lets it go on.")
            % {"offers": held.offers, "runs": held.runs}
        )

"""Pause every offer and every run: the first thing to do with a restored backup."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from rewards.actions.holding import RESTORED, hold_sending
from rewards.actions.runs import in_company_language


class Command(BaseCommand):
    help = (
        "Pause every active offer and every run that is planned or under way, and stop the receipts that wait. "
        "Run it before a restored site starts."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        held = hold_sending(by=None, note=in_company_language(RESTORED))
        self.stdout.write(
            _(
                "Paused: %(offers)d offers, %(runs)d runs. Receipts stopped: %(mails)d. "
                "Nothing is sent until a manager lets it go on."
            )
            % {"offers": held.offers, "runs": held.runs, "mails": held.mails}
        )

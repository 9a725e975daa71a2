"""The night's work by hand."""

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from loyaltycrm.shop.actions.night import run_night


class Command(BaseCommand):
    help = "End lapsed points, review tiers and classify customers, as every night after midnight."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--date", type=date.fromisoformat, help="the day that has begun (default: today)")
        parser.add_argument("--again", action="store_true", help="also if this night was done already")

    def handle(self, *args: Any, **options: Any) -> None:
        outcome = run_night(day=options["date"], again=options["again"])
        if outcome is None:
            raise CommandError(_("This night was done already, or is being done. Add --again to repeat it."))
        self.stdout.write(
            _(
                "Lots ended: %(lots_ended)d. Tiers reviewed: %(tiers_reviewed)d."
                " Customers classified: %(customers_classified)d."
            )
            % outcome
        )

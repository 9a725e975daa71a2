"""Import what customers earned and used at a partner from the partner's file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from loyaltycrm.core.imports.command import ImportCommand
from rewards.actions.importing.partners import PartnerImport
from rewards.models import Partner


class Command(ImportCommand):
    help = (
        "Import points earned, used and refunded at a partner from FILE (columns reference, customer_id, what: earned, "
        "used or refund, points, amount, at, refund_of), in order of time. Good rows are taken, the others returned."
    )
    main_file = "partner"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the file, the partner and the options of every import."""
        parser.add_argument("file", type=Path, metavar="FILE", help="What happened at the partner.")
        parser.add_argument("--partner", required=True, metavar="CODE", help="The code of the partner.")
        super().add_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Import the file."""
        partner = Partner.objects.filter(code=options["partner"].strip().upper()).first()
        if partner is None:
            words = _("There is no partner with the code %(code)s. Add it first: Reports, Partners.")
            raise CommandError(words % {"code": options["partner"]})
        with self.importing(options, [options["file"]]) as run:
            PartnerImport(run, options["file"], partner).take(by=None)

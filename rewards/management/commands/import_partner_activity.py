"""Import what customers earned and used at a partner from the partner's file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from loyaltycrm.core.commands import refusals_as_sentences
from loyaltycrm.core.imports.command import ImportCommand
from rewards.actions.importing.partners import PartnerImport
from rewards.actions.partners import partner_named


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
        with refusals_as_sentences():
            partner = partner_named(options["partner"])
        with self.importing(options, [options["file"]]) as run:
            PartnerImport(run, options["file"], partner).take(by=None)

"""Import a whole folder of a shop's files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from loyaltycrm.core.imports.command import ImportCommand
from loyaltycrm.lib.rows import UnreadableFile
from loyaltycrm.shop.actions.importing import import_shop, open_folder


class Command(ImportCommand):
    help = (
        "Import the files of DIR: customers.csv, products.csv, balances.csv, purchases.csv, refunds.csv, "
        "points_redemptions.csv, purchase_lines.csv. Absent ones are skipped; campaigns and coupons are not taken yet."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the folder and the options of every import."""
        parser.add_argument("folder", type=Path, metavar="DIR")
        super().add_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Import the folder."""
        try:
            folder = open_folder(options["folder"])
        except UnreadableFile as error:
            raise CommandError(str(error)) from error
        with self.importing(options, folder.files) as run:
            import_shop(run, folder, by=None)

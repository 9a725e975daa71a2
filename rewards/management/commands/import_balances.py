"""Import the points that customers had under earlier books."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from loyaltycrm.core.imports.command import ImportCommand
from rewards.actions.importing import OpeningImport


class Command(ImportCommand):
    help = (
        "Import opening balances from FILE: one posting and one lot for each row, ending when the row says or as the "
        "programme does. The good rows are taken, the others returned with line, column and reason."
    )
    main_file = "balances"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the file and the options of every import."""
        parser.add_argument("file", type=Path, metavar="FILE")
        super().add_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Import the file."""
        with self.importing(options, [options["file"]]) as run:
            OpeningImport(run, options["file"]).take(by=None)

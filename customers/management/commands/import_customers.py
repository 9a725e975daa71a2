"""Import customers from a file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from customers.actions.importing import CustomerImport
from loyaltycrm.core.imports.command import ImportCommand


class Command(ImportCommand):
    help = "Import customers from FILE: the good rows are taken, the others returned with line, column and reason."
    main_file = "customers"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the file and the options of every import."""
        parser.add_argument("file", type=Path, metavar="FILE")
        super().add_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Import the file."""
        with self.importing(options, [options["file"]]) as run:
            CustomerImport(run, options["file"]).take(by=None)

"""Import receipts, refunds, uses of points and lines from files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from loyaltycrm.core.imports.command import ImportCommand
from rewards.actions.importing import VisitFiles, VisitImport


class Command(ImportCommand):
    help = (
        "Import receipts from FILE, with refunds, uses of points and lines: replayed in time order under the programme "
        "of their date. The good rows are taken, the others returned with line, column and reason."
    )
    main_file = "purchases"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the files and the options of every import."""
        parser.add_argument("file", type=Path, metavar="FILE", help="Receipts; may hold refunds too.")
        parser.add_argument("--refunds", type=Path, metavar="FILE", help="Refunds, in the columns of the receipts.")
        parser.add_argument("--redemptions", type=Path, metavar="FILE", help="Uses of points.")
        parser.add_argument("--lines", type=Path, metavar="FILE", help="The lines of the receipts.")
        super().add_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Import the files."""
        files = VisitFiles(options["file"], options["refunds"], options["redemptions"], options["lines"])
        inputs = [path for path in (files.purchases, files.refunds, files.redemptions, files.lines) if path]
        with self.importing(options, inputs) as run:
            visits = VisitImport(run, files)
            visits.adopt_calendar(by=None)
            visits.take(by=None)

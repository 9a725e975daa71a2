"""Write every customer to a CSV file."""

import os
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company
from loyaltycrm.shop.export import customer_lines
from rewards.actions.tiers import review_due_tiers


class Command(BaseCommand):
    help = (
        "Write one row per customer to FILE (CSV, UTF-8): points, tier, regular, attachment score, group, visits and "
        "spend, as they stood at the end of a day of the shops. For today, tiers that are due are reviewed first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--as-of", metavar="DATE", help="the day, as 2026-07-14; today where left out")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            as_of = date.fromisoformat(options["as_of"]) if options["as_of"] else None
        except ValueError as error:
            raise CommandError(_("Write the day as 2026-07-14, not %(day)s.") % {"day": options["as_of"]}) from error
        path: Path = options["file"]
        is_told = options["verbosity"] > 0
        if as_of is None or as_of >= Company.current().today():
            review_due_tiers()
        try:
            lines = customer_lines(as_of=as_of, progress=self._tell if is_told else None)
            count = _write(path, lines)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        except OSError as error:
            raise CommandError(
                _("%(file)s cannot be written: %(reason)s.") % {"file": path, "reason": error.strerror or error}
            ) from error
        if is_told:
            self.stdout.write(f"{count:,} customers written to {path}.")

    def _tell(self, step: str) -> None:
        self.stdout.write(f"{step} …")


def _write(path: Path, lines: Iterable[str]) -> int:
    """Write the lines beside the file, then put it in its place whole; return the number of rows."""
    path = path.resolve()
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("w", encoding="utf-8", newline="") as device:
            return _write_lines(device, lines)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            count = _write_lines(file, lines)
        written.chmod(0o644)
        written.replace(path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    return count


def _write_lines(file: TextIO, lines: Iterable[str]) -> int:
    count = -1
    for line in lines:
        file.write(line)
        count += 1
    return count

"""Write every customer to a CSV file."""

import os
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand

from loyaltycrm.core.commands import add_as_of, as_of, refusals_as_sentences, writing
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
        add_as_of(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        day = as_of(options)
        path: Path = options["file"]
        is_told = options["verbosity"] > 0
        if day is None or day >= Company.current().today():
            review_due_tiers()
        with refusals_as_sentences(), writing(path):
            lines = customer_lines(as_of=day, progress=self._tell if is_told else None)
            count = _write(path, lines)
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

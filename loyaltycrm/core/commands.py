"""What management commands share: a day as an option, and what went wrong as one sentence."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from loyaltycrm.core.errors import Refused


def add_as_of(parser: ArgumentParser) -> None:
    """Let the command be asked for a day of the past."""
    parser.add_argument("--as-of", metavar="DATE", help="the day, as 2026-07-14; today where left out")


def as_of(options: Mapping[str, Any]) -> date | None:
    """The day of `--as-of`, None where it was left out. Raises `CommandError` for what is no day."""
    try:
        return date.fromisoformat(options["as_of"]) if options["as_of"] else None
    except ValueError as error:
        raise CommandError(_("Write the day as 2026-07-14, not %(day)s.") % {"day": options["as_of"]}) from error


@contextmanager
def refusals_as_sentences() -> Iterator[None]:
    """Let what is refused meanwhile end the command with its sentence."""
    try:
        yield
    except Refused as refusal:
        raise CommandError(str(refusal)) from refusal


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let a file that cannot be written meanwhile end the command with a sentence that names it."""
    try:
        yield
    except OSError as error:
        words = _("%(file)s cannot be written: %(problem)s.")
        raise CommandError(words % {"file": path, "problem": error.strerror or error}) from error

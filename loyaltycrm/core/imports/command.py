"""What all import commands say and take."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from loyaltycrm.core.commands import writing
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.imports.manner import Dates, Decimals, Manner
from loyaltycrm.core.imports.report import reject_path, write_rejects, write_report
from loyaltycrm.core.imports.run import ImportRun, running_import
from loyaltycrm.core.models.store import validate_time_zone
from loyaltycrm.lib.rows import ENCODINGS, UnreadableFile

_SECONDS_BETWEEN_WORDS = 2.0


def _manner(options: dict[str, Any]) -> Manner:
    """How the files are written, as far as the options say."""
    columns = {}
    for given in options["column"]:
        name, sign, fact = given.rpartition("=")
        if not sign or not name.strip():
            raise CommandError(
                _("Write --column as NAME=COLUMN, such as Date=purchased_at, not %(given)s.") % {"given": given}
            )
        columns[name.strip().casefold()] = fact.strip()
    return Manner(
        encoding=options["encoding"],
        columns=columns,
        dates=Dates(options["dates"] or ""),
        decimals=Decimals(options["decimals"] or ""),
    )


class ImportCommand(BaseCommand):
    """A command that imports files: its options, its progress, its summary, its report and refused rows.

    Refused rows alone are no failure; a file that cannot be read at all is, and then nothing was changed.
    """

    main_file: str | None = None

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options that every import has."""
        parser.add_argument("--dry-run", action="store_true", help="Do everything, keep nothing.")
        parser.add_argument(
            "--reject-file",
            type=Path,
            metavar="FILE",
            help="Write refused rows here with line, column and reason, ready to mend and import. "
            "Rows of further files go beside it, as in FILE.refunds.csv.",
        )
        parser.add_argument("--report", type=Path, metavar="FILE", help="Write counts and refusals here as JSON.")
        parser.add_argument(
            "--encoding", choices=ENCODINGS, help="How the files' letters are written, where it cannot be told."
        )
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="NAME=COLUMN",
            help="What a column of another name stands for, as in Date=purchased_at; Date= leaves it out. "
            "May be given several times.",
        )
        parser.add_argument(
            "--dates",
            choices=[one.value for one in Dates if one],
            help="How 03/04/2026 is read: the day first or the month first. Refused where left out.",
        )
        parser.add_argument(
            "--decimals",
            choices=[one.value for one in Decimals if one],
            help="The sign before decimals, where amounts are written with groups of three: 1.024,90 or 1,024.90.",
        )
        parser.add_argument(
            "--time-zone", metavar="ZONE", help="The time zone of times without one, such as Europe/Riga."
        )

    @contextmanager
    def importing(self, options: dict[str, Any], inputs: list[Path]) -> Iterator[ImportRun]:
        """Run an import, then tell what became of it. Turns what is wrong with a file or option into one sentence."""
        self._check_outputs(options, inputs)
        if zone := options["time_zone"]:
            try:
                validate_time_zone(zone)
            except Exception as error:
                raise CommandError(
                    _("%(zone)s is no time zone. Name one such as Europe/Riga.") % {"zone": zone}
                ) from error
        try:
            with running_import(
                dry_run=options["dry_run"],
                manner=_manner(options),
                time_zone=zone,
                progress=self._progress(options["verbosity"]),
            ) as run:
                yield run
                self._tell(run, options)
        except (UnreadableFile, Refused) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as stop:
            words = _("Stopped. What was written stays; run the same command again to go on.")
            raise CommandError(words, returncode=130) from stop

    def _check_outputs(self, options: dict[str, Any], inputs: list[Path]) -> None:
        read = {path.resolve() for path in inputs}
        for option in ("reject_file", "report"):
            path: Path | None = options[option]
            if path is None:
                continue
            if path.resolve() in read:
                raise CommandError(_("%(file)s is a file to import. Name another one to write to.") % {"file": path})
            is_new = not path.exists()
            with writing(path):
                with path.open("a", encoding="utf-8"):
                    pass
                if is_new:
                    path.unlink()

    def _progress(self, verbosity: int) -> Any:
        spoken = time.monotonic()

        def say(what: str, count: int, of: int | None = None) -> None:
            nonlocal spoken
            if verbosity and time.monotonic() - spoken > _SECONDS_BETWEEN_WORDS:
                spoken = time.monotonic()
                self.stderr.write(f"{what}: {count:,}" if of is None else f"{what}: {count:,} / {of:,}")

        return say

    def _tell(self, run: ImportRun, options: dict[str, Any]) -> None:
        for note in run.notes:
            self.stdout.write(note)
        for file in run.files:
            counts = file.counts()
            self.stdout.write(
                _(
                    "%(file)s: %(read)s read, %(accepted)s accepted, %(unchanged)s unchanged, %(refused)s refused,"
                    " %(conflicts)s in conflict"
                )
                % {"file": file.table.path.name, **{name: f"{count:,}" for name, count in counts.items()}}
            )
            if options["reject_file"] and (counts["refused"] or counts["conflicts"] or file.name == self.main_file):
                path = reject_path(options["reject_file"], file, main=self.main_file)
                if path.resolve() in {one.table.path.resolve() for one in run.files}:
                    raise CommandError(
                        _("%(file)s is a file to import. Name another one to write to.") % {"file": path}
                    )
                if rows := write_rejects(file, path):
                    self.stdout.write(
                        _("%(count)s rows to mend are in %(file)s") % {"count": f"{rows:,}", "file": path}
                    )
        if run.skipped:
            self.stdout.write(_("Not imported: %(files)s") % {"files": ", ".join(run.skipped)})
        if options["report"]:
            write_report(run, options["report"])
        if run.dry_run:
            self.stdout.write(_("This was a rehearsal: nothing was kept."))

"""Make a file the programme from a day on."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission, allowed
from loyaltycrm.lib import formats
from loyaltycrm.lib.cells import BadCell, day
from rewards.actions.programme_versions import import_version
from rewards.programme_checks import WrongRules
from rewards.programme_files import LARGEST_BYTES, ProgrammeFile, read_programme


class Command(BaseCommand):
    help = (
        "Make the programme in FILE hold from DATE (docs/programme.md). While no points were posted on or after DATE, "
        "it may lie in the past: what is imported afterwards is posted as if the programme had held since. "
        "The same file from the same day once more changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file, the day and the person."""
        parser.add_argument("file", type=Path, metavar="FILE.json")
        parser.add_argument(
            "--from", dest="starts_on", required=True, metavar="DATE", help="The first day, YYYY-MM-DD."
        )
        parser.add_argument("--by", metavar="EMAIL", help="The manager who answers for it, for the log.")
        parser.add_argument("--dry-run", action="store_true", help="Say what is wrong with the file; change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the file, or say all that is wrong with it and exit with 1."""
        try:
            starts_on = day(options["starts_on"])
        except BadCell as error:
            raise CommandError(f"--from: {error}") from error
        by = None if options["by"] is None else _person(options["by"])
        content = self._content(options["file"])
        for remark in (*content.on_rules, *content.on_file):
            self.stdout.write(remark)
        if options["dry_run"]:
            self.stdout.write(_("The file holds a whole programme. This was a rehearsal: nothing was kept."))
            return
        try:
            made = import_version(rules=content.rules, starts_on=starts_on, note=content.note, by=by)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        words = (
            _("Version %(number)s holds from: %(date)s")
            if made.is_new
            else _("Version %(number)s holds this programme already, from: %(date)s")
        )
        self.stdout.write(words % {"number": made.version.number, "date": formats.short_date(starts_on)})

    def _content(self, path: Path) -> ProgrammeFile:
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST_BYTES + 1)
        except OSError as error:
            raise CommandError(
                _("%(file)s cannot be read: %(problem)s.") % {"file": path, "problem": error.strerror or error}
            ) from error
        try:
            return read_programme(data)
        except WrongRules as wrong:
            raise CommandError(f"{path}\n{wrong}") from wrong


def _person(email: str) -> User:
    found = User.objects.filter(email__iexact=email.strip()).first()
    if found is None or not allowed(found, Permission.MANAGE_PROGRAMME):
        raise CommandError(_("%(email)s is no manager here. Name one with --by.") % {"email": email})
    return found

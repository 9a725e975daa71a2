"""Write a version of the programme to a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from loyaltycrm.core.commands import writing
from loyaltycrm.core.models import Company
from rewards.actions.programme_versions import version_on
from rewards.models import ProgrammeVersion
from rewards.programme_files import programme_as_text


class Command(BaseCommand):
    help = (
        "Write the programme in force today, or a version, to FILE as JSON (docs/programme.md). FILE - is the screen."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """The framework's own --version gives way to ours."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file and the version."""
        parser.add_argument("file", metavar="FILE.json")
        parser.add_argument("--version", metavar="N", help="The number of a version; default: the one in force today.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file; nothing is written where it cannot be whole."""
        company = Company.current()
        version = _version(options["version"], company)
        text = programme_as_text(version, currency=company.currency)
        if options["file"] == "-":
            self.stdout.write(text, ending="")
            return
        path = Path(options["file"])
        with writing(path):
            path.write_text(text, encoding="utf-8")
        self.stdout.write(_("Version %(number)s is in %(file)s") % {"number": version.number, "file": options["file"]})


def _version(number: str | None, company: Company) -> ProgrammeVersion:
    if number is None:
        return version_on(company.today())
    if number.isascii() and number.isdecimal() and len(number) < 10:
        found = ProgrammeVersion.objects.filter(number=int(number)).first()
        if found is not None:
            return found
    known = ProgrammeVersion.objects.order_by("number").values_list("number", flat=True)
    raise CommandError(
        _("There is no version %(number)s. There are: %(known)s.")
        % {"number": number[:20], "known": ", ".join(map(str, known))}
    )

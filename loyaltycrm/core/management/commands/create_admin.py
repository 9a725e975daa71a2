"""Make the first admin of an installation."""

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from loyaltycrm.core.actions.staff import add_person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Role


class Command(BaseCommand):
    help = "Make an admin. The password is asked for, or read from standard input; there is no default one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "email", nargs="?", default="", help="what the person logs in with; asked for when left out"
        )
        parser.add_argument("--name", default="", help="the person's name; asked for when it is left out")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"] or self._ask("Email: ", what=_("an email address as the first word"))
        name = options["name"] or self._ask("Name: ", what="--name")
        password = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else self._ask_password()
        if not password:
            raise CommandError(_("No password came. Send it on the first line of standard input."))
        try:
            admin = add_person(email=email, name=name, role=Role.ADMIN, password=password, by=None)
        except Refused as refusal:
            raise CommandError(f"{refusal}.".replace("..", ".")) from refusal
        self.stdout.write(f"{admin.name} can log in as {admin.email}.")

    def _ask(self, prompt: str, *, what: str) -> str:
        self._need_a_terminal(what)
        return input(prompt).strip()

    def _ask_password(self) -> str:
        self._need_a_terminal("--password-stdin")
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Password again: "):
            raise CommandError(_("The two passwords differ. Start again."))
        return password

    def _need_a_terminal(self, what: str) -> None:
        if not sys.stdin.isatty():
            raise CommandError(_("Nobody can be asked here. Give %(what)s.") % {"what": what})

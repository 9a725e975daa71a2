"""Collect the texts to translate: Django's command with this project's files, and no noise in what it writes."""

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.commands import makemessages

IGNORED = [".venv", "bench", "node_modules", "var", "*/tests/*"]
_CREATED = re.compile(r'^"POT-Creation-Date: .*\\n"\n', re.MULTILINE)


class Command(makemessages.Command):
    """Without options: every language but English, letters written in MJML too, no dates, no guesses.

    A guessed ("fuzzy") translation is worse than none, since the tests name what is missing. A date of collection
    would change the files where no text did.
    """

    help = "Collect the texts to translate into the .po files of every language."
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]
    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=_lazy"]

    def handle(self, *args: Any, **options: Any) -> None:
        options["locale"] = options["locale"] or [code for code, _name in settings.LANGUAGES if code != "en"]
        options["extensions"] = options["extensions"] or ["py", "html", "txt", "mjml"]
        options["ignore_patterns"] = [*options["ignore_patterns"], *IGNORED]
        options["add_location"] = options["add_location"] or "file"
        options["no_obsolete"] = True
        super().handle(*args, **options)

    def write_po_file(self, potfile: str, locale: str) -> None:
        super().write_po_file(potfile, locale)
        written = Path(potfile).parent / locale / "LC_MESSAGES" / f"{self.domain}.po"
        written.write_text(_CREATED.sub("", written.read_text(encoding="utf-8")), encoding="utf-8")

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyaltycrm.lib.received import what_is_missing


class Command(BaseCommand):
    help = (
        "Looks at an offer mail as it was really received (a saved .eml file, or - for standard input) and says what "
        "is missing for one-click unsubscribing and deliverability. Exit 1 when anything is."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", help="the message with all its headers, saved from the mailbox; - reads it from stdin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["file"]
        try:
            raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            raise CommandError(
                _("%(file)s could not be read: %(reason)s.") % {"file": name, "reason": error.strerror}
            ) from error
        missing = what_is_missing(raw)
        for sentence in missing:
            self.stdout.write(f"Missing: {sentence}")
        if missing:
            raise CommandError(
                ngettext("%(count)s thing to put right.", "%(count)s things to put right.", len(missing))
                % {"count": len(missing)}
            )
        self.stdout.write(
            "Nothing is missing. DKIM names both headers; whether its signature holds, the receiver says."
        )

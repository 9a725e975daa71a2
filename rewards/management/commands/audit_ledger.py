"""Check every promise of the ledger on the real rows."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from rewards.ledger.audit import audit
from rewards.models import Posting


class Command(BaseCommand):
    help = "Check every promise of the points ledger; name the rows that break one and exit with 1."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=100, help="stop after this many broken rows (default 100)")

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for finding in audit():
            broken += 1
            self.stdout.write(f"{finding.table} {finding.row_id}: {finding.rule}: {finding.detail}")
            if broken >= options["limit"]:
                break
        if broken:
            self.stderr.write(ngettext("%(count)d broken row.", "%(count)d broken rows.", broken) % {"count": broken})
            sys.exit(1)
        self.stdout.write(
            _("The ledger keeps every promise. Postings: %(count)d.") % {"count": Posting.objects.count()}
        )

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from customers.actions.classifying import classify
from customers.models import Group
from loyaltycrm.core.errors import Refused


class Command(BaseCommand):
    help = "Decide who is regular and who is loyal at the end of a day. docs/loyalty.md has the formula."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", metavar="DATE", help="the day, as 2026-07-14; today where left out")
        parser.add_argument(
            "--only-due",
            action="store_true",
            help="look only at customers whose facts changed or whose window moved since the last pass",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            as_of = date.fromisoformat(options["as_of"]) if options["as_of"] else None
        except ValueError as error:
            raise CommandError(_("Write the day as 2026-07-14, not %(day)s.") % {"day": options["as_of"]}) from error
        is_told = options["verbosity"] > 0
        try:
            run = classify(
                as_of=as_of,
                only_due=options["only_due"],
                progress=(lambda step: self.stdout.write(f"{step} …")) if is_told else None,
            )
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        if is_told:
            for group in Group:
                self.stdout.write(f"{run.group_counts.get(group, 0):>9,}  {group.label}")
            self.stdout.write(
                f"{run.customers:,} customers looked at as of {run.as_of}; {run.changes:,} changed their group; "
                f"{(run.finished_at - run.started_at).total_seconds():.1f} s."
            )

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from customers.actions.classifying import classify
from customers.models import Group
from loyaltycrm.core.commands import add_as_of, as_of, refusals_as_sentences


class Command(BaseCommand):
    help = "Decide who is regular and who is loyal at the end of a day. docs/loyalty.md has the formula."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_as_of(parser)
        parser.add_argument(
            "--only-due",
            action="store_true",
            help="look only at customers whose facts changed or whose window moved since the last pass",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        is_told = options["verbosity"] > 0
        with refusals_as_sentences():
            run = classify(
                as_of=as_of(options),
                only_due=options["only_due"],
                progress=(lambda step: self.stdout.write(f"{step} …")) if is_told else None,
            )
        if is_told:
            for group in Group:
                self.stdout.write(f"{run.group_counts.get(group, 0):>9,}  {group.label}")
            self.stdout.write(
                f"{run.customers:,} customers looked at as of {run.as_of}; {run.changes:,} changed their group; "
                f"{(run.finished_at - run.started_at).total_seconds():.1f} s."
            )

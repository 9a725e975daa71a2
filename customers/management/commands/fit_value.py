from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from customers.actions.valuing import fit_value
from loyaltycrm.core.errors import Refused


class Command(BaseCommand):
    help = (
        "Work out what customers are expected to bring in 12 months, by BG/NBD and Gamma-Gamma. "
        "docs/value.md has the formulas."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", metavar="DATE", help="the day, as 2026-07-14; today where left out")
        parser.add_argument("--json", type=Path, metavar="FILE", help="also write the parameters to FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            as_of = date.fromisoformat(options["as_of"]) if options["as_of"] else None
        except ValueError as error:
            raise CommandError(_("Write the day as 2026-07-14, not %(day)s.") % {"day": options["as_of"]}) from error
        try:
            fit, model = fit_value(as_of=as_of)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["json"]:
            told = {
                "as_of": fit.as_of.isoformat(),
                "time_unit": "weeks",
                "customers": fit.customers,
                "came_back": fit.came_back,
                **fit.parameters,
                "spend_correlation": fit.spend_correlation,
                "check": fit.check_result,
            }
            try:
                options["json"].write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
            except OSError as error:
                raise CommandError(
                    _("%(file)s cannot be written: %(reason)s.")
                    % {"file": options["json"], "reason": error.strerror or error}
                ) from error
        if options["verbosity"] > 0:
            self.stdout.write(f"As of {fit.as_of}: {fit.customers:,} customers, {fit.came_back:,} of them came back.")
            for name, value in fit.parameters.items():
                self.stdout.write(f"{name:>20}  {value:,.4f}")
            self.stdout.write(f"{'spend_correlation':>20}  {fit.spend_correlation:,.4f}")
            if model.check:
                self.stdout.write(
                    f"Hold-out check, {model.check.known_on} to {model.check.through}: "
                    f"{model.check.expected:,.0f} purchase days expected, {model.check.actual:,} came."
                )

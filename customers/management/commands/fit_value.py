from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from customers.actions.valuing import fit_value
from loyaltycrm.core.commands import add_as_of, as_of, refusals_as_sentences, writing


class Command(BaseCommand):
    help = (
        "Work out what customers are expected to bring in 12 months, by BG/NBD and Gamma-Gamma. "
        "docs/value.md has the formulas."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_as_of(parser)
        parser.add_argument("--json", type=Path, metavar="FILE", help="also write the parameters to FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        with refusals_as_sentences():
            fit, model = fit_value(as_of=as_of(options))
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
            with writing(options["json"]):
                options["json"].write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
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

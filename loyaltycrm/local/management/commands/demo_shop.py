"""Fill an empty installation with a shop to look at."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from customers.actions.classifying import classify
from customers.actions.duplicates import ask_for_search
from customers.models import Visit
from loyaltycrm.core.models import Store
from loyaltycrm.local.shop.files import ZONE
from loyaltycrm.local.shop.fill import Login, add_logins, fill_shop, is_empty
from rewards.actions.shipped import ship_thank_you_offer


class Command(BaseCommand):
    help = "Fill an empty database with the sample shop, or with the files of a folder, and logins for each role."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, metavar="DIR", help="a folder of a shop's files instead")
        parser.add_argument("--seed", type=int, default=1, help="another number makes another shop")
        parser.add_argument("--logins", type=Path, metavar="FILE", help="write the logins here as JSON")

    def handle(self, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError(
                "The sample shop has logins that everyone knows. Set DEMO=true on a machine of your own."
            )
        if not is_empty():
            raise CommandError("This database holds a shop already. Use an empty one; make clean removes the demo's.")
        if options["data"]:
            logins = self._fill_from(options["data"])
        else:
            now = timezone.now()
            logins = fill_shop(today=now.astimezone(ZONE).date(), now=now, seed=options["seed"], say=self.stdout.write)
        ask_for_search(by=None)
        if options["logins"]:
            options["logins"].write_text(
                json.dumps([{"role": one.role, "email": one.email, "password": one.password} for one in logins])
            )
        self.stdout.write(f"Visits: {Visit.objects.count():,}.")

    def _fill_from(self, folder: Path) -> list[Login]:
        call_command("import_shop", str(folder), stdout=self.stdout, stderr=self.stderr)
        logins, staff = add_logins(list(Store.objects.order_by("code")))
        newest = Visit.objects.order_by("-business_date").values_list("business_date", flat=True).first()
        ship_thank_you_offer(by=staff["manager"])
        if newest:
            classify(as_of=newest)
        return logins

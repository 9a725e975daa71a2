from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from customers.actions.duplicates import ask_for_search, run_waiting_search


class Command(BaseCommand):
    help = "Look through all customers for profiles that may be one person. The page “Possible duplicates” shows them."

    def handle(self, *args: Any, **options: Any) -> None:
        ask_for_search(by=None)
        search = run_waiting_search()
        if search is None:
            raise CommandError("Another search is under way. Try again when it has ended.")
        self.stdout.write(f"Possible duplicates: {search.pairs}")

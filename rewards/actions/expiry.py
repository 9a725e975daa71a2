"""The nightly sweep: one posting for each lot whose points ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from loyaltycrm.core.models import Company
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.ledger import load_states, replay, write
from rewards.models import Lot
from rewards.programme import load_programmes

BATCH = 500


def sweep_expired(*, today: date | None = None) -> int:
    """Post the end of every lot that was last good before today; return how many lots ended. Safe to repeat.

    The points were not available from the moment they ended, whether or not the sweep has run.
    """
    company = Company.current()
    today = today or company.today()
    return sum(_sweep_batch(customers, today) for customers in _customers_with_ended_lots(today))


def _customers_with_ended_lots(today: date) -> Iterator[list[int]]:
    while True:
        batch = list(
            Lot.objects.filter(remaining__gt=0, good_through__lt=today, account__closed_at__isnull=True)
            .order_by("account__customer")
            .values_list("account__customer", flat=True)
            .distinct()[:BATCH]
        )
        if not batch:
            return
        yield batch


@atomic_with_retry
def _sweep_batch(customer_ids: list[int], today: date) -> int:
    programmes = load_programmes()
    zone = Company.current().zone
    work = [
        (state, replay(state, [], programmes, sweep_through=today, zone=zone).entries)
        for state in load_states(customer_ids, programmes).values()
    ]
    write(work, by=None)
    return sum(len(entries) for _state, entries in work)

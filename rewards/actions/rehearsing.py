"""What an event would do to an account: the same calculation as doing it, with nothing kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction

from loyaltycrm.core.models import Company
from rewards.ledger import AccountState, Entry, Event, NotAllowed, load_states, replay
from rewards.programme import load_programmes


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The available balance before and after, the postings it would take, and why it is refused, if it is."""

    before: int
    after: int
    entries: list[Entry]
    state: AccountState
    refusal: NotAllowed | None


def rehearse(
    event: Event,
    *,
    customer_id: int,
    visit_ids: Collection[int] = (),
    origins: Collection[str] = (),
    spendings: Collection[str] = (),
) -> Rehearsal:
    """Apply an event to a customer's account and give it up again. The rest as in `load_states`."""
    programmes = load_programmes()
    with transaction.atomic():
        state = load_states([customer_id], programmes, visit_ids=visit_ids, origins=origins, spendings=spendings)[
            customer_id
        ]
        before = state.available(event.business_date)
        replayed = replay(state, [event], programmes, zone=Company.current().zone)
        transaction.set_rollback(True)
    after = state.available(event.business_date)
    refusal = replayed.refused[0][1] if replayed.refused else None
    return Rehearsal(before, after, replayed.entries, state, refusal)

"""What receivers of webhooks are told about points. docs/webhooks.md has each field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from loyaltycrm.core.actions.announcing import Told
from rewards.event_kinds import POINTS_CHANGED
from rewards.ledger.state import AccountState, Entry


def changed_points(work: Iterable[tuple[AccountState, Sequence[Entry]]]) -> Iterator[Told]:
    """One event an account: what came and went, and what can be used on the day of the last change."""
    accounts: dict[int, tuple[AccountState, list[Entry]]] = {}
    for of, some in work:
        for entry in some:
            state = entry.account or of
            accounts.setdefault(state.account_id, (state, []))[1].append(entry)
    for state, entries in accounts.values():
        day = state.read_for or max(entry.business_date for entry in entries)
        changes = [
            {
                "reference": entry.reference,
                "kind": entry.kind,
                "points": entry.points if entry.is_credit else -entry.points,
                "business_date": entry.business_date.isoformat(),
            }
            for entry in entries
        ]
        yield Told(POINTS_CHANGED, {"changes": changes, "balance": state.available(day)}, customer=state.customer_id)

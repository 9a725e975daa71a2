"""What a merge of two customers does to what they said: tickets and surveys are the survivor's while it stands."""

from __future__ import annotations

from customers.actions.merging import lock_rows, move_rows, return_rows
from customers.models import Merge
from feedback.models import SurveyInvitation, Ticket

OWNED = (Ticket, SurveyInvitation)


def lock_feedback(customer_ids: list[int]) -> None:
    """Lock the tickets and surveys of these customers in id order, as those who work on them do before accounts."""
    for model in OWNED:
        lock_rows(model, customer_ids)


def merge_feedback(*, merge: Merge) -> None:
    """Make the merged customer's tickets and surveys the survivor's."""
    for model in OWNED:
        move_rows(merge, model)


def undo_merge_of_feedback(*, merge: Merge) -> None:
    """Give the tickets and surveys back that had moved."""
    for model in OWNED:
        return_rows(merge, model)

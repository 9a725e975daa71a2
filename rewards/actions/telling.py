"""What receivers of webhooks are told about tiers, codes and offers. docs/webhooks.md has each field."""

from __future__ import annotations

from typing import Any, Final

from loyaltycrm.core.actions.announcing import Told, parts_of
from loyaltycrm.lib.together import Part
from rewards.event_kinds import (
    OFFER_FINISHED,
    OFFER_SENT,
    TIER_CHANGED,
    VOUCHER_ISSUED,
    VOUCHER_JOINED,
    VOUCHER_RETURNED,
    VOUCHER_USED,
)
from rewards.models import Redemption, Run
from rewards.tiers import TierHistory

# An offer's code is good once its mail has left. `sent` is the statement that records that.
_SENT: Final = f"""
    SELECT given.kind, sent.customer_id AS customer, statement_timestamp() AS at,
        jsonb_build_object('offer', r.offer_id, 'run', r.id, 'code', v.code, 'benefit', v.benefit -> 'kind',
            'terms', v.benefit - 'kind', 'valid_from', v.valid_from, 'good_through', v.good_through) AS data
    FROM sent JOIN rewards_run r ON r.id = sent.run_id JOIN rewards_voucher v ON v.id = sent.voucher_id
    CROSS JOIN (VALUES ('{OFFER_SENT}'), ('{VOUCHER_ISSUED}')) AS given(kind)"""  # noqa: S608 - constants only


def sent_offer() -> list[Part]:
    """An offer's mail that left, and its code: parts of a statement that returns the delivery as `sent`."""
    return parts_of(_SENT)


def finished_run(run: Run, counts: dict[str, int]) -> Told:
    """A run of an offer that is over, and how many customers it ended how for."""
    return Told(OFFER_FINISHED, {"offer": run.offer_id, "run": run.pk, "status": run.status, "customers": counts})


def changed_tier(customer_id: int, before: str, history: TierHistory) -> Told:
    """A rise or a fall, with what the customer has towards the next one (in the unit of the programme)."""
    since = history.steps[-1].on.isoformat() if history.steps else None
    data = {"tier": history.tier, "before": before, "since": since, "qualifying": history.qualifying}
    return Told(TIER_CHANGED, data, customer=customer_id)


def used_voucher(redemption: Redemption) -> Told:
    """A code or a reward handed over at a till."""
    return Told(VOUCHER_USED, _about(redemption), customer=redemption.customer_id)


def joined_visit(redemption: Redemption) -> Told:
    """A use of points, told of before, that belongs to a visit from now on."""
    return Told(VOUCHER_JOINED, _about(redemption), customer=redemption.customer_id)


def returned_voucher(redemption: Redemption, *, is_good_again: bool) -> Told:
    """A use that was undone: an offer's code is good again, a reward's is not."""
    return Told(VOUCHER_RETURNED, _about(redemption) | {"good_again": is_good_again}, customer=redemption.customer_id)


def _about(redemption: Redemption) -> dict[str, Any]:
    voucher = redemption.voucher
    return {
        "use": redemption.pk,
        "code": voucher.code if voucher else None,
        "benefit": str(voucher.benefit.kind) if voucher else None,
        "reward": redemption.reward_id,
        "points": redemption.points,
        "value_cents": redemption.value_cents,
        "off_cents": redemption.off_cents,
        "bonus_points": redemption.bonus_points,
        "visit": redemption.visit_id,
        "store": redemption.store.code if redemption.store else None,
    }

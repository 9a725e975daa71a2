"""The ledger's pure function against a calculator that was written from the words of the specification alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from loyaltycrm.tests import oracle
from rewards.ledger import AccountState, Event, GaveMoneyBack, Sold, UsedPoints, replay
from rewards.ledger.state import Entry
from rewards.models import PostingKind
from rewards.programme import Basket, Programme, Programmes
from rewards.tests.rules import SHIPPED
from rewards.tiers import tier_history

PROGRAMMES = Programmes([Programme(version_id=1, number=1, starts_on=None, rules=SHIPPED)])
FIRST_DAY = datetime(2024, 1, 1, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Story:
    """One customer's receipts, refunds and redemptions as rows of a till's files."""

    purchases: list[dict[str, str]]
    refunds: list[dict[str, str]]
    redemptions: list[dict[str, str]]
    as_of: date


def money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Receipts spread over up to four years, so that lots lapse, with refunds late, partial and whole."""
    purchases, refunds, redemptions = [], [], []
    at = FIRST_DAY
    for number in range(draw(st.integers(1, 14))):
        at += timedelta(days=draw(st.sampled_from([0, 0, 1, 2, 5, 30, 120, 200])), minutes=draw(st.integers(0, 300)))
        cents = draw(st.one_of(st.integers(0, 3_000), st.sampled_from([0, 99, 100, 101, 25_000, 60_050, 100_000])))
        receipt = f"R{number:03d}"
        row = {"customer_id": "A", "store_id": "S", "discount_amount": "0.00", "items": "1", "currency": "EUR"}
        purchases.append(
            row
            | {
                "receipt_id": receipt,
                "purchased_at": at.isoformat(),
                "gross_amount": money(cents),
                "net_amount": money(cents),
                "refund_of": "",
            }
        )
        if draw(st.booleans()):
            redemptions.append(
                {
                    "redemption_id": f"P{number:03d}",
                    "customer_id": "A",
                    "points": str(500 * draw(st.integers(1, 3))),
                    "redeemed_at": at.isoformat(),
                    "receipt_id": receipt,
                }
            )
        back_at, left = at, cents
        for part in range(draw(st.integers(0, 2))):
            back_at += timedelta(days=draw(st.sampled_from([0, 1, 40, 364, 365, 400])), minutes=1 + part)
            back = draw(st.integers(0, left)) if draw(st.booleans()) else left
            if not back:
                break
            left -= back
            refunds.append(
                row
                | {
                    "receipt_id": f"B{number:03d}{part}",
                    "purchased_at": back_at.isoformat(),
                    "gross_amount": money(-back),
                    "net_amount": money(-back),
                    "refund_of": receipt,
                }
            )
    last = max(datetime.fromisoformat(row["purchased_at"]) for row in [*purchases, *refunds]).date()
    return Story(
        purchases, refunds, redemptions, last + timedelta(days=draw(st.sampled_from([0, 1, 13, 14, 363, 800])))
    )


def cents_of(text: str) -> int:
    return int(text.replace(".", ""))


def events_of(story: Story) -> list[Event]:
    def at(text: str) -> tuple[datetime, date]:
        instant = datetime.fromisoformat(text)
        return instant, instant.date()

    events: list[Event] = []
    for row in story.purchases:
        receipt = row["receipt_id"]
        instant, day = at(row["purchased_at"])
        basket = Basket(net_cents=cents_of(row["net_amount"]), day=day)
        events.append(Sold(instant, day, f"visit:{receipt}", receipt, receipt, basket))
    for row in story.refunds:
        receipt, key = row["refund_of"], row["receipt_id"]
        events.append(
            GaveMoneyBack(*at(row["purchased_at"]), f"refund:{key}", receipt, key, -cents_of(row["net_amount"]))
        )
    for row in story.redemptions:
        receipt, key = row["receipt_id"], row["redemption_id"]
        events.append(
            UsedPoints(*at(row["redeemed_at"]), f"redemption:{key}", int(row["points"]), receipt, receipt, at_rate=True)
        )
    return events


def total(entries: list[Entry], *kinds: PostingKind) -> int:
    return sum(entry.points for entry in entries if entry.kind in kinds)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories())
def test_an_account_moves_as_the_words_say(story: Story) -> None:
    state = AccountState(customer_id=1, account_id=1)
    replayed = replay(state, events_of(story), PROGRAMMES, sweep_through=story.as_of + timedelta(days=1), zone=UTC)
    refused = {refusal.reference.removeprefix("redemption:") for refusal, _why in replayed.refused}
    accepted = [row for row in story.redemptions if row["redemption_id"] not in refused]
    expected = oracle.replay(story.purchases, story.refunds, accepted, story.as_of).get("A", oracle.Row())
    # What lapses at the end of the last day is swept on the next one.
    due = [entry for entry in replayed.entries if entry.business_date <= story.as_of]
    swept_tomorrow = total(replayed.entries, PostingKind.EXPIRE) - total(due, PostingKind.EXPIRE)
    event(f"arrears {any(entry.arrears_change for entry in due)}")
    event(f"given back {bool(total(due, PostingKind.GIVE_BACK))}")
    event(f"lapsed {bool(total(due, PostingKind.EXPIRE))}")

    assert state.available(story.as_of) + swept_tomorrow == expected.points_balance
    assert total(due, PostingKind.EARN) == expected.points_earned
    assert total(due, PostingKind.REDEEM) - total(due, PostingKind.GIVE_BACK) == expected.points_spent
    assert total(due, PostingKind.TAKE_BACK) == expected.points_taken_back
    assert total(due, PostingKind.EXPIRE) == expected.points_expired
    assert state.book_balance == sum(lot.remaining for lot in state.lots) - state.arrears


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories())
def test_an_overspending_redemption_would_be_refused_by_the_words_too(story: Story) -> None:
    state = AccountState(customer_id=1, account_id=1)
    refused = replay(state, events_of(story), PROGRAMMES, zone=UTC).refused
    if not refused:
        return
    with pytest.raises(oracle.RefusedError):
        oracle.replay(story.purchases, story.refunds, story.redemptions, story.as_of)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories())
def test_the_tier_on_any_day_is_as_the_words_say(story: Story) -> None:
    spend: dict[date, int] = {}
    for row in [*story.purchases, *story.refunds]:
        day = datetime.fromisoformat(row["purchased_at"]).date()
        spend[day] = spend.get(day, 0) + cents_of(row["net_amount"])
    expected = oracle.replay(story.purchases, story.refunds, [], story.as_of).get("A", oracle.Row())
    assert tier_history({"net_spend": spend}, PROGRAMMES, story.as_of).tier == expected.tier

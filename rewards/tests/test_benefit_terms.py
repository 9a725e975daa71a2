"""Each kind of benefit on a sale: the examples of docs/offers.md, worked out by hand, and what holds for any sale."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rewards.benefit_forms import benefit_fields, shown, typed_terms
from rewards.benefits import (
    TERMS_OF,
    Benefit,
    BenefitKind,
    BonusPoints,
    BuyOneGetOne,
    EarlyAccess,
    ExclusiveSale,
    ExtendedWarranty,
    FasterService,
    FreeItem,
    FreeTrial,
    Gift,
    Given,
    Goods,
    LowInterestFinancing,
    MembershipDays,
    MoneyOff,
    NextPurchase,
    NotNow,
    PercentOff,
    PointsMultiplier,
    Sale,
    VolumeOff,
    as_stored,
    read_benefit,
    work_out,
)
from rewards.benefits.steps import DiscountStep
from rewards.benefits.words import benefit_in_words

TUESDAY = date(2026, 7, 14)
STEPS = [DiscountStep(from_cents=50_00, basis_points=500), DiscountStep(from_cents=100_00, basis_points=1_000)]
BREAD = Goods(7_98, Decimal(2), "4750001", "Bread")
MILK = Goods(1_25, Decimal(1), "4750002", "Dairy")
CHEESE = Goods(5_49, Decimal("0.612"), "4750003", "Dairy")
ONE_OF_EACH: list[Benefit] = [
    MoneyOff(value_cents=3_00, minimum_spend_cents=6_00),
    PercentOff(basis_points=1_250, cap_cents=10_00, categories=["Dairy"], weekdays=[0, 1]),
    VolumeOff(steps=STEPS),
    BuyOneGetOne(products=["4750001"], buy=2, free=1, basis_points=5_000, sets=2),
    FreeItem(worth_cents=2_50, stores=["BARONA"]),
    NextPurchase(basis_points=1_000, cap_cents=5_00, days=30),
    PointsMultiplier(numerator=3, denominator=2, cap_points=100),
    BonusPoints(points=50),
    MembershipDays(days=30),
    Gift(worth_cents=4_00, within_days=7),
    FreeTrial(trial_days=14),
    ExtendedWarranty(months=12),
    LowInterestFinancing(rate_basis_points=0, months=10, most_cents=1_000_00),
    EarlyAccess(days_before=3),
    ExclusiveSale(),
    FasterService(within_days=1),
]


def sale(amount_cents: int, *goods: Goods, **more: Any) -> Sale:
    return Sale(amount_cents, **{"day": TUESDAY, "store": "BARONA", "currency": "EUR", "goods": goods, **more})


def off(benefit: Benefit, on: Sale) -> int | str:
    """The cents that it takes off, or the first words of why it does not."""
    outcome = work_out([benefit], on)[0]
    return outcome.off_cents if isinstance(outcome, Given) else outcome.words


@pytest.mark.parametrize(
    ("benefit", "on", "taken"),
    [
        (MoneyOff(value_cents=3_00), sale(24_90), 3_00),
        (MoneyOff(value_cents=3_00), sale(2_40), 2_40),
        (MoneyOff(value_cents=3_00, minimum_spend_cents=6_00), sale(5_99), "It needs a visit of €6.00 or more."),
        (PercentOff(basis_points=1_000), sale(24_95), 2_49),  # 249.5 cents
        (PercentOff(basis_points=2_000, cap_cents=5_00), sale(80_00), 5_00),  # 16.00
        (PercentOff(basis_points=1_000, categories=["dairy"]), sale(14_72, BREAD, MILK, CHEESE), 67),  # of 6.74
        (PercentOff(basis_points=1_000, categories=["Fish"]), sale(14_72, BREAD, MILK, CHEESE),
         "Its goods are not on this receipt: Fish."),
        (PercentOff(basis_points=1_000, products=["4750001"]), sale(14_72, item_cents=7_98), 79),
        (PercentOff(basis_points=1_000, products=["4750001"]), sale(14_72), "Enter the price of the item it is for."),
        (VolumeOff(steps=STEPS), sale(49_99), "It needs a visit of €50.00 or more."),
        (VolumeOff(steps=STEPS), sale(99_99), 4_99),  # 499.95 cents
        (VolumeOff(steps=STEPS), sale(100_00), 10_00),
        (BuyOneGetOne(products=["4750001"]), sale(14_72, BREAD, MILK, CHEESE), 3_99),
        (BuyOneGetOne(categories=["Dairy"]), sale(14_72, BREAD, MILK, CHEESE), 1_25),  # the cheaper of two
        (BuyOneGetOne(), sale(14_72, BREAD, MILK, CHEESE), 3_99),  # cheese 5.49 is bought, bread 3.99 is free
        (BuyOneGetOne(sets=2), sale(14_72, BREAD, MILK, CHEESE), 5_24),  # and bread 3.99 with milk 1.25
        (BuyOneGetOne(products=["4750001"], buy=2), sale(14_72, BREAD, MILK),
         "It needs 3 pieces of its goods on the receipt: 4750001."),
        (BuyOneGetOne(products=["4750001"], basis_points=5_000), sale(7_98, BREAD), 1_99),  # half of 3.99
        (BuyOneGetOne(products=["4750001"]), sale(7_98, item_cents=3_99), 3_99),
        (BuyOneGetOne(products=["4750001"]), sale(7_97, item_cents=3_99),
         "It needs 2 pieces of its goods on the receipt: 4750001."),  # only one was bought
        (BuyOneGetOne(products=["4750001"]), sale(3_99, item_cents=5_00),
         "It needs 2 pieces of its goods on the receipt: 4750001."),
        (FreeItem(worth_cents=3_00, products=["4750001"]), sale(14_72, BREAD, MILK), 3_00),
        (FreeItem(worth_cents=9_00, products=["4750001"]), sale(14_72, BREAD, MILK), 3_99),
        (FreeItem(worth_cents=9_00, products=["4750009"]), sale(14_72, BREAD, MILK),
         "Its goods are not on this receipt: 4750009."),
        (FreeItem(worth_cents=2_50), sale(14_72), 0),  # over the counter
        (MoneyOff(value_cents=3_00, stores=["CENTRS"]), sale(24_90), "Only in other stores: CENTRS."),
        (MoneyOff(value_cents=3_00, weekdays=[5, 6]), sale(24_90), "Not today. Its days: Saturday, Sunday."),
        (MoneyOff(value_cents=3_00), sale(0), "There is nothing left to take it off."),
        (BonusPoints(points=50), sale(24_90), 0),
    ],
)  # fmt: skip
def test_what_one_benefit_takes_off(benefit: Benefit, on: Sale, taken: int | str) -> None:
    assert off(benefit, on) == taken


def test_several_are_worked_out_in_the_order_of_the_document_whatever_order_they_come_in() -> None:
    """100.00 with bread of 2 × 3.99: one bread free leaves 96.01, 10% of that is 9.60, then 5.00 off: 81.41."""
    money, share, item = MoneyOff(value_cents=5_00), PercentOff(basis_points=1_000), BuyOneGetOne(products=["4750001"])
    for benefits in ([money, share, item], [item, money, share]):
        outcomes = dict(zip([one.kind for one in benefits], work_out(benefits, sale(100_00, BREAD)), strict=True))
        taken = {str(kind): outcome.off_cents for kind, outcome in outcomes.items() if isinstance(outcome, Given)}
        assert taken == {"buy_one_get_one": 3_99, "percent_off": 9_60, "money_off": 5_00}


@given(
    amount=st.integers(0, 500_00),
    prices=st.lists(st.tuples(st.integers(0, 50_00), st.integers(1, 9), st.sampled_from(["A", "B"])), max_size=6),
    chosen=st.lists(st.sampled_from([*ONE_OF_EACH, BuyOneGetOne(), PercentOff(basis_points=9_999)]), max_size=6),
    item=st.none() | st.integers(0, 60_00),
)  # fmt: skip
def test_no_sale_is_taken_below_nothing(
    amount: int, prices: list[tuple[int, int, str]], chosen: list[Benefit], item: int | None
) -> None:
    goods = tuple(Goods(cents, Decimal(count), product) for cents, count, product in prices)
    outcomes = work_out(chosen, sale(amount, *goods, item_cents=item))
    assert len(outcomes) == len(chosen)
    taken = [outcome.off_cents for outcome in outcomes if isinstance(outcome, Given)]
    assert all(cents >= 0 for cents in taken)
    assert sum(taken) <= amount
    assert all(outcome.words for outcome in outcomes if isinstance(outcome, NotNow))


@pytest.mark.django_db
def test_every_kind_is_stored_and_read_back_typed_and_said() -> None:
    assert {one.kind for one in ONE_OF_EACH} == set(BenefitKind) == set(TERMS_OF)
    for benefit in ONE_OF_EACH:
        assert read_benefit(as_stored(benefit)) == benefit
        assert benefit_in_words(benefit, "EUR").endswith(".")


@pytest.mark.django_db
@pytest.mark.parametrize("benefit", ONE_OF_EACH, ids=lambda benefit: str(benefit.kind))
def test_the_form_of_a_kind_shows_and_reads_all_of_its_terms(benefit: Benefit) -> None:
    values = shown(benefit)
    fields = benefit_fields(BenefitKind(benefit.kind))
    assert set(fields) <= set(values) | {f"{name}_{row}" for name in ("from", "percent") for row in range(4)}
    assert read_benefit(typed_terms(BenefitKind(benefit.kind), values)) == benefit


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "house"},
        {"kind": "money_off"},
        {"kind": "money_off", "value_cents": 0},
        {"kind": "money_off", "value_cents": 2.5},
        {"kind": "money_off", "value_cents": "300"},
        {"kind": "money_off", "value_cents": True},
        {"kind": "money_off", "value_cents": 300, "colour": "red"},
        {"kind": "percent_off", "basis_points": 10_001},
        {"kind": "points_multiplier", "numerator": 3, "denominator": 3},
        {"kind": "next_purchase", "days": 10},
        {"kind": "next_purchase", "days": 10, "value_cents": 100, "basis_points": 100},
        {"kind": "volume_off", "steps": []},
        {"kind": "gift", "within_days": 367},
        {"kind": "money_off", "value_cents": 300, "weekdays": [7]},
    ],
)
def test_terms_that_cannot_be_are_no_benefit(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_benefit(wrong)

"""The programme in plain words: every rule a sentence."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from django.utils import translation

from rewards.benefits.words import factor_in_words
from rewards.plain_words import Section, differences, policy_in_words, programme_in_words, terms_of
from rewards.programme import Programme
from rewards.programme.earning_rules import EarningRule
from rewards.programme.schema import DaysAfterActivity, EndOfMonthPlus, FixedDate, Never
from rewards.rule_words import Terms, rule_in_words
from rewards.tests.drafts import first_version, rules_with

TERMS = Terms(currency="EUR", stores={"barona": "Barona iela"}, tiers={"gold": "Gold"}, partners={"FUEL": "Fuel & Co"})


def programme(rules: dict[str, Any]) -> Programme:
    return Programme(version_id=0, number=1, starts_on=None, rules=rules)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def said_of(**parts: Any) -> str:
    given = {"key": "r", "names": {"en": "Name"}, "gives": {"kind": "bonus", "points": 1}, **parts}
    return plain(rule_in_words(EarningRule.model_validate(given), TERMS))


@pytest.mark.django_db
def test_the_shipped_programme() -> None:
    sections = programme_in_words(programme(first_version().rules), currency="EUR")
    words = {section.title: [plain(sentence) for sentence in section.sentences] for section in sections}
    assert words == {
        "Earning points": [
            "Points for what is paid: Every full €1.00 paid earns 1 point. Parts of a step earn nothing.",
            (
                "Double points at the weekend: The points from the rules above ×2. "
                "Only where this holds: weekdays (Saturday, Sunday)."
            ),
        ],
        "What counts": [
            "What was paid after discounts earns points.",
            "The part that points paid earns points too.",
            "Sales of gift cards earn points.",
            "Tax counts.",
            "The points of a visit are rounded down, once, at the end.",
            "Points can be used at once.",
        ],
        "How long points last": [
            "Points are good for 365 days, the day of the visit included.",
            "Points that end first are used first.",
        ],
        "Using points": [
            "500 points are worth €5.00 off a visit.",
            "As money off, points are used in multiples of 500.",
            "Rewards of the catalogue cost what the catalogue says.",
        ],
        "When goods come back": [
            "A refund takes back the points that the money given back had earned.",
            "Where they were spent already, the next points earned make up for it.",
            "Points spent on the refunded visit come back. If they have ended meanwhile, they last 14 more days.",
        ],
        "Tiers": [
            "Member: from €0.00.",
            "Silver: from €1,000.00.",
            "Gold: from €2,500.00.",
            "What counts is the money paid, less refunds.",
            "Counted over the last 365 days.",
            "A customer rises on the day that reaches the next tier.",
            "A customer falls at the end of a day that does not reach the tier.",
        ],
        "Membership": ["None is sold."],
        "Discount on large or frequent baskets": ["There is none."],
    }


def test_what_a_rule_gives() -> None:
    share = {"kind": "per_amount", "points": 3, "step_cents": 200, "proportional": True}
    assert said_of(gives=share) == "Name: 3 points for each €2.00 paid; parts earn their share."
    assert said_of(gives={"kind": "bonus", "points": 50}) == "Name: 50 points extra."
    times = {"kind": "times", "numerator": 5, "denominator": 4}
    assert said_of(gives=times) == "Name: The points from the rules above ×1.25."


@pytest.mark.parametrize(
    ("factor", "words"),
    [(Fraction(2), "2"), (Fraction(3, 2), "1.5"), (Fraction(4, 3), "4/3"), (Fraction(9, 8), "1.125")],
)
def test_factors(factor: Fraction, words: str) -> None:
    assert factor_in_words(factor) == words


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"stores": ["BARONA", "LOST"]}, "stores (Barona iela, LOST)"),
        ({"channels": ["web"]}, "where the visit is recorded (Web shop)"),
        ({"from_time": "10:00"}, "hours (10:00–24:00)"),
        ({"until_time": "09:30"}, "hours (00:00–09:30)"),
        ({"products": ["A", "B"]}, "only goods with these product numbers (A, B)"),
        ({"min_net_cents": 2000}, "paid at least €20.00"),
        ({"payment_methods": ["mobile"]}, "paid with (Phone)"),
        ({"partners": ["FUEL", "LOST"]}, "bought at these partners (Fuel & Co, LOST)"),
        ({"tiers": ["gold"]}, "tier before the visit (Gold)"),
        ({"members_only": True}, "the customer's membership holds"),
        ({"first_purchase": True}, "the customer's first purchase"),
        ({"birthday": "month"}, "the month of the customer's birthday"),
        ({"first_day": "2027-01-31"}, "first day: 31 January 2027"),
    ],
)
def test_a_condition(when: dict[str, Any], words: str) -> None:
    assert said_of(when=when) == f"Name: 1 point extra. Only where this holds: {words}."


def test_several_conditions() -> None:
    when = {"categories": ["Bread"], "min_net_cents": 500, "last_day": "2027-02-28"}
    assert said_of(when=when) == (
        "Name: 1 point extra. Only where all of this holds: last day: 28 February 2027; "
        "only goods of these categories (Bread); these goods for at least €5.00."
    )


def test_limits() -> None:
    assert said_of(cap={"points": 500, "per": "month"}, budget_points=10_000, group="bread") == (
        "Name: 1 point extra. For one customer at most 500 points a month. For all customers together at most "
        "10,000 points; then the rule gives nothing. "
        "Of the rules of group “bread” only the best for the customer counts."
    )


def test_how_long_points_last() -> None:
    year_end = FixedDate(policy="fixed_date", month=12, day=31, at_least_days=90)
    assert [
        plain(policy_in_words(policy))
        for policy in (
            DaysAfterActivity(policy="days_after_activity", days=180),
            year_end,
            EndOfMonthPlus(policy="end_of_month_plus", months=0),
            EndOfMonthPlus(policy="end_of_month_plus", months=12),
            Never(policy="never"),
        )
    ] == [
        "Points are good for 180 days from the customer's last visit or use of points on, that day included.",
        "Points end on this day of the year: 31 December, the first that leaves at least 90 days.",
        "Points are good to the end of the month in which they are earned.",
        "Points are good to the end of the month that comes 12 months after they are earned.",
        "Points never expire.",
    ]


@pytest.mark.django_db
def test_only_what_differs_is_shown() -> None:
    def given(*keys: str, grace_days: int) -> list[Section]:
        def change(rules: dict[str, Any]) -> None:
            bonus = {"gives": {"kind": "bonus", "points": 5}}
            rules["earning"]["rules"] = [{"key": key, "names": {"en": key}, **bonus} for key in keys]
            rules["refunds"]["grace_days"] = grace_days

        return programme_in_words(programme(rules_with(change)), currency="EUR")

    before, after = given("one", "two", grace_days=14), given("two", "one", grace_days=30)
    assert differences(before, before) == []
    earning, refunds = differences(before, after)
    assert (earning.title, earning.gone, earning.new) == ("Earning points", [], [])
    assert (refunds.title, len(refunds.gone), len(refunds.new)) == ("When goods come back", 1, 1)
    assert "30 more days" in refunds.new[0]


@pytest.mark.django_db
def test_names_are_in_the_readers_language() -> None:
    with translation.override("lv"):
        section: Section = programme_in_words(programme(first_version().rules), currency="EUR")[0]
        assert "Nedēļas nogalē dubulti punkti" in section.sentences[1]
        assert terms_of(programme(first_version().rules), currency="EUR").tiers["gold"] == "Zelta"

"""The words of an offer: placeholders, and customers whose name nobody knows."""

import pytest

from rewards.wording import filled_in, unknown_placeholders, without_name


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("{first_name}, come by for bread", "Come by for bread"),
        ("We have missed you, {first_name}", "We have missed you"),
        ("Hello {first_name}. Come by", "Hello. Come by"),
        ("{first_name}, mums Jūs pietrūka", "Mums Jūs pietrūka"),
        ("Ольга скучает. {first_name}, заходите", "Ольга скучает. заходите"),
        ("No name here", "No name here"),
        ("First line\n{first_name}, second", "First line\nSecond"),
    ],
)
def test_without_a_name_no_comma_is_left_over(text: str, shorter: str) -> None:
    assert without_name(text) == shorter


def test_placeholders_are_replaced_and_nothing_else() -> None:
    text = "{first_name}: {benefit}, {points}, {first_name}"
    assert filled_in(text, first_name="Anna", benefit="€3 off", points="221 points") == "Anna: €3 off, 221 points, Anna"


def test_a_benefit_that_comes_first_gets_its_capital() -> None:
    assert filled_in("{first_name}, {benefit} для Вас", first_name="", benefit="скидка 3 €", points="") == (
        "Скидка 3 € для Вас"
    )


def test_a_name_in_braces_is_not_filled_in_again() -> None:
    assert filled_in("{first_name}", first_name="{points}", benefit="", points="221") == "{points}"


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("{first_name} {benefit} {points}", []),
        ("{name}", ["{name}"]),
        ("{ first_name }", ["{ first_name }"]),
        ("half {first_name", ["{"]),
        ("}{", ["}", "{"]),
        ("{{first_name}}", ["{", "}"]),
    ],
)
def test_braces_that_mean_nothing_are_found(text: str, unknown: list[str]) -> None:
    assert unknown_placeholders(text) == unknown

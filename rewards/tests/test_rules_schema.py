"""What rules may say: everything written out comes back, and each mistake is told by its place and a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rewards.models import ProgrammeVersion
from rewards.programme import Mistake, RulesInvalid, as_document, check_rules
from rewards.tests.rules import RATE, SHIPPED, bonus, per_amount, rule, rules_of, times


def mistakes(rules: Any) -> list[Mistake]:
    with pytest.raises(RulesInvalid) as caught:
        check_rules(rules)
    return caught.value.mistakes


def changed(path: str, value: Any) -> dict[str, Any]:
    """The shipped rules with one value replaced (`earning.rules.0.key`) or, with `...`, taken out."""
    rules: dict[str, Any] = json.loads(json.dumps(SHIPPED))
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    here: Any = rules
    for step in way:
        here = here[step]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return rules


@pytest.mark.django_db
def test_the_shipped_programme_is_that_of_the_specification() -> None:
    def nameless(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: nameless(value) for key, value in part.items() if key != "names"}
        return [nameless(one) for one in part] if isinstance(part, list) else part

    shipped = as_document(check_rules(ProgrammeVersion.objects.get(number=1).rules))
    assert nameless(shipped) == nameless(as_document(check_rules(SHIPPED)))


def test_what_is_written_out_reads_the_same() -> None:
    night = rule("night", bonus(5), from_time="22:00", until_time="02:00", first_day="2026-02-28", tiers=["gold"])
    rules = check_rules(rules_of(RATE, night))
    document = as_document(rules)
    assert document["earning"]["rules"][1]["when"]["from_time"] == "22:00"
    assert document["earning"]["rules"][1]["when"]["first_day"] == "2026-02-28"
    assert check_rules(document) == rules


@pytest.mark.parametrize(
    ("path", "value", "place", "sentence"),
    [
        ("expiry", ..., "expiry", "Is missing. Add it."),
        ("surprise", 1, "surprise", "Is not known here. Check the spelling or leave it out."),
        ("earning.pending_days", 366, "earning.pending_days", "Write 365 or less."),
        ("earning.pending_days", -1, "earning.pending_days", "Write 0 or more."),
        ("earning.pending_days", 1.0, "earning.pending_days", "Write a whole number."),
        ("earning.pending_days", True, "earning.pending_days", "Write a whole number."),
        ("earning.pending_days", "7", "earning.pending_days", "Write a whole number."),
        ("earning.pending_days", float("nan"), "earning.pending_days", "Write a whole number."),
        ("earning.rounding", "half", "earning.rounding", "Write one of: 'down', 'nearest' or 'up'."),
        ("earning.rules.0.key", "Rate!", "earning.rules[0].key", None),
        ("earning.rules.0.names", {}, "earning.rules[0].names", "Give a name in at least one language."),
        ("earning.rules.0.names", {"xx": "Rate"}, "earning.rules[0].names", None),
        ("earning.rules.0.names", {"en": "a\x00b"}, "earning.rules[0].names", None),
        ("earning.rules.0.gives.kind", "magic", "earning.rules[0].gives", None),
        ("earning.rules.0.gives.step_cents", 0, "earning.rules[0].gives.step_cents", "Write 1 or more."),
        ("earning.rules.1.gives.numerator", 0, "earning.rules[1].gives.numerator", "Write 1 or more."),
        ("earning.rules.1.when.weekdays", [7], "earning.rules[1].when.weekdays[0]", "Write 6 or less."),
        ("earning.rules.1.when.from_time", "24:00", "earning.rules[1].when.from_time", None),
        ("earning.rules.1.when.first_day", "2026-02-30", "earning.rules[1].when.first_day", None),
        ("earning.rules.1.when.tiers", ["vip"], "", None),
        ("expiry.earned.days", 0, "expiry.earned.days", "Write 1 or more."),
        ("expiry.earned", {"policy": "fixed_date", "month": 4, "day": 31}, "expiry.earned.day", None),
        ("expiry.earned", {"policy": "never", "days": 3}, "expiry.earned.days", None),
        ("refunds.shortfall", "forgive", "refunds.shortfall", None),
        ("tiers.levels", [], "tiers.levels", "Write 1 or more of them."),
        ("tiers.levels.0.threshold", 5, "tiers.levels", "The lowest tier is everybody's. Let it begin at 0."),
        ("tiers.levels.2.threshold", 100_000, "tiers.levels", None),
        ("tiers.levels.2.key", "silver", "tiers.levels", None),
        ("tiers.window", {"kind": "trailing", "days": 0}, "tiers.window.days", "Write 1 or more."),
    ],
)
def test_a_mistake_is_told_by_place_and_sentence(path: str, value: Any, place: str, sentence: str | None) -> None:
    (found,) = mistakes(changed(path, value))
    assert found.path == place
    assert found.sentence.endswith(".")
    if sentence is not None:
        assert found.sentence == sentence


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([RATE, RATE], "stands here twice"),
        ([rule("double", times(2)), RATE], "Multipliers come after"),
        ([rule("a", bonus(1), group="g"), RATE, rule("b", bonus(1), group="g")], "next to each other"),
        ([rule("half", times(1, 2))], "take points away"),
        ([rule("all", per_amount(1_000_000, 1))], "more points than can be recorded"),
        ([rule("when", bonus(1), first_day="2026-02-02", last_day="2026-02-01")], "before the first"),
        ([rule("when", bonus(1), from_time="10:00", until_time="10:00")], "same time"),
    ],
)
def test_rules_that_contradict_each_other(rules: list[dict[str, Any]], words: str) -> None:
    (found,) = mistakes(rules_of(*rules))
    assert words in found.sentence


def test_every_mistake_is_told_at_once() -> None:
    rules = changed("earning.pending_days", -1)
    rules["refunds"]["grace_days"] = 0
    assert {mistake.path for mistake in mistakes(rules)} == {"earning.pending_days", "refunds.grace_days"}


@pytest.mark.parametrize("document", [None, [], 7, "rules", {"earning": []}])
def test_what_is_no_document_at_all(document: Any) -> None:
    assert mistakes(document)

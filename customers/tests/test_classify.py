"""Deciding: what stands, what the history keeps, flags, refusals, and the command."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import psycopg
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from customers.actions.classifying import classify, flag_loyalty, lift_flag
from customers.classification import NEXT_ACTIONS, facts_on, reasons_of
from customers.knobs import LOYAL_THRESHOLD, WEIGHTS
from customers.models import Classification, ClassificationRun, EvidenceKind, Group, GroupChange, LoyaltyFlag, Signal
from customers.tests.facts import ShopOfFacts
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Company

JUNE_30 = date(2026, 6, 30)
FOUR_DAYS = [date(2026, 6, number) for number in (1, 8, 15, 22)]

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> ShopOfFacts:
    return ShopOfFacts()


def changes_of(shop: ShopOfFacts, name: str) -> list[tuple[date, str, str]]:
    rows = GroupChange.objects.filter(customer=shop.customer(name)).order_by("id")
    return list(rows.values_list("on", "group_before", "group"))


def standing(shop: ShopOfFacts, name: str) -> Classification:
    return Classification.objects.get(customer=shop.customer(name))


# What stands, and the history


def test_the_history_keeps_changes_only_with_facts_and_settings(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    first = classify(as_of=date(2026, 5, 31))
    classify(as_of=date(2026, 6, 8))
    classify(as_of=date(2026, 6, 21))
    assert changes_of(shop, "ann") == [(date(2026, 5, 31), "", "unknown"), (date(2026, 6, 21), "unknown", "neither")]
    last = classify(as_of=JUNE_30)
    assert changes_of(shop, "ann")[2:] == [(JUNE_30, "neither", "regular")]
    assert (first.changes, last.changes, last.customers) == (1, 1, 1)

    change = GroupChange.objects.latest("id")
    assert change.facts == {
        "regular": True,
        "repeat_days": 3,
        "months_in_row": 1,
        "score": float(standing(shop, "ann").score or 0),
        "loyal": False,
        "thin": True,
        "flagged": False,
    }
    assert change.run == last
    assert last.knob_values["customers.repeat_threshold"] == 3


def test_the_history_cannot_be_changed(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    classify(as_of=JUNE_30)
    with pytest.raises(IntegrityError), transaction.atomic():
        GroupChange.objects.update(group="regular_loyal")
    with pytest.raises(IntegrityError), transaction.atomic():
        GroupChange.objects.all().delete()
    assert changes_of(shop, "ann") == [(JUNE_30, "", "regular")]


def test_asking_about_an_earlier_day_leaves_what_stands_and_the_history(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    classify(as_of=JUNE_30)
    run = classify(as_of=date(2026, 6, 10))
    assert (run.changes, run.group_counts) == (0, {"unknown": 1})
    assert (standing(shop, "ann").group, standing(shop, "ann").as_of) == ("regular", JUNE_30)
    assert changes_of(shop, "ann") == [(JUNE_30, "", "regular")]

    assert classify(as_of=JUNE_30, only_due=True).changes == 0
    assert standing(shop, "ann").group == "regular"


def test_facts_recorded_late_change_what_is_known_about_a_past_day_and_not_what_was_decided(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS[:3])
    classify(as_of=JUNE_30)
    shop.bought("ann", FOUR_DAYS[3])
    ann = shop.customer("ann").pk
    assert facts_on(JUNE_30, [ann])[ann].group == "regular"
    assert changes_of(shop, "ann") == [(JUNE_30, "", "neither")]


def test_facts_of_later_days_play_no_part(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    ann = shop.customer("ann").pk
    before = facts_on(JUNE_30, [ann])
    shop.bought("ann", date(2026, 7, 1))
    shop.sign("ann", "says", date(2026, 7, 1), 1)
    shop.flagged("ann", date(2026, 7, 1), date(2026, 8, 1), loyal=True)
    assert facts_on(JUNE_30, [ann]) == before
    assert facts_on(date(2026, 7, 1), [ann])[ann].group == "regular_loyal"


def test_a_signal_withdrawn_does_not_count(shop: ShopOfFacts) -> None:
    reference = shop.sign("ann", "says", date(2026, 6, 1), -1)
    ann = shop.customer("ann").pk
    assert facts_on(JUNE_30, [ann])[ann].score == Decimal("41.7")  # 50 − 25 ÷ 3
    shop.takes_back(reference, "ann", "says", date(2026, 6, 1))
    assert facts_on(JUNE_30, [ann])[ann].score is None


def test_evidence_fades_by_half_in_its_half_life_and_is_forgotten_after_three_years(shop: ShopOfFacts) -> None:
    shop.sign("ann", "says", date(2024, 6, 1), 1)
    ann = shop.customer("ann").pk
    scores = [facts_on(on, [ann])[ann].score for on in (date(2024, 6, 30), date(2025, 6, 30), date(2027, 5, 31))]
    # 25 × 1 ÷ 3; 25 × 0.5 ÷ 2.5; 25 × 0.1324 ÷ 2.1324 at 35 months
    assert scores == [Decimal("58.3"), Decimal("55.0"), Decimal("51.6")]
    assert facts_on(date(2027, 6, 1), [ann])[ann].score is None


def test_settings_decide(shop: ShopOfFacts) -> None:
    shop.sign("ann", "says", date(2026, 6, 1), 1)
    assert classify(as_of=JUNE_30).changes == 1
    assert standing(shop, "ann").group == "neither"
    set_knob(key=LOYAL_THRESHOLD.key, new=58, by=None)
    run = classify(as_of=JUNE_30, only_due=True)
    assert (run.is_full, standing(shop, "ann").group) == (True, "loyal")
    set_knob(key=WEIGHTS[EvidenceKind.SAYS].key, new=0, by=None)
    classify(as_of=JUNE_30)
    assert (standing(shop, "ann").score, standing(shop, "ann").group) == (Decimal("50.0"), "neither")


def test_full_price_says_nothing_where_nothing_is_ever_discounted(shop: ShopOfFacts) -> None:
    shop.bought("crowd", *[date(2026, 5, 1)] * 40, gross=90_00, net=90_00)
    shop.bought("ann", date(2026, 6, 1), gross=90_00, net=90_00)
    assert classify(as_of=JUNE_30).norms["stores"][""] == [1.0, 0.0]
    assert standing(shop, "ann").score is None


def test_the_number_of_statements_does_not_grow_with_the_customers(shop: ShopOfFacts) -> None:
    def statements() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            classify(as_of=JUNE_30)
        return len(queries)

    shop.bought("ann", *FOUR_DAYS)
    classify(as_of=JUNE_30)
    few = statements()
    for number in range(12):
        shop.bought(f"one of many {number}", *FOUR_DAYS)
    assert statements() == few


def test_groups_that_contradict_their_facts_cannot_be_stored(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    classify(as_of=JUNE_30)
    for wrong in ({"group": "loyal"}, {"loyal": None}, {"regular": False}, {"group": "unknown"}, {"group": "friend"}):
        with pytest.raises(IntegrityError, match="group_follows_facts"), transaction.atomic():
            Classification.objects.update(**wrong)


# Flags


@time_machine.travel("2026-06-23T12:00:00Z")
def test_a_flag_decides_from_today_through_its_last_day(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    ann = shop.customer("ann")
    flag_loyalty(customer=ann, loyal=True, reason=" Knows  everyone ", ends_on=date(2026, 6, 28), by=None)
    days = [date(2026, 6, number) for number in (22, 23, 28, 29)]
    assert [facts_on(day, [ann.pk])[ann.pk].flagged for day in days] == [False, True, True, False]
    assert facts_on(days[1], [ann.pk])[ann.pk].evidence["flag"] == {
        "loyal": True,
        "reason": "Knows everyone",
        "ends_on": "2026-06-28",
    }
    assert AuditEvent.objects.filter(action="flag loyalty", subject_id=ann.pk).count() == 1


def test_the_newest_flag_holds_and_lifting_it_gives_way_to_the_one_before(shop: ShopOfFacts) -> None:
    ann = shop.customer("ann")
    with time_machine.travel("2026-06-01T12:00:00Z"):
        flag_loyalty(customer=ann, loyal=True, reason="first", ends_on=date(2026, 8, 1), by=None)
    with time_machine.travel("2026-06-10T12:00:00Z"):
        newer = flag_loyalty(customer=ann, loyal=False, reason="second", ends_on=date(2026, 7, 1), by=None)
    with time_machine.travel("2026-06-20T12:00:00Z"):
        lift_flag(flag=newer, by=None)
        with pytest.raises(Refused):
            lift_flag(flag=newer, by=None)
    days = [date(2026, 6, number) for number in (9, 10, 19, 20)]
    assert [facts_on(day, [ann.pk])[ann.pk].loyal for day in days] == [True, False, False, True]


@time_machine.travel("2026-06-20T12:00:00Z")
@pytest.mark.parametrize(
    ("reason", "ends_on", "field"),
    [
        ("  ", date(2026, 7, 1), "reason"),
        ("x" * 201, date(2026, 7, 1), "reason"),
        ("why", date(2026, 6, 19), "ends_on"),
        ("why", date(2027, 6, 22), "ends_on"),
    ],
)
def test_flags_without_reason_or_end_are_refused(shop: ShopOfFacts, reason: str, ends_on: date, field: str) -> None:
    events = AuditEvent.objects.count()
    with pytest.raises(Refused) as refusal:
        flag_loyalty(customer=shop.customer("ann"), loyal=True, reason=reason, ends_on=ends_on, by=None)
    assert refusal.value.field == field
    assert not LoyaltyFlag.objects.exists()
    assert AuditEvent.objects.count() == events


@time_machine.travel("2026-06-23T12:00:00Z")
def test_a_night_takes_up_a_flag_and_its_end(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    shop.bought("someone else", date(2026, 5, 1))
    classify()
    flag_loyalty(customer=shop.customer("ann"), loyal=True, reason="why", ends_on=date(2026, 6, 25), by=None)
    classify(only_due=True)
    assert standing(shop, "ann").group == "regular_loyal"
    assert standing(shop, "ann").next_due_on == date(2026, 6, 26)


# Refusals, and what is written about a pass


def test_a_day_to_come_is_refused(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    with pytest.raises(Refused, match="up to today"):
        classify(as_of=Company.current().today() + timedelta(days=1))
    assert not ClassificationRun.objects.exists()
    assert not Classification.objects.exists()


def test_two_passes_at_once_are_refused(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
    ) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('customers.classify', 0))")
        with pytest.raises(Refused, match="already"):
            classify(as_of=JUNE_30)
        assert not Classification.objects.exists()
        other.rollback()
        assert classify(as_of=JUNE_30).customers == 1


def test_a_pass_is_audited(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    run = classify(as_of=JUNE_30)
    event = AuditEvent.objects.get(action="classify customers")
    assert event.subject_id == run.pk
    assert event.data == {"as_of": "2026-06-30", "full": True, "customers": 1, "changes": 1}


def test_the_command_tells_the_groups(shop: ShopOfFacts) -> None:
    shop.bought("ann", *FOUR_DAYS)
    shop.customer("bob")
    out = StringIO()
    call_command("classify", as_of="2026-06-30", stdout=out)
    lines = [line.split(maxsplit=1) for line in out.getvalue().splitlines()]
    assert ["1", "Regular, not loyal"] in lines
    assert ["1", "Not known yet"] in lines
    assert "2 customers looked at as of 2026-06-30; 2 changed their group" in out.getvalue()


@pytest.mark.parametrize("day", ["2026-06-31", "yesterday", "9999-01-01", "30.06.2026"])
def test_the_command_refuses_other_days_with_a_sentence(shop: ShopOfFacts, day: str) -> None:
    shop.bought("ann", *FOUR_DAYS)
    with pytest.raises(CommandError, match=r"Write the day as|Choose a day"):
        call_command("classify", as_of=day, stdout=StringIO())
    assert not Classification.objects.exists()


# Reasons


def test_every_source_of_a_signal_has_its_sentence_in_every_language(shop: ShopOfFacts) -> None:
    for number, source in enumerate(Signal.Source):
        for kind in EvidenceKind:
            for strength in (1, -1, 0):
                shop.sign("ann", kind, date(2026, 6, 1 + number), strength, source=source)
    shop.bought("ann", *FOUR_DAYS)
    shop.flagged("ann", date(2026, 6, 1), date(2026, 7, 1), loyal=False)
    ann = shop.customer("ann").pk
    facts = facts_on(JUNE_30, [ann])[ann]
    for language in ("en", "lv", "ru"):
        with translation.override(language):
            texts = [reason.text for reason in reasons_of(facts)]
        assert len(texts) >= len(Signal.Source) * len(EvidenceKind)
        assert not [text for text in texts if "%(" in text or not text]


def test_thin_evidence_says_so(shop: ShopOfFacts) -> None:
    shop.sign("ann", "says", date(2026, 6, 1), 1)
    ann = shop.customer("ann").pk
    facts = facts_on(JUNE_30, [ann])[ann]
    assert facts.thin
    assert reasons_of(facts)[-1].text == "Little is known so far, so the score stays near 50"


def test_every_group_has_a_next_action() -> None:
    assert set(NEXT_ACTIONS) == set(Group)
    assert json.dumps([str(action) for action in NEXT_ACTIONS.values()])

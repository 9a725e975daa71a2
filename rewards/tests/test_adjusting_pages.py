"""The pages on which points are adjusted, approved and reversed, and visits voided."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import Customer, Visit
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import Store, User
from rewards.actions.adjusting import reverse_adjustment
from rewards.actions.earning import record_visit
from rewards.models import Adjustment, AdjustmentReason, Posting
from rewards.queries import balance_of
from rewards.tests.adjustments import adjust, second_manager
from rewards.tests.drafts import handed_in, worth
from rewards.tests.rules import in_force, rules_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def fields(points: str = "120", **more: str) -> dict[str, str]:
    reason = AdjustmentReason.objects.get(key="mistake").pk
    given = {"direction": "give", "points": points, "reason": f"{reason}", "note": "Counted twice"}
    return {**given, "idempotency_key": f"{uuid4()}", **more}


def shown(page: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def seen(page: Any) -> str:
    return re.search(r'name="seen" value="([^"]*)"', page.content.decode())[1]  # type: ignore[index]


def badge(page: Any) -> str:
    """What stands beside Approvals in the navigation."""
    found = re.search(r"Approvals</span> <span class=\"chip chip-danger\">([^<]*)", page.content.decode())
    return found[1] if found else ""


def test_the_effect_is_shown_before_it_is_saved(nameless: Customer, dace: User, signed_in: SignIn) -> None:
    browser, address = signed_in(dace), f"/customers/{nameless.pk}/adjust/"
    assert "Show what it does" in shown(browser.get(address))
    form = fields()
    first = browser.post(address, form)
    assert "Balance after 120 " in shown(first)
    assert Posting.objects.count() == 0
    done = browser.post(address, {**form, "seen": seen(first)})
    assert (done.status_code, done.headers["Location"]) == (302, f"/customers/{nameless.pk}/")
    again = browser.post(address, {**form, "seen": seen(first)})
    assert balance_of(nameless).available == 120
    assert (again.status_code, again.headers["Location"]) == (302, done.headers["Location"])
    assert Adjustment.objects.count() == 1
    profile = shown(browser.get(f"/customers/{nameless.pk}/"))
    assert "Points adjusted by hand" in profile
    assert "A mistake was made" in profile


def test_a_role_moves_no_more_than_so_many_points_a_day(
    nameless: Customer, olga: Customer, dace: User, admin: User, signed_in: SignIn
) -> None:
    """Given and taken count together and over all customers; another role has its own limit, another day a new one."""
    set_knob(key="adjustment_approval_points", new=1_000_000, by=None)

    def told(browser: Client, customer: Customer, points: int) -> str:
        """What the page says to the second, confirming request: blank where it was saved."""
        form = fields(str(abs(points)), direction="give" if points > 0 else "take")
        address = f"/customers/{customer.pk}/adjust/"
        first = browser.post(address, form)
        done = browser.post(address, {**form, "seen": seen(first)}) if "seen" in first.content.decode() else first
        return "" if done.status_code == 302 else shown(done)

    with time_machine.travel(datetime(2026, 7, 15, 9, tzinfo=UTC), tick=False) as clock:
        manager = signed_in(dace)
        assert told(manager, nameless, 4_000) == ""
        assert told(manager, nameless, -900) == ""
        postings = Posting.objects.count()
        refused = told(manager, olga, 101)
        assert "101 points, and 100 left today" in refused
        assert (Posting.objects.count(), balance_of(olga).available) == (postings, 0)
        assert told(manager, olga, 100) == ""
        assert told(manager, olga, -1) != ""
        assert told(signed_in(admin), olga, 5_001) == ""
        clock.shift(timedelta(days=1))
        assert told(signed_in(dace), olga, 101) == ""
    assert balance_of(olga).available == 100 + 5_001 + 101


def test_what_changed_after_the_effect_was_shown_is_shown_anew(
    nameless: Customer, barona_iela: Store, dace: User, signed_in: SignIn
) -> None:
    browser, address = signed_in(dace), f"/customers/{nameless.pk}/adjust/"
    form = fields()
    first = browser.post(address, form)
    other = browser.post(address, {**form, "points": "130", "seen": seen(first)})
    assert "Balance after 130 " in shown(other)
    record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None)
    later = browser.post(address, {**form, "seen": seen(first)})
    assert "Adjusted by +120" in shown(later)
    assert not Adjustment.objects.exists()


def test_refusals_stand_at_their_field(nameless: Customer, dace: User, signed_in: SignIn) -> None:
    browser, address = signed_in(dace), f"/customers/{nameless.pk}/adjust/"
    takes = fields(direction="take")
    for form, words in [
        (takes, "Not enough points: 120 needed, 0 left"),
        (fields("1.5"), "Enter a whole number"),
        (fields("１２"), "Enter a whole number"),
        (fields("0"), "Enter a number from 1"),
        (fields("6000"), "Over your limit for one day"),
        (fields(note=" "), "Write what happened"),
        (fields(reason=f"{AdjustmentReason.objects.get(key='misuse').pk}"), "Choose a reason that fits"),
    ]:
        page = browser.post(address, form)
        assert words in shown(page), words
        assert "<title>Error:" in page.content.decode()
    assert not Adjustment.objects.exists()


def test_above_the_limit_another_finds_it_in_the_queue_and_approves(
    nameless: Customer, dace: User, signed_in: SignIn
) -> None:
    ilona = second_manager()
    browser, address = signed_in(dace), f"/customers/{nameless.pk}/adjust/"
    form = fields("1500")
    first = browser.post(address, form)
    assert "Ask for approval" in shown(first)
    told = browser.post(address, {**form, "seen": seen(first)}, follow=True)
    assert "wait for a second person" in shown(told)
    asked = Adjustment.objects.get()
    assert badge(told) == "1"

    queue = signed_in(ilona).get("/approvals/")
    assert "+1,500" in shown(queue)
    own = browser.post(f"/approvals/{asked.pk}/approve/", {"idempotency_key": f"{uuid4()}"}, follow=True)
    assert "Another manager approves it" in shown(own)
    assert Posting.objects.count() == 0
    mine = browser.get(f"/approvals/{asked.pk}/")
    assert "Another manager approves it" in shown(mine)
    assert "/approve/" not in mine.content.decode()
    other = signed_in(ilona)
    page = other.get(f"/approvals/{asked.pk}/")
    assert "/approve/" in page.content.decode()
    assert "Balance after 1,500 " in shown(page)
    for _twice in range(2):
        other.post(f"/approvals/{asked.pk}/approve/", {"idempotency_key": f"{uuid4()}"})
    assert (Posting.objects.count(), balance_of(nameless).available) == (1, 1_500)
    assert badge(other.get("/approvals/")) == ""
    assert "+1,500" in shown(other.get("/approvals/?status=posted"))


def test_a_no_and_a_reversal_need_a_reason(nameless: Customer, dace: User, signed_in: SignIn) -> None:
    asked = adjust(nameless, 1_500, second_manager())
    browser, key = signed_in(dace), {"idempotency_key": f"{uuid4()}"}
    page = browser.post(f"/approvals/{asked.pk}/decline/", key)
    assert "Write why" in shown(page)
    told = browser.post(f"/approvals/{asked.pk}/decline/", {**key, "note": "No proof"}, follow=True)
    assert "No proof" in shown(told)
    posted = adjust(nameless, 50, dace)
    assert "Reverse it" in shown(browser.get(f"/approvals/{posted.pk}/"))
    page = browser.post(f"/approvals/{posted.pk}/reverse/", key)
    assert "Write why" in shown(page)
    assert balance_of(nameless).available == 50
    browser.post(f"/approvals/{posted.pk}/reverse/", {**key, "note": "Wrong customer"})
    assert balance_of(nameless).available == 0


def test_one_that_cannot_be_approved_any_more_says_so(nameless: Customer, dace: User, signed_in: SignIn) -> None:
    ilona = second_manager()
    given = adjust(nameless, 900, ilona)
    asked = adjust(nameless, -900, ilona)
    assert asked.status == "waiting"
    reverse_adjustment(adjustment=given, note="Wrong", by=ilona)
    page = shown(signed_in(dace).get(f"/approvals/{asked.pk}/"))
    assert "Not enough points: 900 needed, 0 left" in page
    assert "It cannot be approved as it is" in page


def test_a_draft_of_the_programme_stands_in_the_queue(dace: User, signed_in: SignIn) -> None:
    browser = signed_in(dace)
    assert "Drafts of the programme" not in shown(browser.get("/approvals/"))
    starts_on = timezone.localdate() + timedelta(days=30)
    handed_in(worth(600), starts_on=starts_on, by=dace)
    page = signed_in(second_manager()).get("/approvals/")
    assert "Points are worth more" in shown(page)
    assert badge(page) == "1"


def test_points_are_moved_only_shortly_after_typing_the_password(nameless: Customer, dace: User) -> None:
    asked = adjust(nameless, 1_500, second_manager())
    browser = Client()
    browser.force_login(dace)
    for path in (f"/customers/{nameless.pk}/adjust/", "/approvals/export/"):
        assert browser.get(path).headers["Location"].startswith("/accounts/reauthenticate/"), path
    for step in ("approve", "decline", "reverse"):
        answer = browser.post(f"/approvals/{asked.pk}/{step}/", {"idempotency_key": f"{uuid4()}", "note": "x"})
        assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert Posting.objects.count() == 0


def test_the_queue_asks_the_same_number_of_questions_for_any_length(
    nameless: Customer, olga: Customer, dace: User, signed_in: SignIn
) -> None:
    browser = signed_in(dace)
    adjust(nameless, 10, dace)
    browser.get("/approvals/")  # what is asked once and kept
    counted = []
    for _turn in range(2):
        with CaptureQueriesContext(connection) as queries:
            browser.get("/approvals/?status=all")
        counted.append(len(queries))
        for number in range(20):
            adjust(olga if number % 2 else nameless, 10, dace)
    assert counted[0] == counted[1]


def test_the_list_is_exported_with_its_filter(nameless: Customer, dace: User, signed_in: SignIn) -> None:
    adjust(nameless, 10, dace, note="=1+1")
    adjust(nameless, 2_000, dace)
    answer: Any = signed_in(dace).get("/approvals/export/?status=posted")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 2
    assert lines[1].split(",")[2:5] == ["10", "mistake", "'=1+1"]


def test_a_visit_is_voided_from_the_timeline_with_its_effect_shown(
    nameless: Customer, barona_iela: Store, dace: User, signed_in: SignIn
) -> None:
    when = timezone.now() - timedelta(days=40)
    visit = record_visit(customer=nameless, store=barona_iela, net_cents=1_200_00, occurred_at=when, by=None).visit
    browser, address = signed_in(dace), f"/visits/{visit.pk}/void/"
    assert address in browser.get(f"/customers/{nameless.pk}/").content.decode()
    page = shown(browser.get(address))
    points = balance_of(nameless).available
    assert f"Balance: {points:,} before, 0 after" in page
    assert "Tier: Silver before, Member after" in page
    assert "Write why" in shown(browser.post(address, {"idempotency_key": f"{uuid4()}"}))
    assert balance_of(nameless).available == points
    form = {"idempotency_key": f"{uuid4()}", "reason": "Someone else's card"}
    assert "It counts nowhere any more" in shown(browser.post(address, form, follow=True))
    assert "was undone already" in shown(browser.post(address, form, follow=True))
    profile = browser.get(f"/customers/{nameless.pk}/").content.decode()
    assert address not in profile
    assert "Someone else&#x27;s card" in profile
    assert not Visit.objects.standing().exists()


def test_points_that_wait_are_told_before_a_visit_is_voided(
    nameless: Customer, barona_iela: Store, dace: User, signed_in: SignIn
) -> None:
    rules = rules_of()
    rules["earning"]["pending_days"] = 14
    in_force(rules)
    visit = record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None).visit
    points = balance_of(nameless).pending
    page = shown(signed_in(dace).get(f"/visits/{visit.pk}/void/"))
    assert points > 0
    assert f"Balance: 0 before, 0 after Points that cannot be used yet: {points} before, 0 after" in page


def test_a_visit_of_another_store_is_not_there(
    nameless: Customer, centrs: Store, dace: User, signed_in: SignIn
) -> None:
    visit = record_visit(customer=nameless, store=centrs, net_cents=10_00, by=None).visit
    browser = signed_in(dace)
    assert browser.get(f"/visits/{visit.pk}/void/").status_code == 404
    assert f"/visits/{visit.pk}/void/" not in browser.get(f"/customers/{nameless.pk}/").content.decode()


def test_the_list_of_reasons_is_kept_by_managers(dace: User, signed_in: SignIn, nameless: Customer) -> None:
    browser = signed_in(dace)
    names = {"name_en": "Tasting", "name_lv": "Degustācija", "name_ru": "Дегустация"}
    form = {**names, "direction": "adds", "is_active": "on", "idempotency_key": f"{uuid4()}"}
    for _twice in range(2):
        assert browser.post("/settings/reasons/add/", form).status_code == 302
    reason = AdjustmentReason.objects.get(names__en="Tasting")
    assert "Tasting (Adds points)" in shown(browser.get(f"/customers/{nameless.pk}/adjust/"))
    missing = browser.post(f"/settings/reasons/{reason.pk}/", {**form, "name_lv": "", "idempotency_key": f"{uuid4()}"})
    assert missing.status_code == 200
    stopped = {**names, "direction": "adds", "idempotency_key": f"{uuid4()}"}
    browser.post(f"/settings/reasons/{reason.pk}/", stopped)
    assert "Tasting" not in shown(browser.get(f"/customers/{nameless.pk}/adjust/"))
    assert "No longer offered" in shown(browser.get("/settings/reasons/"))


def test_reasons_are_narrowed_sorted_and_leave_as_a_file(dace: User, signed_in: SignIn) -> None:
    browser = signed_in(dace)
    for reason in AdjustmentReason.objects.all():
        AdjustmentReason.objects.filter(pk=reason.pk).update(is_active=False)
    for name, direction, is_active in ("Tasting", "adds", True), ("Broken jar", "takes", True), ("Fair", "adds", False):
        AdjustmentReason.objects.create(
            key=name.lower().replace(" ", "-"), names={"en": name}, direction=direction, is_active=is_active
        )
    both = shown(browser.get("/settings/reasons/?offered=true&sort=name"))
    assert 0 < both.index("Broken jar") < both.index("Tasting")
    assert "Fair" not in both
    adding = shown(browser.get("/settings/reasons/?offered=true&direction=adds"))
    assert "Tasting" in adding
    assert "Broken jar" not in adding
    answer = browser.get("/settings/reasons/export/?offered=true&direction=adds")
    rows = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert rows[1:] == ["tasting,Tasting,,,adds,yes,0"]

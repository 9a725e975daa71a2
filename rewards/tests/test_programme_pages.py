"""The programme as managers meet it: read, drafted part by part, handed in, signed, carried between shops."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyaltycrm.core.models import Company, Store, User
from rewards.actions.programme import change_rules
from rewards.models import DraftStatus, Partner, ProgrammeDraft, ProgrammeVersion
from rewards.tests.drafts import draft_of, first_version, handed_in, signed, worth

pytestmark = pytest.mark.django_db
Browser = Callable[[User], Client]
RATE = {
    "name_en": "Points for what is paid", "name_lv": "Punkti", "name_ru": "Баллы", "points": "1",
    "step_cents": "1.00", "proportional": "no",
}  # fmt: skip


@pytest.fixture
def soon() -> date:
    return Company.current().today() + timedelta(days=30)


@pytest.fixture
def browser(signed_in: Browser, dace: User) -> Client:
    return signed_in(dace)


@pytest.fixture
def draft(dace: User, soon: date) -> ProgrammeDraft:
    return draft_of(worth(600), starts_on=soon, by=dace)


def words_of(answer: Any) -> str:
    return unescape(answer.content.decode()).replace("\u00a0", " ")


def page_of(browser: Client, name: str, *args: Any) -> str:
    return words_of(browser.get(reverse(f"rewards:{name}", args=args)))


def save(browser: Client, name: str, draft: ProgrammeDraft, *args: Any, **typed: Any) -> Any:
    draft.refresh_from_db()
    form = {"revision": str(draft.revision), "idempotency_key": str(uuid4()), **typed}
    answer = browser.post(reverse(f"rewards:{name}", args=[draft.pk, *args]), form)
    draft.refresh_from_db()
    return answer


def test_from_reading_to_signing(browser: Client, signed_in: Browser, dace: User, admin: User, soon: date) -> None:
    assert "Version 1, in force from the beginning" in page_of(browser, "programme")
    made = browser.post(reverse("rewards:draft_create", args=[first_version().pk]), {"idempotency_key": str(uuid4())})
    draft = ProgrammeDraft.objects.get()
    assert made.url == reverse("rewards:programme_draft", args=[draft.pk])  # type: ignore[attr-defined]
    assert "Nothing yet. Change a part below." in page_of(browser, "programme_draft", draft.pk)
    save(browser, "draft_redemption", draft, points="500", value_cents="6.00", minimum_points="")
    save(browser, "draft_plan", draft, starts_on=soon.isoformat(), note="Points are worth more")
    page = page_of(browser, "programme_draft", draft.pk)
    assert "<del>500 points are worth €5.00 off a visit.</del>" in page
    assert "<ins>500 points are worth €6.00 off a visit.</ins>" in page
    save(browser, "draft_hand_in", draft)
    page = page_of(browser, "programme_draft", draft.pk)
    assert "You asked for this yourself. Another manager approves it." in page
    assert reverse("rewards:draft_sign", args=[draft.pk]) not in page
    save(browser, "draft_sign", draft)
    assert ProgrammeVersion.objects.count() == 1
    other = signed_in(admin)
    assert reverse("rewards:draft_sign", args=[draft.pk]) in page_of(other, "programme_draft", draft.pk)
    save(other, "draft_sign", draft)
    version = ProgrammeVersion.objects.get(number=2)
    assert (version.starts_on, version.note, version.signed_by) == (soon, "Points are worth more", admin)
    page = page_of(browser, "programme")
    assert "Version 2 is signed. It holds from:" in page
    assert "Signed, still to come" in page
    assert "Dace Krūmiņa" in page
    assert "Aivars Lācis" in page
    assert "Draft its replacement" in page_of(browser, "programme_version", version.pk)


def test_a_double_click_makes_one_draft(browser: Client) -> None:
    form = {"idempotency_key": str(uuid4())}
    first, second = (browser.post(reverse("rewards:draft_create", args=[first_version().pk]), form) for _time in "12")
    assert first.url == second.url  # type: ignore[attr-defined]
    assert ProgrammeDraft.objects.count() == 1


def test_declining_says_why(signed_in: Browser, dace: User, admin: User, soon: date) -> None:
    draft = handed_in(worth(600), starts_on=soon, by=dace)
    other = signed_in(admin)
    refused = words_of(save(other, "draft_decline", draft, reason=""))
    assert refused.count("Say why, so that the draft can be mended.") == 2
    save(other, "draft_decline", draft, reason="Too dear")
    assert draft.status == DraftStatus.DECLINED
    page = page_of(signed_in(dace), "programme_draft", draft.pk)
    assert "Aivars Lācis declined it. Change it and hand it in again." in page
    assert "Too dear" in page


def test_taking_back_and_withdrawing(browser: Client, dace: User, soon: date) -> None:
    draft = handed_in(worth(600), starts_on=soon, by=dace)
    assert reverse("rewards:draft_expiry", args=[draft.pk]) not in page_of(browser, "programme_draft", draft.pk)
    save(browser, "draft_take_back", draft)
    assert reverse("rewards:draft_expiry", args=[draft.pk]) in page_of(browser, "programme_draft", draft.pk)
    save(browser, "draft_withdraw", draft)
    assert draft.status == DraftStatus.WITHDRAWN
    assert "Withdrawn" in page_of(browser, "programme_draft", draft.pk)
    assert "Points are worth more" not in page_of(browser, "programme")
    everything = words_of(browser.get(reverse("rewards:programme"), {"drafts": "all"}))
    assert "Points are worth more" in everything


def test_what_counts(browser: Client, draft: ProgrammeDraft) -> None:
    typed = {
        "paid_with_points": "excluded", "gift_cards": "excluded", "gift_card_categories": "Gift cards\n Vouchers \n\n",
        "tax": "without", "tax_basis_points": "21", "rounding": "nearest", "pending_days": "14",
    }  # fmt: skip
    assert save(browser, "draft_base", draft, **typed).status_code == 302
    earning = draft.rules["earning"]
    assert earning["base"] == {
        "paid_with_points": "excluded", "gift_cards": "excluded", "gift_card_categories": ["Gift cards", "Vouchers"],
        "tax": "without", "tax_basis_points": 2100,
    }  # fmt: skip
    assert (earning["rounding"], earning["pending_days"]) == ("nearest", 14)
    page = page_of(browser, "programme_draft", draft.pk)
    assert "Tax does not count: what the till names, or else 21% contained in the price." in page
    assert "Points can be used 14 days after the visit." in page


@pytest.mark.parametrize(
    ("typed", "policy"),
    [
        ({"policy": "days_after_earning", "days": "30"}, {"policy": "days_after_earning", "days": 30}),
        ({"policy": "days_after_activity", "days": "180"}, {"policy": "days_after_activity", "days": 180}),
        (
            {"policy": "fixed_date", "day": "31", "month": "12", "at_least_days": "90"},
            {"policy": "fixed_date", "day": 31, "month": 12, "at_least_days": 90},
        ),
        ({"policy": "end_of_month_plus", "months": "0"}, {"policy": "end_of_month_plus", "months": 0}),
        ({"policy": "never"}, {"policy": "never"}),
    ],
)
def test_how_long_points_last(
    browser: Client, draft: ProgrammeDraft, typed: dict[str, str], policy: dict[str, Any]
) -> None:
    earned = {f"earned_{name}": value for name, value in typed.items()}
    assert (
        save(browser, "draft_expiry", draft, **earned, bonus_policy="same", goodwill_policy="never").status_code == 302
    )
    assert draft.rules["expiry"] == {"earned": policy, "bonus": policy, "goodwill": {"policy": "never"}}
    again = browser.get(reverse("rewards:draft_expiry", args=[draft.pk])).context["form"]
    assert again["bonus_policy"].value() == "same"
    assert again["earned_policy"].value() == typed["policy"]


def test_a_way_to_end_needs_its_numbers(browser: Client, draft: ProgrammeDraft) -> None:
    before = draft.rules
    answer = save(
        browser, "draft_expiry", draft, earned_policy="fixed_date", earned_day="31", earned_month="2",
        earned_at_least_days="", bonus_policy="same", goodwill_policy="same",
    )  # fmt: skip
    assert words_of(answer).count("Fill this in: the way chosen above needs it.") == 2
    answer = save(
        browser, "draft_expiry", draft, earned_policy="fixed_date", earned_day="30", earned_month="2",
        earned_at_least_days="1", bonus_policy="never", goodwill_policy="never",
    )  # fmt: skip
    page = words_of(answer)
    assert page.count("The month has no such day. Choose an earlier one.") == 2
    assert "<title>Error:" in page
    assert draft.rules == before


def test_refunds_and_how_ranks_are_reached(browser: Client, draft: ProgrammeDraft) -> None:
    save(browser, "draft_refunds", draft, shortfall="within_balance", grace_days="30")
    assert draft.rules["refunds"] == {"shortfall": "within_balance", "grace_days": 30}
    typed = {"window": "calendar_year", "window_days": "", "review": "yearly", "grace_days": "60"}
    save(browser, "draft_tiers", draft, qualify_on="earned_points", **typed)
    tiers = draft.rules["tiers"]
    assert (tiers["qualify_on"], tiers["window"], tiers["review"]) == (
        "earned_points", {"kind": "calendar_year"}, "yearly",
    )  # fmt: skip
    assert [level["threshold"] for level in tiers["levels"]] == [0, 1_000, 2_500]
    save(browser, "draft_tiers", draft, qualify_on="net_spend", **typed)
    assert [level["threshold"] for level in draft.rules["tiers"]["levels"]] == [0, 100_000, 250_000]
    refused = save(browser, "draft_tiers", draft, qualify_on="visits", **{**typed, "window": "trailing"})
    assert words_of(refused).count("Fill this in: the way chosen above needs it.") == 2


def test_a_rule_with_every_condition(browser: Client, draft: ProgrammeDraft, barona_iela: Store) -> None:
    Partner.objects.create(code="FUEL", name="Fuel & Co", active_from=date(2026, 1, 1))
    answer = save(
        browser, "draft_rule_times", draft, name_en="Happy hours", name_lv="Laimīgās stundas",
        name_ru="Счастливые часы", factor="1,5",
        weekdays=["0", "4"], from_time="22:00", until_time="02:00", first_day="2027-01-01",
        last_day="2027-02-28", stores=["BARONA"], channels=["till"], categories="Bread\nCakes", products="P-1",
        min_net_cents="20", payment_methods=["card"], partners="FUEL", tiers=["silver", "gold"], first_purchase="on",
        members_only="on",
        birthday="week", cap_points="500", cap_per="month", budget_points="100000", group="Evenings",
    )  # fmt: skip
    assert answer.status_code == 302, words_of(answer)
    rule = draft.rules["earning"]["rules"][-1]
    assert rule == {
        "key": "happy_hours",
        "names": {"en": "Happy hours", "lv": "Laimīgās stundas", "ru": "Счастливые часы"},
        "gives": {"kind": "times", "numerator": 3, "denominator": 2},
        "when": {
            "stores": ["BARONA"], "channels": ["till"], "weekdays": [0, 4], "from_time": "22:00", "until_time": "02:00",
            "products": ["P-1"], "categories": ["Bread", "Cakes"], "min_net_cents": 2000, "tiers": ["silver", "gold"],
            "members_only": True, "first_purchase": True, "birthday": "week", "partners": ["FUEL"],
            "payment_methods": ["card"],
            "first_day": "2027-01-01", "last_day": "2027-02-28",
        },
        "group": "evenings",
        "cap": {"points": 500, "per": "month"},
        "budget_points": 100_000,
    }  # fmt: skip
    page = page_of(browser, "programme_draft", draft.pk)
    assert "Happy hours: The points from the rules above ×1.5." in page
    assert "stores (Barona iela)" in page
    assert "hours (22:00–02:00)" in page
    form = browser.get(reverse("rewards:draft_rule", args=[draft.pk, "happy_hours"])).context["form"]
    again = {field.html_name: field.value() for field in form if field.value() not in (None, "", False)}
    again["factor"] = "1.5"
    again["categories"] = "Bread\nCakes"
    again |= {"products": "P-1"}
    assert save(browser, "draft_rule", draft, "happy_hours", **again).status_code == 302
    assert draft.rules["earning"]["rules"][-1] == rule


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name_lv": ""}, "Fill in this field: Name in Latvian"),
        ({"step_cents": ""}, "Enter the amount that earns these points, for example 1.00"),
        ({"step_cents": "0"}, "Enter an amount of at least 0.01"),
        ({"points": "1.5"}, "Enter a whole number, for example 200"),
        ({"cap_points": "10"}, "Fill in both, the points and the time, or neither."),
        ({"first_day": "2027-02-01", "last_day": "2027-01-01"}, "The last day lies before the first. Swap them."),
        ({"from_time": "25:00"}, "Enter a time, for example 10:00"),
        ({"points": "1000000", "step_cents": "0.01"}, "The largest visit would earn more points than can be recorded."),
        ({"group": "!!!"}, "Use Latin letters, a to z, for example weekend"),
    ],
)
def test_a_mistake_in_a_rule_is_said_and_nothing_is_added(
    browser: Client, draft: ProgrammeDraft, typed: dict[str, str], said: str
) -> None:
    before = draft.rules
    page = words_of(save(browser, "draft_rule_per_amount", draft, **{**RATE, **typed}))
    assert said in page
    assert "<title>Error:" in page
    assert "To save this rule, fix 1 thing" in page
    assert draft.rules == before


def test_rules_are_ordered_and_removed(browser: Client, draft: ProgrammeDraft) -> None:
    names = {"name_en": "Hello", "name_lv": "Sveiki", "name_ru": "Привет"}
    save(browser, "draft_rule_bonus", draft, **names, points="50")
    save(browser, "draft_rule_per_amount", draft, **{**RATE, "name_en": "Bread", "categories": "Bread"})
    assert keys_of(draft) == ["rate", "bread", "weekend", "hello"]
    save(browser, "draft_rule_up", draft, "hello")
    assert keys_of(draft) == ["rate", "bread", "hello", "weekend"]
    page = words_of(save(browser, "draft_rule_down", draft, "rate"))
    assert keys_of(draft) == ["bread", "rate", "hello", "weekend"]
    refused = browser.post(
        reverse("rewards:draft_rule_up", args=[draft.pk, "weekend"]), {"idempotency_key": str(uuid4())}, follow=True
    )
    draft.refresh_from_db()
    assert keys_of(draft) == ["bread", "rate", "weekend", "hello"], page
    refused = browser.post(
        reverse("rewards:draft_rule_up", args=[draft.pk, "weekend"]), {"idempotency_key": str(uuid4())}, follow=True
    )
    why = words_of(refused)
    assert "Multipliers come after points per amount. Move Points for what is paid (rate) above them." in why
    assert "earning.rules" not in why
    save(browser, "draft_rule_remove", draft, "hello")
    assert keys_of(draft) == ["bread", "rate", "weekend"]
    gone = browser.post(
        reverse("rewards:draft_rule_remove", args=[draft.pk, "hello"]), {"idempotency_key": str(uuid4())}, follow=True
    )
    assert "That is not in the draft any more." in words_of(gone)


def keys_of(draft: ProgrammeDraft) -> list[str]:
    return [rule["key"] for rule in draft.rules["earning"]["rules"]]


def test_ranks_are_added_changed_and_removed(browser: Client, draft: ProgrammeDraft) -> None:
    names = {"name_en": "Platinum", "name_lv": "Platīna", "name_ru": "Платиновый"}
    gift = {"kind_0": "gift", "privilege_0_en": "A cake", "privilege_0_lv": "Kūka", "privilege_0_ru": "Торт"}
    save(browser, "draft_level_add", draft, **names, threshold="1500,00", **gift)
    levels = draft.rules["tiers"]["levels"]
    assert [level["key"] for level in levels] == ["member", "silver", "platinum", "gold"]
    assert levels[2]["threshold"] == 150_000
    assert levels[2]["privileges"] == [
        {"kind": "gift", "names": {"en": "A cake", "lv": "Kūka", "ru": "Торт"}, "within_days": None}
    ]
    assert "Platinum: from €1,500.00. Is owed: A cake." in page_of(browser, "programme_draft", draft.pk)
    refused = save(browser, "draft_level", draft, "platinum", **names, threshold="2500", kind_0="gift")
    page = words_of(refused)
    assert page.count("Another tier begins at the same threshold. Choose another one.") == 2
    assert page.count("Say in words what the customer gets.") == 2
    save(browser, "draft_level", draft, "platinum", **names, threshold="3000")
    assert [level["key"] for level in draft.rules["tiers"]["levels"]] == ["member", "silver", "gold", "platinum"]
    assert draft.rules["tiers"]["levels"][3]["privileges"] == []
    save(browser, "draft_level_remove", draft, "silver")
    assert [level["key"] for level in draft.rules["tiers"]["levels"]] == ["member", "gold", "platinum"]
    save(browser, "draft_level_remove", draft, "member")
    assert draft.rules["tiers"]["levels"][0]["key"] == "member"


def test_a_page_opened_before_somebody_elses_change_says_so(browser: Client, draft: ProgrammeDraft) -> None:
    opened = draft.revision
    save(browser, "draft_refunds", draft, shortfall="arrears", grace_days="30")
    late = save(browser, "draft_refunds", draft, shortfall="arrears", grace_days="40", revision=str(opened))
    assert "The draft was changed meanwhile. Read it again." in words_of(late)
    assert draft.rules["refunds"]["grace_days"] == 30


def test_a_double_click_on_a_part_changes_it_once(browser: Client, draft: ProgrammeDraft) -> None:
    form = {"revision": str(draft.revision), "idempotency_key": str(uuid4()), "shortfall": "arrears", "grace_days": "9"}
    address = reverse("rewards:draft_refunds", args=[draft.pk])
    assert [browser.post(address, form).status_code for _click in range(2)] == [302, 302]
    draft.refresh_from_db()
    assert (draft.revision, draft.rules["refunds"]["grace_days"]) == (int(form["revision"]) + 1, 9)


def test_a_version_goes_out_as_a_file_and_comes_back_as_a_draft(browser: Client) -> None:
    file = browser.get(reverse("rewards:programme_version_export", args=[first_version().pk]))
    assert file["Content-Disposition"] == 'attachment; filename="programme-1.json"'
    document = json.loads(file.content)
    document["rules"]["redemption"]["value_cents"] = 700
    document["rules"]["earning"]["rules"][1]["when"]["stores"] = ["NOWHERE"]
    upload = SimpleUploadedFile("programme.json", json.dumps(document).encode())
    form = {"file": upload, "idempotency_key": str(uuid4())}
    page = words_of(browser.post(reverse("rewards:draft_import"), form, follow=True))
    assert "Stores that are not known here yet: NOWHERE" in page
    assert ProgrammeDraft.objects.get().rules["redemption"]["value_cents"] == 700
    assert ProgrammeVersion.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "The file is empty. Choose another one."),
        (b"\xff\xfe", "The file is not written in UTF-8."),
        (b'{"format": ', "This is no JSON: line 1, column 12."),
        (b'{"a": 1, "a": 2}', "“a” stands twice in one place."),
        (b'{"format": NaN}', "NaN is no number."),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 10_000, "too long to be read"),
        (b"[]", "The file does not hold a programme."),
        (b'{"format": "loyaltycrm programme"}', "rules.earning: Is missing. Add it."),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_its_reason(browser: Client, data: bytes, said: str) -> None:
    upload = SimpleUploadedFile("programme.json", data)
    answer = browser.post(reverse("rewards:draft_import"), {"file": upload, "idempotency_key": str(uuid4())})
    assert said in words_of(answer)
    assert ProgrammeDraft.objects.count() == 0


def test_the_page_takes_the_same_queries_for_any_number_of_versions(
    browser: Client, dace: User, admin: User, soon: date
) -> None:
    def queries() -> int:
        browser.get(reverse("rewards:programme"))
        with CaptureQueriesContext(connection) as captured:
            browser.get(reverse("rewards:programme"))
        return len(captured)

    signed(worth(601), starts_on=soon, asked_by=dace, by=admin)
    draft_of(worth(700), starts_on=soon, by=dace)
    few = queries()
    for number in range(2, 12):
        signed(worth(600 + number), starts_on=soon + timedelta(days=number // 2), asked_by=dace, by=admin)
        draft_of(worth(700), starts_on=soon + timedelta(days=60), by=dace)
    assert queries() == few


def test_what_is_not_there_is_not_found(browser: Client, draft: ProgrammeDraft) -> None:
    for name in ("draft_rule", "draft_level"):
        assert browser.get(reverse(f"rewards:{name}", args=[draft.pk, "no-such"])).status_code == 404
    assert browser.get(reverse("rewards:programme_version", args=[10**30])).status_code == 404


def test_nothing_of_it_is_for_the_till(signed_in: Browser, liga: User, draft: ProgrammeDraft) -> None:
    till = signed_in(liga)
    assert till.get(reverse("rewards:programme")).status_code == 403
    assert save(till, "draft_sign", draft).status_code == 403


def test_all_steps_of_a_long_discount_stay(browser: Client, draft: ProgrammeDraft, dace: User) -> None:
    steps = [{"from_cents": 1_000 * row, "basis_points": 100 * row} for row in range(1, 9)]
    names = {"en": "Large baskets", "lv": "Lieli grozi", "ru": "Большие корзины"}
    terms = {"names": names, "measure": {"kind": "basket"}, "members_only": False, "steps": steps}
    change_rules(draft=draft, revision=draft.revision, rules={**draft.rules, "volume_discount": terms}, by=dace)
    form = browser.get(reverse("rewards:draft_discount", args=[draft.pk])).context["form"]
    typed = {field.html_name: field.value() for field in form if field.value() not in (None, "", False)}
    typed |= {f"from_{row}": f"{10 * (row + 1)}" for row in range(8)}
    typed |= {f"percent_{row}": f"{row + 1}" for row in range(8)}
    assert save(browser, "draft_discount", draft, **typed).status_code == 302
    assert draft.rules["volume_discount"]["steps"] == steps


def test_the_list_of_versions_as_a_file(browser: Client, dace: User, admin: User, soon: date) -> None:
    signed(worth(600), starts_on=soon, asked_by=dace, by=admin)
    signed(worth(700), starts_on=soon, asked_by=admin, by=dace)
    answer: Any = browser.get(reverse("rewards:programme_export"))
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert lines[0] == "version,starts_on,replaced_before_it_began,note,drafted_by,signed_by,signed_at"
    assert [line.rsplit(",", 1)[0] for line in lines[1:]] == [
        "1,,no,As shipped,,",
        f"2,{soon},yes,Points are worth more,Dace Krūmiņa,Aivars Lācis",
        f"3,{soon},no,Points are worth more,Aivars Lācis,Dace Krūmiņa",
    ]


def test_the_list_of_versions_is_filtered_and_sorted(browser: Client, dace: User, admin: User, soon: date) -> None:
    signed(worth(600), starts_on=soon, asked_by=dace, by=admin)
    signed(worth(700), starts_on=soon, asked_by=admin, by=dace)

    def numbers(**asked: str) -> list[int]:
        page = browser.get(reverse("rewards:programme"), asked)
        assert page.status_code == 200
        shown = [row.record.number for row in page.context["table"].paginated_rows]
        answer: Any = browser.get(reverse("rewards:programme_export"), asked)
        lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()[1:]
        assert sorted(shown) == [int(line.split(",")[0]) for line in lines]
        return shown

    assert numbers() == [3, 2, 1]
    assert [numbers(state=state) for state in ("in_force", "coming", "replaced", "over")] == [[1], [3], [2], []]
    assert numbers(q="lācis") == [3, 2]
    assert numbers(q="as shipped") == [1]
    assert numbers(sort="signed_by", q="worth") == [2, 3]
    assert numbers(sort="-signed_by", q="worth") == [3, 2]
    assert numbers(state="nonsense") == [3, 2, 1]

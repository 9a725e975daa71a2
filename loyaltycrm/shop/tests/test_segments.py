"""Segments: every fact of every app, hostile definitions, who sees which, and the pages and lists that go by them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.actions.holds import place_hold
from customers.actions.segments import change_segment, remove_segment, save_segment
from customers.actions.visit_sums import sum_visits, visit_sums_hold
from customers.actions.visits import insert_refund
from customers.models import (
    Channel,
    Classification,
    Customer,
    CustomerValue,
    Membership,
    Product,
    Purpose,
    Segment,
    ValueFit,
    Visit,
    VisitLine,
)
from customers.segments import counts_of, facts, in_words, members_of
from feedback.actions.tickets import open_ticket
from loyaltycrm.core.actions.staff import change_person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User
from loyaltycrm.shop.actions.merging import merge_customers
from loyaltycrm.testing import agree, visit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignIn = Callable[[User], Client]
A, J, P, N = "A-1001", "A-1002", "A-1003", "A-1004"


@pytest.fixture
def people(
    anna: Customer, janis: Customer, olga: Customer, nameless: Customer, barona_iela: Store, classified: None
) -> None:
    """Anna: four visits of €700, ten days apart, two of them at a weekend. Jānis: one of €12.40, €2.40 given back."""
    Customer.objects.filter(pk=anna.pk).update(birthday=date(1990, 7, 20))
    Customer.objects.filter(pk=janis.pk).update(birthday=date(2001, 8, 2))
    (receipt,) = Visit.objects.filter(customer=janis)
    insert_refund(
        visit=receipt, net_cents=240, store=barona_iela, receipt_id="BACK", occurred_at=timezone.now(), by=None
    )
    bread = Product.objects.create(product_id="1", category="Bread")
    VisitLine.objects.create(visit=receipt, line_no=1, product=bread, quantity=1, gross_cents=1240, net_cents=1240)
    fit = ValueFit.objects.create(as_of=date(2026, 7, 13), parameters={}, customers=2, came_back=1, spend_correlation=0)
    expected = {"fit": fit, "recency_weeks": 4, "age_weeks": 6, "visits_12_months": 9}
    CustomerValue.objects.create(
        customer=anna, frequency=3, chance_active=0.9, spend_12_months_cents=300_00, **expected
    )
    CustomerValue.objects.create(customer=janis, frequency=0, spend_12_months_cents=20_00, **expected)
    Membership.objects.create(
        customer=olga, names={"en": "Club"}, starts_on=date(2026, 1, 1), ends_on=date(2026, 7, 14), price_cents=0,
        sold_at=timezone.now(),
    )  # fmt: skip
    place_hold(customer=olga, reference="test", reason="Asked for quiet", by=None)
    agree(nameless, Purpose.OFFERS, given=True, channel=Channel.SMS)
    open_ticket(
        customer=janis, store=barona_iela, kind="complaint", subject="Soup", words="Cold", source="till", by=None
    )


def any_of(*values: str) -> dict[str, Any]:
    return {"op": "any", "values": list(values)}


def none_of(*values: str) -> dict[str, Any]:
    return {"op": "none", "values": list(values)}


YES, NO = {"is": True}, {"is": False}
CASES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("language", any_of("lv"), {A, J}),
    ("language", none_of("lv"), {P, N}),
    ("birthday", any_of("this"), {A}),
    ("birthday", any_of("next"), {J}),
    ("birthday", any_of("7", "8"), {A, J}),
    ("birthday", none_of("7"), {J, P, N}),
    ("known", {"most": 183}, {J}),
    ("known", {"most": 182}, set()),
    ("known", {"least": 184}, {A, P, N}),
    ("email", NO, {N}),
    ("phone", YES, {A, J, P}),
    ("group", any_of("regular_loyal"), {A}),
    ("group", any_of("unknown"), {J, P, N}),
    ("group", none_of("unknown"), {A}),
    ("loyal", YES, {A}),
    ("loyal", NO, {J, P, N}),
    ("regular", YES, {A}),
    ("flagged", YES, {A}),
    ("score", {"least": 0}, {A}),
    ("score", {"least": 100}, set()),
    ("store", any_of("BARONA"), {A, J}),
    ("store", none_of("BARONA"), {P, N}),
    ("visits", {"least": 4}, {A}),
    ("visits", {"most": 0}, {P, N}),
    ("visits", {"least": 1, "most": 3}, {J}),
    ("away", {"least": 15}, {J}),
    ("away", {"most": 10}, {A}),
    ("late", {"most": 10}, {A}),
    ("late", {"least": 11}, set()),
    ("spent", {"least": 10_00, "most": 10_00}, {J}),
    ("spent", {"least": 2_800_00}, {A}),
    ("spent", {"most": 9_99}, {P, N}),
    ("expected", {"least": 20_01}, {A}),
    ("expected", {"most": 20_00}, {J}),
    ("chance", {"least": 90}, {A}),
    ("chance", {"most": 89}, set()),
    ("category", any_of("Bread"), {J}),
    ("category", none_of("Bread"), {A, P, N}),
    ("member", YES, {P}),
    ("consent", YES, {A, P}),
    ("consent", NO, {J, N}),
    ("sms", YES, {N}),
    ("surveys", YES, {P}),
    ("held", YES, {J, P}),
    ("held_out", YES, set()),
    ("held_out", NO, {A, J, P, N}),
    ("tier", any_of("gold"), {A}),
    ("tier", any_of("member"), {J, P, N}),
    ("tier", none_of("member"), {A}),
    ("points", {"least": 4_200, "most": 4_200}, {A}),
    ("points", {"least": 1, "most": 12}, {J}),
    ("points", {"most": 0}, {P, N}),
    ("complaint", YES, {J}),
    ("complaint", NO, {A, P, N}),
]


def named(definition: dict[str, Any]) -> set[str]:
    return set(members_of(definition).values_list("external_id", flat=True))


def test_every_fact_names_whom_it_says(people: None, barona_iela: Store) -> None:
    assert {key for key, _asked, _found in CASES} == set(facts())
    definitions = {}
    here = {"values": [str(barona_iela.pk)]}
    for number, (key, case, found) in enumerate(CASES):
        asked = case | here if key == "store" else case
        assert named({key: asked}) == found, (key, asked)
        assert all(in_words({key: asked}))
        definitions[number] = {key: asked}
    with CaptureQueriesContext(connection) as made:
        counts = counts_of(definitions)
    assert counts == {number: len(found) for number, (_key, _asked, found) in enumerate(CASES)}
    assert sum(") named" in one["sql"] for one in made) == 1
    sum_visits()
    assert visit_sums_hold()
    assert counts_of(definitions, by_sums=True) == counts
    for number, (_key, _asked, found) in enumerate(CASES):
        by_sums = members_of(definitions[number], by_sums=True)
        assert set(by_sums.values_list("external_id", flat=True)) == found, definitions[number]


def test_all_conditions_must_hold_and_merged_profiles_are_not_asked(
    people: None, olga: Customer, nameless: Customer, dace: User
) -> None:
    assert named({"consent": YES, "language": any_of("lv")}) == {A}
    merge_customers(survivor=nameless, merged=olga, reason="One person", by=dace)
    assert named({"known": {"least": 0}}) == {A, J, N}


def test_who_came_since_the_last_classification_is_not_away(people: None, janis: Customer, barona_iela: Store) -> None:
    visit(janis, barona_iela, 500)
    assert named({"away": {"least": 15}}) == set()
    assert Classification.objects.get(customer=janis).last_visit_on == date(2026, 6, 29)


def test_leap_birthdays_of_next_month_in_december(people: None, janis: Customer, tuesday: Any) -> None:
    Customer.objects.filter(pk=janis.pk).update(birthday=date(2000, 1, 31))
    tuesday.move_to("2026-12-31T11:00:00+00:00")
    assert named({"birthday": any_of("next")}) == {J}
    assert named({"birthday": any_of("this")}) == set()


HOSTILE: list[Any] = [
    None,
    [],
    "loyal",
    {},
    {"nonsense": YES},
    {"loyal": {"is": "yes"}},
    {"loyal": {"is": 1}},
    {"loyal": {"is": True, "or": 1}},
    {"loyal": None},
    {"language": any_of()},
    {"language": any_of("xx")},
    {"language": {"op": "all", "values": ["lv"]}},
    {"language": {"op": "any", "values": "lv"}},
    {"language": {"op": "any", "values": [1]}},
    {"language": {"op": "any", "values": [["lv"]]}},
    {"birthday": any_of("13")},
    {"store": any_of("999999")},
    {"visits": {}},
    {"visits": {"least": "3"}},
    {"visits": {"least": True}},
    {"visits": {"least": 1.5}},
    {"visits": {"least": float("nan")}},
    {"visits": {"least": 10**30}},
    {"visits": {"least": 4, "most": 3}},
    {"visits": {"equal": 3}},
    {"late": {"least": "1.5'; DROP TABLE customers_customer"}},
]


def test_what_is_no_definition_is_refused_and_nothing_is_saved(people: None, dace: User) -> None:
    before = Segment.objects.count()
    for hostile in HOSTILE:
        with pytest.raises(Refused):
            save_segment(name="X", definition=hostile, is_shared=True, by=dace)
    assert Segment.objects.count() == before
    assert not AuditEvent.objects.filter(action="save segment").exists()


def test_names_are_free_or_refused(dace: User, admin: User) -> None:
    own = save_segment(name=" Riga  regulars ", definition={"regular": YES}, is_shared=False, by=dace)
    assert own.name == "Riga regulars"
    save_segment(name="Riga regulars", definition={"regular": YES}, is_shared=False, by=admin)
    shared = save_segment(name="Riga regulars", definition={"regular": YES}, is_shared=True, by=admin)
    for is_shared in (True, False):
        with pytest.raises(Refused, match="Choose another name"):
            save_segment(name="Riga regulars", definition={"regular": NO}, is_shared=is_shared, by=dace)
    for name in ("", "  ", "a\x00b", "x" * 81):
        with pytest.raises(Refused):
            save_segment(name=name, definition={"regular": YES}, is_shared=True, by=dace)
    remove_segment(segment=shared, by=dace)
    with pytest.raises(Refused, match="was removed"):
        change_segment(segment=shared, name="Y", definition={"regular": YES}, is_shared=True, by=dace)
    save_segment(name="Riga regulars", definition={"regular": YES}, is_shared=True, by=dace)


def test_the_shipped_ones_are_there_and_mean_what_they_say(people: None) -> None:
    shipped = {one.key: one for one in Segment.objects.exclude(key="")}
    assert {key: named(one.definition) for key, one in shipped.items()} == {
        "loyal": {A},
        "at_risk": set(),
        "birthday": {A},
        "new": set(),
    }
    assert str(shipped["new"]) == "New, without a second visit"


def posted(client: Client, path: str, **fields: Any) -> Any:
    return client.post(path, {"idempotency_key": str(uuid4()), **fields})


def test_a_segment_is_made_counted_changed_and_removed_at_the_page(people: None, dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    asked = {"language": ["lv"], "visits_least": "1", "late_most": "1,5", "consent": "yes", "spent_least": "5.00"}
    counted = posted(client, "/segments/new/", step="count", name="Latvian", **asked)
    assert not counted.context["form"].errors
    assert "1 customer is in it now." in counted.content.decode()
    assert not Segment.objects.filter(name="Latvian").exists()
    key = str(uuid4())
    for _again in range(2):
        done = client.post("/segments/new/", {"idempotency_key": key, "name": "Latvian", "is_shared": "on", **asked})
        assert done.status_code == 302
    segment = Segment.objects.get(name="Latvian")
    assert segment.definition == {
        "language": any_of("lv"),
        "visits": {"least": 1},
        "late": {"most": 15},
        "consent": YES,
        "spent": {"least": 500},
    }
    listed = client.get("/segments/").content.decode()
    for words in ("Latvian", "Language: Latvian", "Visits in 12 months: at least 1", "at most 1.5 times", "€5"):
        assert words in listed
    shown = client.get(f"/customers/?segment={segment.pk}")
    assert [row.record.external_id for row in shown.context["table"].paginated_rows] == [A]
    file = client.get(f"/customers/export/?segment={segment.pk}")
    lines = csv.DictReader(io.StringIO(b"".join(file.streaming_content).decode()))  # type: ignore[attr-defined]
    assert [line["customer_id"] for line in lines] == [A]
    form = client.get(f"/segments/{segment.pk}/edit/").content.decode()
    for value in ('value="1.5"', 'value="5.00"', 'value="lv"'):
        assert value in form
    posted(client, f"/segments/{segment.pk}/edit/", name="Russian", language="lv", language_not="on")
    segment.refresh_from_db()
    assert (segment.name, segment.is_shared, segment.definition) == ("Russian", False, {"language": none_of("lv")})
    assert posted(client, f"/segments/{segment.pk}/remove/").status_code == 302
    assert client.get(f"/segments/{segment.pk}/edit/").status_code == 404
    assert list(AuditEvent.objects.filter(subject_type="customers.segment").order_by("pk").values_list("action")) == [
        ("save segment",),
        ("change segment",),
        ("remove segment",),
    ]


BAD_FIELDS = [
    ({"visits_least": "1_000"}, "visits_least"),
    ({"visits_least": "３"}, "visits_least"),
    ({"visits_least": "-1"}, "visits_least"),
    ({"visits_least": "1.5"}, "visits_least"),
    ({"visits_least": "NaN"}, "visits_least"),
    ({"visits_least": "9" * 40}, "visits_least"),
    ({"late_least": "1.55"}, "late_least"),
    ({"visits_least": "4", "visits_most": "3"}, "visits_most"),
    ({"language": "xx"}, "language"),
    ({"loyal": "maybe"}, "loyal"),
    ({"loyal": "yes", "name": ""}, "name"),
    ({}, ""),
]


def test_mistakes_are_named_and_nothing_is_saved(people: None, dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    before = Segment.objects.count()
    for fields, wrong in BAD_FIELDS:
        answer = posted(client, "/segments/new/", **{"name": "X", **fields})
        assert answer.status_code == 200, fields
        assert set(answer.context["form"].errors) == {wrong or "__all__"}, fields
    assert Segment.objects.count() == before
    for query in ("?visits_least=x", "?loyal=maybe", "?segment=x", "?segment=99999999999999999999"):
        assert client.get(f"/customers/{query}").status_code == 200


def test_one_answer_sent_a_hundred_times_breaks_no_list(people: None, dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    for times in (2, 101):
        query = "&".join(["language=en"] * times)
        for path in ("/customers/", "/customers/export/"):
            assert client.get(f"{path}?{query}").status_code == 200


def test_own_segments_and_those_of_other_stores_are_not_there_for_others(
    people: None, dace: User, admin: User, barona_iela: Store, centrs: Store, signed_in: SignIn
) -> None:
    made = {
        "own": save_segment(name="own", definition={"loyal": YES}, is_shared=False, by=admin),
        "shared": save_segment(name="shared", definition={"loyal": YES}, is_shared=True, by=admin),
        "here": save_segment(name="here", definition={"store": any_of(str(barona_iela.pk))}, is_shared=True, by=admin),
        "there": save_segment(
            name="there", definition={"store": any_of(str(barona_iela.pk), str(centrs.pk))}, is_shared=True, by=admin
        ),
    }
    for user, seen in ((dace, {"shared", "here"}), (admin, set(made))):
        assert set(Segment.objects.for_staff(user).filter(key="").values_list("name", flat=True)) == seen
        client = signed_in(user)
        for name, segment in made.items():
            status = 200 if name in seen else 404
            assert client.get(f"/segments/{segment.pk}/edit/").status_code == status, (user, name)
            page = client.get(f"/customers/?segment={segment.pk}")
            assert ("segment" in page.context["filter"].form.errors) == (name not in seen)


def test_an_own_segment_that_names_a_store_one_left_is_not_there_until_one_is_back(
    people: None, dace: User, admin: User, barona_iela: Store, agenskalns: Store
) -> None:
    definition = {"store": any_of(str(barona_iela.pk), str(agenskalns.pk))}
    segment = save_segment(name="both", definition=definition, is_shared=False, by=dace)
    assert segment in Segment.objects.for_staff(dace)
    for stores, is_there in (([agenskalns], False), ([agenskalns, barona_iela], True)):
        change_person(person=dace, name=dace.name, role=dace.role, stores=stores, by=admin)
        assert (segment in Segment.objects.for_staff(dace)) == is_there


def test_a_filtered_list_becomes_a_segment(people: None, dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    query = "?group=unknown&language=lv&language=ru&visits_most=0"
    page = client.get(f"/customers/{query}")
    assert [row.record.external_id for row in page.context["table"].paginated_rows] == [P]
    assert "Keep this as a segment" in page.content.decode()
    form = client.get(f"/segments/new/{query}").context["form"]
    values = {name: form[name].value() for name in ("group", "language", "visits_most")}
    assert values == {"group": ["unknown"], "language": ["lv", "ru"], "visits_most": "0"}


def test_as_many_queries_for_one_segment_as_for_many(people: None, dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    client.get("/segments/")

    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            assert client.get("/segments/").status_code == 200
        return len(made)

    few = queries()
    for number in range(12):
        save_segment(name=f"S{number}", definition={"visits": {"least": number}}, is_shared=True, by=dace)
    assert queries() == few


def test_a_removed_fact_or_value_names_nobody_and_breaks_no_page(people: None, dace: User, signed_in: SignIn) -> None:
    old = Segment.objects.create(name="Old", definition={"gone": YES}, owner=dace)
    client = signed_in(dace)
    assert "no fact that segments know" in client.get("/segments/").content.decode()
    assert client.get(f"/segments/{old.pk}/edit/").status_code == 200
    assert [row.record for row in client.get(f"/customers/?segment={old.pk}").context["table"].paginated_rows] == []


def test_the_window_of_a_year_ends_after_365_days(people: None, olga: Customer, barona_iela: Store) -> None:
    visit(olga, barona_iela, 700, days_ago=365)
    assert P not in named({"visits": {"least": 1}})
    visit(olga, barona_iela, 700, days_ago=364)
    assert P in named({"visits": {"least": 1, "most": 1}, "spent": {"least": 700, "most": 700}})
    Visit.objects.filter(customer=olga).update(voided_at=timezone.now() - timedelta(hours=1))
    assert P not in named({"visits": {"least": 1}})

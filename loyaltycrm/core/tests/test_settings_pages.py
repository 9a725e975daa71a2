"""What managers set: programme settings with their bounds and history, stores, the company."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from customers.models import Customer
from loyaltycrm.core import knobs
from loyaltycrm.core.actions.company import change_company
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.actions.stores import add_store, change_store
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Company, KnobValue, Store, User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
THRESHOLD = "/settings/values/customers.repeat_threshold/"
STRENGTH = "/settings/values/feedback.complaint_strength/"


@pytest.fixture
def desk(dace: User, signed_in: SignIn) -> Client:
    return signed_in(dace)


def holds(key: str) -> Any:
    return knobs.value(knobs.REGISTRY[key])


def text_of(response: Any) -> str:
    return str(response.content.decode())


def test_every_setting_is_on_the_page_with_what_holds(desk: Client) -> None:
    text = text_of(desk.get("/settings/"))
    assert len(knobs.REGISTRY) > 20
    for key in knobs.REGISTRY:
        assert f'href="/settings/values/{key}/"' in text, key
    assert "Regular customers" in text


def test_each_subject_is_a_link_away(desk: Client) -> None:
    text = text_of(desk.get("/settings/"))
    links = re.findall(r'<a class="chip" href="#([^"]+)">([^<]+)</a>', text)
    assert links == re.findall(r'<h2 id="(group-[^"]+)">([^<]+)</h2>', text)
    assert len(links) > 10


def test_every_setting_opens_and_has_words_and_a_default_within_its_bounds(desk: Client) -> None:
    for key, knob in knobs.REGISTRY.items():
        assert desk.get(f"/settings/values/{key}/").status_code == 200, key
        assert str(knob.label), key
        assert str(knob.help), key
        if isinstance(knob.default, int | float):
            assert (knob.minimum if knob.minimum is not None else knob.default) <= knob.default, key
            assert (knob.maximum if knob.maximum is not None else knob.default) >= knob.default, key


def test_a_setting_is_changed_and_the_past_is_kept(desk: Client, dace: User) -> None:
    assert holds("customers.repeat_threshold") == 3
    assert desk.post(THRESHOLD, {"value": "5"}).status_code == 302
    assert holds("customers.repeat_threshold") == 5
    desk.post(THRESHOLD, {"value": "4"})
    desk.post(THRESHOLD, {"value": "4"})
    assert list(KnobValue.objects.order_by("pk").values_list("value", "set_by")) == [(5, dace.pk), (4, dace.pk)]
    last = AuditEvent.objects.filter(action="change setting").latest("pk")
    assert last.data == {"key": "customers.repeat_threshold", "before": 5, "after": 4}
    page = text_of(desk.get(THRESHOLD))
    assert page.count("<td>Dace Krūmiņa</td>") == 2
    with pytest.raises(DatabaseError), transaction.atomic():
        KnobValue.objects.update(value=1)


@pytest.mark.parametrize(
    ("path", "typed", "words"),
    [
        (THRESHOLD, "0", "Enter 1 or more."),
        (THRESHOLD, "366", "Enter 365 or less."),
        (THRESHOLD, "", "Enter a number"),
        (THRESHOLD, "2.7", "Enter a number, for example 12"),
        (THRESHOLD, "1_000", "Enter a number, for example 12"),
        (THRESHOLD, "５", "Enter a number, for example 12"),
        (THRESHOLD, "true", "Enter a number, for example 12"),
        (THRESHOLD, "NaN", "Enter a number, for example 12"),
        (THRESHOLD, "9" * 40, "Enter a number, for example 12"),
        (STRENGTH, "NaN", "Enter a number, for example 2.5"),
        (STRENGTH, "1e3", "Enter a number, for example 2.5"),
        (STRENGTH, "0.5", "Enter 0.0 or less."),
        ("/settings/values/phone_country/", "Latvia", "Write it like LV."),
        ("/settings/values/customers.year_rule/", "maybe", "Choose one of the options shown"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(desk: Client, path: str, typed: str, words: str) -> None:
    answer = desk.post(path, {"value": typed})
    assert answer.status_code == 200
    assert words in text_of(answer)
    assert not KnobValue.objects.exists()


def test_each_kind_of_setting_takes_its_values(desk: Client) -> None:
    for key, typed, value in [
        ("feedback.complaint_strength", "−0,25", -0.25),
        ("customers.year_rule", "no", False),
        ("phone_country", "EE", "EE"),
        ("customers.window_days", "400", 400),
    ]:
        assert desk.post(f"/settings/values/{key}/", {"value": typed}).status_code == 302, key
        assert holds(key) == value
        assert type(holds(key)) is type(value)


def test_the_action_refuses_what_no_form_would_send() -> None:
    for key, value in [
        ("nonsense", 1),
        ("customers.repeat_threshold", True),
        ("customers.repeat_threshold", 3.0),
        ("customers.late_factor", float("nan")),
        ("customers.late_factor", float("inf")),
    ]:
        with pytest.raises(Refused):
            set_knob(key=key, new=value, by=None)
    assert not KnobValue.objects.exists()


def test_an_unknown_setting_is_a_404(desk: Client) -> None:
    assert desk.get("/settings/values/nonsense/").status_code == 404
    assert desk.post("/settings/values/nonsense/", {"value": "1"}).status_code == 404


def test_a_store_is_opened_by_a_manager_who_then_works_there(desk: Client, dace: User) -> None:
    desk.post("/settings/stores/new/", {"code": "OGRE", "name": "Ogre", "time_zone": "Europe/Riga"})
    ogre = Store.objects.get(code="OGRE")
    assert (ogre.name, ogre.time_zone, ogre.is_active) == ("Ogre", "Europe/Riga", True)
    assert ogre in dace.stores.all()
    desk.post(f"/settings/stores/{ogre.pk}/", {"name": "Ogre centrs", "time_zone": "Europe/Tallinn"})
    ogre.refresh_from_db()
    assert (ogre.name, ogre.time_zone, ogre.is_active) == ("Ogre centrs", "Europe/Tallinn", False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code": "barona"}, "Code barona is taken. Choose another one"),
        ({"code": " "}, "Fill in this field: Code"),
        ({"name": ""}, "Fill in this field: Name"),
        ({"time_zone": "Europe/Atlantis"}, "Choose one of the options shown"),
        ({"code": "x" * 41}, "Shorten this. Characters allowed: 40, now: 41"),
    ],
)
def test_a_store_that_cannot_be_is_refused(desk: Client, fields: dict[str, str], words: str) -> None:
    before = Store.objects.count()
    answer = desk.post("/settings/stores/new/", {"code": "O", "name": "Ogre", "time_zone": "Europe/Riga"} | fields)
    assert words in text_of(answer)
    assert Store.objects.count() == before


def test_another_managers_store_is_a_404(desk: Client, centrs: Store) -> None:
    path = f"/settings/stores/{centrs.pk}/"
    assert desk.get(path).status_code == 404
    assert desk.post(path, {"name": "Mine", "time_zone": "Europe/Riga"}).status_code == 404
    centrs.refresh_from_db()
    assert centrs.name == "Centrs"
    assert f'href="/settings/stores/{centrs.pk}/"' not in text_of(desk.get("/settings/"))


def test_store_actions_refuse_what_no_form_would_send(barona_iela: Store) -> None:
    for wrong in ({"code": ""}, {"code": "a\x00"}, {"name": " "}, {"time_zone": "x"}, {"name": "x" * 121}):
        fields = {"code": "N", "name": "New", "time_zone": "Europe/Riga"} | wrong
        with pytest.raises(Refused):
            add_store(**fields, by=None)
    with pytest.raises(Refused):
        change_store(store=barona_iela, name="", time_zone="Europe/Riga", is_active=True, by=None)
    assert list(Store.objects.values_list("name", flat=True)) == ["Barona iela"]


COMPANY = {
    "name": "Rudzi",
    "postal_address": "Barona iela 1, Rīga",
    "from_email": "hello@example.com",
    "currency": "eur",
    "time_zone": "Europe/Riga",
    "language": "lv",
}


def test_the_company_is_changed(desk: Client, dace: User) -> None:
    assert desk.post("/settings/company/", COMPANY).status_code == 302
    company = Company.current()
    assert (company.name, company.currency, company.language) == ("Rudzi", "EUR", "lv")
    assert "Rudzi" in text_of(desk.get("/settings/"))
    event = AuditEvent.objects.get(action="change company")
    assert (event.by, event.data["after"]["name"]) == (dace, "Rudzi")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"currency": "EURO"}, "Shorten this. Characters allowed: 3, now: 4"),
        ({"currency": "€"}, "Enter the three letters of the currency, such as EUR"),
        ({"name": ""}, "Fill in this field: Name"),
        ({"from_email": "hello"}, "Enter an email address, for example anna@example.com"),
        ({"time_zone": "Mars"}, "Choose one of the options shown"),
    ],
)
def test_a_company_that_cannot_be_is_refused(desk: Client, fields: dict[str, str], words: str) -> None:
    assert words in text_of(desk.post("/settings/company/", COMPANY | fields))
    assert Company.current().name != "Rudzi"


def test_the_currency_stays_once_there_are_visits(desk: Client, anna: Customer) -> None:
    desk.post("/settings/company/", COMPANY | {"currency": "USD"})
    assert (Company.current().name, Company.current().currency) == ("Rudzi", "EUR")
    with pytest.raises(Refused):
        change_company(by=None, currency_locked=True, currency="USD", name="Other")
    assert Company.current().name == "Rudzi"


@pytest.mark.parametrize("path", ["/settings/", THRESHOLD, "/settings/stores/new/", "/settings/company/"])
def test_till_staff_keep_out(liga: User, signed_in: SignIn, path: str) -> None:
    assert signed_in(liga).get(path).status_code == 403
    assert signed_in(liga).post(path, {"value": "5"} | COMPANY).status_code == 403
    assert not KnobValue.objects.exists()

"""The pages on which staff keep customers right."""

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from customers.models import ConsentEvent, Customer, Identifier, LoyaltyFlag
from customers.queries import preferences_of
from loyaltycrm.core.models import AuditEvent, Company, User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
NEW = {"first_name": "Inga", "last_name": "Ozola", "language": "lv"}


@pytest.fixture
def desk(dace: User, signed_in: SignIn) -> Client:
    return signed_in(dace)


def text_of(response: Any) -> str:
    return str(response.content.decode())


def post(client: Client, path: str, **fields: Any) -> Any:
    return client.post(path, {"idempotency_key": str(uuid.uuid4())} | fields)


def test_a_customer_is_added_with_what_was_said(desk: Client, dace: User) -> None:
    answer = post(
        desk,
        "/customers/new/",
        **NEW,
        phone="2612 9999",
        email="Inga@Example.com",
        card="0042 7777",
        birthday="22.11.1990",
        offers_by_email="on",
    )
    inga = Customer.objects.get(last_name="Ozola")
    assert answer["Location"] == f"/customers/{inga.pk}/"
    assert (inga.phone, inga.email, inga.email_key) == ("+37126129999", "Inga@Example.com", "inga@example.com")
    assert inga.birthday == date(1990, 11, 22)
    assert list(inga.identifiers.values_list("value", flat=True)) == ["00427777"]
    said = {one.key: one.given for one in preferences_of(inga)}
    assert said == {"offers:email": True, "offers:sms": False, "surveys:email": False, "receipts:email": False}
    (event,) = inga.consent_events.all()
    assert (event.recorded_by, event.source, event.wording_version) == (dace, "profile", "desk 2026-11")
    assert AuditEvent.objects.filter(action="add customer", by=dace, subject_id=inga.pk).count() == 1
    assert "Inga" not in str(AuditEvent.objects.values_list("data", flat=True))


def test_a_double_click_adds_one_customer(desk: Client) -> None:
    fields = NEW | {"idempotency_key": str(uuid.uuid4())}
    first = desk.post("/customers/new/", fields)
    second = desk.post("/customers/new/", fields)
    assert first["Location"] == second["Location"]
    assert Customer.objects.filter(last_name="Ozola").count() == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"first_name": "", "last_name": ""}, "Enter at least a name, a card, a phone or an email"),
        ({"phone": "12"}, "Enter a phone number, for example +371 26 124 821"),
        ({"phone": "２６１２４８２１"}, "Enter a phone number, for example +371 26 124 821"),
        ({"email": "inga@"}, "Enter an email address, for example anna@example.com"),
        ({"birthday": "31.02.1990"}, "Enter a date, for example 14.07.2026"),
        ({"birthday": "１９９０-01-01"}, "Enter a date, for example 14.07.2026"),
        ({"birthday": "2999-01-01"}, "Enter the date of birth, for example 14.07.1990"),
        ({"birthday": "1700-01-01"}, "Enter the date of birth, for example 14.07.1990"),
        ({"language": "xx"}, "Choose one of the options shown"),
        ({"home_store": "1_000"}, "Choose one of the options shown"),
        ({"first_name": "x" * 81}, "Shorten this. Characters allowed: 80, now: 81"),
        ({"card": "0042 1187"}, "Card 0042 1187 belongs to another customer. Scan it to see whose"),
    ],
)
def test_what_cannot_be_is_refused_in_words(anna: Customer, desk: Client, fields: dict[str, str], words: str) -> None:
    before = (Customer.objects.count(), Identifier.objects.count(), AuditEvent.objects.count())
    answer = post(desk, "/customers/new/", **(NEW | fields))
    assert answer.status_code == 200
    assert "<title>Error:" in text_of(answer)
    assert text_of(answer).count(words) >= 2
    assert (Customer.objects.count(), Identifier.objects.count(), AuditEvent.objects.count()) == before


def test_somebody_with_the_same_phone_is_shown_first(anna: Customer, desk: Client) -> None:
    same = NEW | {"phone": "26124821"}
    answer = post(desk, "/customers/new/", **same)
    assert "Anna Bērziņa" in text_of(answer)
    assert Customer.objects.count() == 1
    post(desk, "/customers/new/", **same, someone_else="on")
    assert Customer.objects.filter(phone="+37126124821").count() == 2


def test_a_form_without_its_key_is_refused(desk: Client) -> None:
    assert desk.post("/customers/new/", NEW).status_code == 400
    assert Customer.objects.count() == 0


def test_contact_is_changed_and_the_log_keeps_no_values(anna: Customer, desk: Client, dace: User) -> None:
    shown = text_of(desk.get(f"/customers/{anna.pk}/edit/"))
    assert "+371 26 124 821" in shown
    answer = post(
        desk, f"/customers/{anna.pk}/edit/", first_name="Anna", last_name="Ozola", phone="", email="", language="ru"
    )
    assert answer.status_code == 302
    anna.refresh_from_db()
    assert (anna.last_name, anna.phone, anna.email, anna.email_key, anna.language) == ("Ozola", "", "", "", "ru")
    event = AuditEvent.objects.get(action="change customer")
    assert event.by == dace
    assert event.data == {"fields": ["email", "home_store", "language", "last_name", "phone"]}


def test_a_refused_change_changes_nothing(anna: Customer, desk: Client) -> None:
    answer = post(desk, f"/customers/{anna.pk}/edit/", first_name="Zita", phone="1", language="lv")
    assert "Enter a phone number" in text_of(answer)
    assert 'value="Zita"' in text_of(answer)
    anna.refresh_from_db()
    assert (anna.first_name, anna.phone) == ("Anna", "+37126124821")


def test_a_card_is_added_once(anna: Customer, janis: Customer, desk: Client) -> None:
    post(desk, f"/customers/{anna.pk}/card/", card="0042-5555")
    post(desk, f"/customers/{anna.pk}/card/", card="00425555")
    assert Identifier.objects.filter(customer=anna, value="00425555").count() == 1
    taken = post(desk, f"/customers/{anna.pk}/card/", card="0042 2210")
    assert "Card 0042 2210 belongs to another customer. Scan it to see whose" in text_of(taken)
    assert Identifier.objects.get(value="00422210").customer == janis


def test_consent_is_written_down_as_it_changes(anna: Customer, desk: Client, dace: User) -> None:
    path = f"/customers/{anna.pk}/consent/"
    unproved = post(desk, path, **{"offers:email": "no", "surveys:email": "yes"})
    assert "Write how the customer agreed" in text_of(unproved)
    assert {one.key for one in preferences_of(anna) if one.given} == {"offers:email"}
    post(desk, path, **{"offers:email": "no", "surveys:email": "yes", "evidence": "Signed  the form"})
    assert ConsentEvent.objects.get(customer=anna, purpose="surveys").evidence == "Signed the form"
    said = {one.key: (one.given, one.since is not None) for one in preferences_of(anna)}
    assert said == {
        "offers:email": (False, True),
        "offers:sms": (False, False),
        "surveys:email": (True, True),
        "receipts:email": (False, False),
    }
    count = ConsentEvent.objects.count()
    post(desk, path, **{"offers:email": "no", "surveys:email": "yes"})
    assert ConsentEvent.objects.count() == count
    page = text_of(desk.get(path))
    assert str(dace) in page
    assert "Signed the form" in page
    assert post(desk, path, **{"offers:email": "maybe"}).status_code == 200
    again = {"offers:email": "yes", "evidence": "Said so"}
    today = Company.current().today()
    for day, words in (
        (today + timedelta(days=1), "Choose today or a day before."),
        (today - timedelta(days=9), "Something was said later."),
    ):
        assert words in text_of(post(desk, path, **again, said_on=day.isoformat()))
    assert ConsentEvent.objects.count() == count


def test_a_flag_is_set_by_hand_and_ended(janis: Customer, desk: Client, dace: User) -> None:
    today = date.today() + timedelta(days=30)  # noqa: DTZ011
    post(desk, f"/customers/{janis.pk}/flag/", loyal="yes", reason="Brings friends", ends_on=today.isoformat())
    flag = LoyaltyFlag.objects.get(customer=janis)
    assert (flag.loyal, flag.reason, flag.set_by, flag.ends_on) == (True, "Brings friends", dace, today)
    assert "Brings friends" in text_of(desk.get(f"/customers/{janis.pk}/flag/"))
    post(desk, f"/customers/{janis.pk}/flag/end/")
    flag.refresh_from_db()
    assert flag.lifted_by == dace
    refused = post(desk, f"/customers/{janis.pk}/flag/", loyal="yes", reason="", ends_on=today.isoformat())
    assert "Write why, in a few words." in text_of(refused)
    assert LoyaltyFlag.objects.count() == 1


def test_a_double_click_sets_one_flag(janis: Customer, desk: Client) -> None:
    last = date.today() + timedelta(days=30)  # noqa: DTZ011
    fields = {"loyal": "yes", "reason": "Kind", "ends_on": last.isoformat(), "idempotency_key": str(uuid.uuid4())}
    for _click in range(2):
        assert desk.post(f"/customers/{janis.pk}/flag/", fields).status_code == 302
    assert LoyaltyFlag.objects.count() == 1


def test_contact_is_masked_until_somebody_asks_and_the_log_keeps_who(anna: Customer, desk: Client, dace: User) -> None:
    page = text_of(desk.get(f"/customers/{anna.pk}/"))
    assert "a•••a@example.com" in page
    assert "anna@example.com" not in page
    assert "4821" in page
    assert "26 124 821" not in page
    assert not AuditEvent.objects.filter(action="see contact").exists()
    shown = post(desk, f"/customers/{anna.pk}/contact/", field="email")
    assert "anna@example.com" in text_of(shown)
    assert shown["Cache-Control"] == "no-store"
    part = desk.post(f"/customers/{anna.pk}/contact/", {"field": "phone"}, headers={"HX-Request": "true"})
    assert "+371 26 124 821" in text_of(part)
    assert "<html" not in text_of(part)
    seen = AuditEvent.objects.filter(action="see contact", by=dace, subject_id=anna.pk).order_by("pk")
    assert [event.data["field"] for event in seen] == ["email", "phone"]
    assert post(desk, f"/customers/{anna.pk}/contact/", field="birthday").status_code == 302
    assert seen.count() == 2


def test_contact_is_not_shown_by_a_get(anna: Customer, desk: Client) -> None:
    assert desk.get(f"/customers/{anna.pk}/contact/?field=email").status_code == 405


@pytest.mark.parametrize("page", ["edit", "card", "consent", "flag", "contact"])
def test_till_staff_keep_out(anna: Customer, liga: User, signed_in: SignIn, page: str) -> None:
    assert post(signed_in(liga), f"/customers/{anna.pk}/{page}/", field="email").status_code == 403


@pytest.mark.parametrize("page", ["edit", "card", "consent", "flag"])
def test_nobody_is_a_404(desk: Client, page: str) -> None:
    for pk in ("999999999", "9223372036854775807", "99999999999999999999999999"):
        assert desk.get(f"/customers/{pk}/{page}/").status_code == 404

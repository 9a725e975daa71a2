"""Who works here: accounts made by an admin, closed at once, and a second step for whoever may do much."""

import io
import re
import uuid
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from customers.models import Customer
from loyaltycrm.core.actions.staff import add_person, change_person, disable_person, initial_password
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Role, Store, User
from loyaltycrm.testing import PASSWORD

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def office(admin: User, signed_in: SignIn) -> Client:
    return signed_in(admin)


def text_of(response: Any) -> str:
    return str(response.content.decode())


def new_person(store: Store, **fields: Any) -> dict[str, Any]:
    usual = {"name": "Zane", "email": "zane@example.com", "role": "till", "stores": [store.pk]}
    return usual | {"idempotency_key": str(uuid.uuid4())} | fields


def log_in(email: str, password: str) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": password})
    return client


def is_in(client: Client) -> bool:
    return bool(client.get("/till/").status_code != 302 or "/accounts/login/" not in client.get("/till/")["Location"])


def test_a_person_is_added_and_the_password_is_shown_once(office: Client, admin: User, barona_iela: Store) -> None:
    fields = new_person(barona_iela)
    answer = office.post("/staff/new/", fields)
    assert answer["Cache-Control"] == "no-store"
    (password,) = re.findall(r"<code>([a-z2-9-]+)</code>", text_of(answer))
    zane = User.objects.get(email="zane@example.com")
    assert (zane.role, list(zane.stores.all())) == ("till", [barona_iela])
    assert zane.check_password(password)
    assert is_in(log_in("zane@example.com", password))
    again = office.post("/staff/new/", fields)
    assert password not in text_of(again)
    assert User.objects.filter(name="Zane").count() == 1
    event = AuditEvent.objects.get(action="add person", subject_id=zane.pk)
    assert (event.by, event.data) == (admin, {"role": "till", "stores": ["BARONA"]})
    assert password not in str(list(AuditEvent.objects.values_list("data", flat=True)))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"email": "ADMIN@example.com"}, "Somebody with this email has an account already"),
        ({"email": "zane"}, "Enter an email address, for example anna@example.com"),
        ({"name": " "}, "Fill in this field: Name"),
        ({"role": "owner"}, "Choose one of the options shown"),
        ({"stores": []}, "Choose at least one store. Only admins see all of them"),
        ({"stores": ["x"]}, "Choose one of the options shown"),
    ],
)
def test_a_person_who_cannot_be_is_refused(
    office: Client, barona_iela: Store, fields: dict[str, Any], words: str
) -> None:
    answer = office.post("/staff/new/", new_person(barona_iela, **fields))
    assert words in text_of(answer)
    assert User.objects.count() == 1


def test_a_weak_password_is_refused(barona_iela: Store) -> None:
    for weak in ("short", "password123", "1234567890", "zane@example.com"):
        with pytest.raises(Refused):
            add_person(email="zane@example.com", name="Zane", role="till", stores=[barona_iela], password=weak, by=None)
    assert not User.objects.exists()
    assert len({initial_password() for _number in range(100)}) == 100


def test_role_and_stores_are_changed(office: Client, liga: User, agenskalns: Store) -> None:
    path = f"/staff/{liga.pk}/"
    office.post(path, {"name": "Līga Ozola", "role": "manager", "stores": [agenskalns.pk]})
    liga.refresh_from_db()
    assert (liga.role, list(liga.stores.all())) == ("manager", [agenskalns])
    event = AuditEvent.objects.get(action="change person")
    assert event.data == {
        "before": {"role": "till", "stores": ["BARONA"]},
        "after": {"role": "manager", "stores": ["AGENSKALNS"]},
    }


def test_the_customer_that_a_person_is_can_be_told_and_taken_away(
    office: Client, liga: User, nameless: Customer, barona_iela: Store
) -> None:
    path = f"/staff/{liga.pk}/"
    kept = {"name": "Līga", "role": "till", "stores": [barona_iela.pk]}
    wrong = office.post(path, kept | {"customer_number": "nobody-has-this"})
    assert "No customer has this number. Look it up in the list of customers" in text_of(wrong)
    liga.refresh_from_db()
    assert (liga.customer_id, liga.name) == (None, "Līga Ozola")
    office.post(path, kept | {"customer_number": f" {nameless.external_id} "})
    liga.refresh_from_db()
    assert liga.customer_id == nameless.pk
    assert AuditEvent.objects.get(action="change person").data["after"]["customer"] == nameless.pk
    assert f'value="{nameless.external_id}"' in text_of(office.get(path))
    change_person(person=liga, name="Līga", role="till", stores=[barona_iela], by=liga)
    liga.refresh_from_db()
    assert liga.customer_id == nameless.pk
    office.post(path, kept | {"customer_number": ""})
    liga.refresh_from_db()
    assert liga.customer_id is None


def test_a_card_names_the_customer_that_a_new_person_is(office: Client, anna: Customer, barona_iela: Store) -> None:
    card = anna.identifiers.get(kind="card").value
    office.post("/staff/new/", new_person(barona_iela, customer_number=f"{card[:4]} {card[4:]}"))
    assert User.objects.get(email="zane@example.com").customer_id == anna.pk
    refused = office.post("/staff/new/", new_person(barona_iela, email="b@example.com", customer_number="0"))
    assert "No customer has this number" in text_of(refused)
    assert not User.objects.filter(email="b@example.com").exists()


def test_a_change_of_role_asks_for_the_password_again(admin: User, liga: User, barona_iela: Store) -> None:
    client = Client()
    client.force_login(admin)
    path = f"/staff/{liga.pk}/"
    asked = client.post(path, {"name": "Līga", "role": "admin"})
    assert asked.status_code == 302
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    liga.refresh_from_db()
    assert liga.role == "till"
    wrong = client.post(f"/accounts/reauthenticate/?next={path}", {"password": "not it"})
    assert wrong.status_code == 200
    liga.refresh_from_db()
    assert liga.role == "till"
    client.post(f"/accounts/reauthenticate/?next={path}", {"password": PASSWORD})
    liga.refresh_from_db()
    assert liga.role == "admin"


@pytest.mark.parametrize(
    "page", ["new/", "export/", "{}/", "{}/disable/", "{}/enable/", "{}/password/", "{}/second-step/"]
)
def test_all_that_changes_people_asks_for_the_password_again(admin: User, liga: User, page: str) -> None:
    client = Client()
    client.force_login(admin)
    before = User.objects.values_list("is_active", "password", "role").get(pk=liga.pk)
    path = f"/staff/{page.format(liga.pk)}"
    for method in (client.get, client.post):
        answer = method(path)
        assert answer.status_code == 405 or answer["Location"].startswith("/accounts/reauthenticate/")
    assert User.objects.values_list("is_active", "password", "role").get(pk=liga.pk) == before


def test_a_closed_account_is_out_at_once_and_stays_out(office: Client, liga: User) -> None:
    at_the_till, at_home = log_in("liga@example.com", PASSWORD), log_in("liga@example.com", PASSWORD)
    assert is_in(at_the_till)
    assert is_in(at_home)
    office.post(f"/staff/{liga.pk}/disable/")
    assert not is_in(at_the_till)
    assert not is_in(log_in("liga@example.com", PASSWORD))
    assert AuditEvent.objects.get(action="disable person").data == {"sessions": 2}
    office.post(f"/staff/{liga.pk}/enable/")
    assert not is_in(at_home)
    assert is_in(log_in("liga@example.com", PASSWORD))
    assert is_in(office)


def test_a_new_password_ends_what_the_old_one_opened(office: Client, liga: User) -> None:
    before = log_in("liga@example.com", PASSWORD)
    answer = office.post(f"/staff/{liga.pk}/password/")
    (password,) = re.findall(r"<code>([a-z2-9-]+)</code>", text_of(answer))
    assert not is_in(before)
    assert not is_in(log_in("liga@example.com", PASSWORD))
    assert is_in(log_in("liga@example.com", password))


def test_one_admin_remains(office: Client, admin: User, liga: User, barona_iela: Store) -> None:
    own = office.post(f"/staff/{admin.pk}/disable/", follow=True)
    assert "This is your own account. Ask another admin to close it" in text_of(own)
    down = office.post(f"/staff/{admin.pk}/", {"name": "Aivars", "role": "till", "stores": [barona_iela.pk]})
    assert "This is the last admin. Make somebody else an admin first" in text_of(down)
    with pytest.raises(Refused):
        disable_person(person=admin, by=liga)
    admin.refresh_from_db()
    assert (admin.is_active, admin.role) == (True, Role.ADMIN)
    second = add_person(email="two@example.com", name="Two", role=Role.ADMIN, password=PASSWORD, by=admin)
    disable_person(person=second, by=admin)
    with pytest.raises(Refused):
        change_person(person=admin, name="Aivars", role=Role.TILL, stores=[barona_iela], by=admin)


def test_the_list_is_found_filtered_sorted_and_taken_along(office: Client, liga: User, dace: User) -> None:
    def names(query: str) -> list[str]:
        return [row.record.name for row in office.get(f"/staff/{query}").context["table"].paginated_rows]

    assert names("") == ["Aivars Lācis", "Dace Krūmiņa", "Līga Ozola"]
    assert names("?sort=-name") == ["Līga Ozola", "Dace Krūmiņa", "Aivars Lācis"]
    assert names("?q=dace") == ["Dace Krūmiņa"]
    assert names("?role=till") == ["Līga Ozola"]
    assert names("?state=closed") == []
    assert names("?store=1_000") == names("?page=99&sort=password&per_page=-1") == names("")
    text = b"".join(office.get("/staff/export/?role=manager").streaming_content).decode()  # type: ignore[attr-defined]
    assert text.splitlines() == [
        "name,email,role,stores,second_step,last_login,account",
        "Dace Krūmiņa,dace@example.com,manager,BARONA AGENSKALNS,no,,open",
    ]


def test_as_many_queries_for_few_as_for_many(
    office: Client, barona_iela: Store, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(100) as made:
            office.get("/staff/")
        return len(made)

    count()
    before = count()
    for number in range(10):
        add_person(
            email=f"p{number}@example.com", name="P", role="till", stores=[barona_iela], password=PASSWORD, by=None
        )
    assert count() <= before + 1


@pytest.mark.parametrize("role", ["liga", "dace"])
def test_only_admins_come_here(request: pytest.FixtureRequest, signed_in: SignIn, admin: User, role: str) -> None:
    client = signed_in(request.getfixturevalue(role))
    for page in ("", "new/", "export/", f"{admin.pk}/"):
        assert client.get(f"/staff/{page}").status_code == 403
    assert client.post(f"/staff/{admin.pk}/disable/").status_code == 403


class TestSecondStep:
    @pytest.fixture(autouse=True)
    def _required(self, settings: Settings, _no_second_factor: None) -> None:
        settings.REQUIRE_SECOND_FACTOR = True

    def test_a_manager_goes_nowhere_without_one(self, dace: User, admin: User, signed_in: SignIn) -> None:
        for who in (dace, admin):
            client = signed_in(who)
            for path in ("/customers/", "/settings/", "/till/"):
                assert client.get(path)["Location"] == "/accounts/2fa/totp/activate/"
            assert client.post("/settings/company/", {"name": "X"})["Location"] == "/accounts/2fa/totp/activate/"
            page = client.get("/customers/", follow=True)
            assert page.status_code == 200
            assert "Managers and admins log in with a second step. Set it up to go on." in text_of(page)

    def test_with_one_the_way_is_free(self, dace: User, signed_in: SignIn) -> None:
        Authenticator.objects.create(user=dace, type=Authenticator.Type.TOTP, data={"secret": "x"})
        assert signed_in(dace).get("/customers/").status_code == 200

    def test_till_staff_need_none(self, liga: User, signed_in: SignIn) -> None:
        answer = signed_in(liga).get("/till/")
        assert answer.status_code == 200 or "2fa" not in answer["Location"]

    def test_an_admin_forgets_the_lost_one_of_a_person(self, admin: User, dace: User, signed_in: SignIn) -> None:
        for who in (admin, dace):
            Authenticator.objects.create(user=who, type=Authenticator.Type.TOTP, data={"secret": "x"})
        hers = signed_in(dace)
        assert hers.get("/customers/").status_code == 200
        signed_in(admin).post(f"/staff/{dace.pk}/second-step/")
        assert hers.get("/customers/")["Location"].startswith("/accounts/login/")
        assert not Authenticator.objects.filter(user=dace).exists()
        assert Authenticator.objects.filter(user=admin).exists()


class TestCreateAdmin:
    def test_the_password_is_read_from_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("a-long-enough-secret\n"))
        call_command("create_admin", "Boss@Example.com", "--name", "Boss", "--password-stdin", stdout=io.StringIO())
        boss = User.objects.get()
        assert (boss.email, boss.role, boss.name) == ("boss@example.com", Role.ADMIN, "Boss")
        assert boss.check_password("a-long-enough-secret")

    @pytest.mark.parametrize(
        ("email", "typed", "words"),
        [
            ("boss@example.com", "", "No password came"),
            ("boss@example.com", "short\n", "too short"),
            ("boss", "a-long-enough-secret\n", "Enter an email address"),
            ("boss@example.com", "password123\n", "too common"),
        ],
    )
    def test_what_cannot_be_is_one_sentence(
        self, monkeypatch: pytest.MonkeyPatch, email: str, typed: str, words: str
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        with pytest.raises(CommandError, match=words):
            call_command("create_admin", email, "--name", "Boss", "--password-stdin")
        assert not User.objects.exists()

    def test_without_a_terminal_nobody_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("x"))
        with pytest.raises(CommandError, match="--password-stdin"):
            call_command("create_admin", "boss@example.com", "--name", "Boss")
        with pytest.raises(CommandError, match="--name"):
            call_command("create_admin", "boss@example.com")
        with pytest.raises(CommandError, match="an email address"):
            call_command("create_admin")
        assert not User.objects.exists()

    def test_at_a_terminal_it_is_asked_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = mock.Mock(isatty=lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        answers = iter(["a-long-enough-secret", "another"])
        monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
        with pytest.raises(CommandError, match="differ"):
            call_command("create_admin", "boss@example.com", "--name", "Boss")
        assert not User.objects.exists()

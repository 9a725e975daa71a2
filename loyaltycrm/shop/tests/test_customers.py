"""The list of customers and its file."""

import csv
import io
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils.html import escape

from customers import search
from customers.actions.customers import create_customer
from customers.models import Classification, Customer
from loyaltycrm.core.models import AuditEvent, Store, User
from loyaltycrm.testing import visit

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def names(client: Client, query: str = "") -> list[str]:
    """The customers on the page, in order."""
    response = client.get(f"/customers/{query}")
    assert response.status_code == 200
    return [row.record.full_name for row in response.context["table"].paginated_rows]


def rows(client: Client, query: str = "") -> list[dict[str, str]]:
    response = client.get(f"/customers/export/{query}")
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def people(anna: Customer, janis: Customer, olga: Customer, nameless: Customer, classified: None) -> None:
    pass


def test_everyone_by_name_the_nameless_last(people: None, dace: User, signed_in: SignIn) -> None:
    page = signed_in(dace).get("/customers/")
    assert [row.record.external_id for row in page.context["table"].paginated_rows] == [
        "A-1001",
        "A-1002",
        "A-1003",
        "A-1004",
    ]
    text = page.content.decode()
    assert "Anna Bērziņa" in text
    assert "Gold" in text
    assert "Regular and loyal" in text
    assert "4 customers" in text


FILTERS = [
    ("?q=berz", ["Anna Bērziņa"]),
    ("?q=petrov", ["Ольга Петрова"]),
    ("?q=0042 2210", ["Jānis Kalniņš"]),
    ("?q=a 48", ["Anna Bērziņa"]),
    ("?q=nobody", []),
    ("?q=%25", []),
    ("?group=regular_loyal", ["Anna Bērziņa"]),
    ("?group=unknown", ["Jānis Kalniņš", "Ольга Петрова", "Customer A-1004"]),
    ("?tier=gold", ["Anna Bērziņa"]),
    ("?tier=member", ["Jānis Kalniņš", "Ольга Петрова", "Customer A-1004"]),
    ("?regular=yes", ["Anna Bērziņa"]),
    ("?regular=no", ["Jānis Kalniņš", "Ольга Петрова", "Customer A-1004"]),
    ("?consent=yes", ["Anna Bērziņa", "Ольга Петрова"]),
    ("?consent=no", ["Jānis Kalniņš", "Customer A-1004"]),
    ("?consent=yes&q=anna", ["Anna Bērziņa"]),
    ("?sort=-name", ["Customer A-1004", "Ольга Петрова", "Jānis Kalniņš", "Anna Bērziņa"]),
    ("?sort=last_visit", ["Jānis Kalniņš", "Anna Bērziņa", "Ольга Петрова", "Customer A-1004"]),
    ("?sort=-last_visit", ["Anna Bērziņa", "Jānis Kalniņš", "Ольга Петрова", "Customer A-1004"]),
    ("?sort=since", ["Anna Bērziņa", "Ольга Петрова", "Customer A-1004", "Jānis Kalniņš"]),
]


def test_filters_and_order(people: None, dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    for query, found in FILTERS:
        assert names(client, query) == found, query


def test_customers_of_a_store_are_those_who_were_there(
    anna: Customer, janis: Customer, agenskalns: Store, dace: User, signed_in: SignIn
) -> None:
    visit(janis, agenskalns, 500)
    assert names(signed_in(dace), f"?store={agenskalns.pk}") == ["Jānis Kalniņš"]


def test_another_managers_store_is_no_choice(anna: Customer, centrs: Store, dace: User, signed_in: SignIn) -> None:
    visit(anna, centrs, 500)
    page = signed_in(dace).get(f"/customers/?store={centrs.pk}")
    assert "Choose one of the options shown" in page.content.decode()


HOSTILE = [
    "?page=abc",
    "?page=-1",
    "?page=0",
    "?page=99999999999999999999999999",
    "?per_page=-1",
    "?per_page=0",
    "?per_page=1000000",
    "?sort=;drop",
    "?sort=-",
    "?sort=password",
    "?group=x",
    "?tier=%C2%85",
    "?store=1_000",
    "?store=NaN",
    "?store=99999999999999999999999",
    "?q=" + "x" * 5000,
    "?q=%F0%9F%99%82",
    "?regular=maybe",
]
CONTROL_CHARACTERS = ["?q=%00", "?sort=%00", "?q=%ED%A0%80%01"]


def test_hostile_addresses_break_nothing(anna: Customer, dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    for hostile in HOSTILE:
        assert client.get(f"/customers/{hostile}").status_code == 200, hostile
    for hostile in CONTROL_CHARACTERS:
        assert client.get(f"/customers/{hostile}").status_code == 400, hostile


def test_as_many_queries_for_one_customer_as_for_many(
    barona_iela: Store, dace: User, signed_in: SignIn, django_assert_max_num_queries: Callable[..., object]
) -> None:
    client = signed_in(dace)
    client.get("/customers/")

    def count() -> int:
        with django_assert_max_num_queries(1_000) as made:  # type: ignore[attr-defined]
            client.get("/customers/")
        return len(made)

    first = create_customer(first_name="A", language="en", by=None)
    visit(first, barona_iela, 100)
    with_one = count()
    for number in range(30):
        more = create_customer(first_name=f"B{number}", language="en", by=None)
        visit(more, barona_iela, 100)
    assert count() == with_one <= 20


def test_pages_of_25(dace: User, signed_in: SignIn) -> None:
    for number in range(30):
        create_customer(first_name=f"B{number:02d}", language="en", by=None)
    client = signed_in(dace)
    assert names(client) == [f"B{number:02d}" for number in range(25)]
    assert names(client, "?page=2") == [f"B{number:02d}" for number in range(25, 30)]
    assert names(client, "?per_page=100") == names(client)
    assert len(rows(client)) == 30


def test_of_a_long_list_the_first_rows_are_counted(
    dace: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file holds all of them."""
    monkeypatch.setattr("loyaltycrm.core.tables.MOST_COUNTED", 50)
    people = [Customer(external_id=f"L{n:02}", first_name=f"B{n:02}", joined_on="2026-01-01") for n in range(53)]
    Customer.objects.bulk_create(people)
    client = signed_in(dace)
    first, last = (client.get(f"/customers/?page={page}").content.decode() for page in (1, 3))
    assert "More than 50 customers" in first
    assert "1 to 25 of more than 50" in first
    assert "Narrow the list to see the others." not in first
    assert "26 to 50 of more than 50. Narrow the list to see the others." in last
    assert names(client, "?page=2") == [f"B{n:02}" for n in range(25, 50)]
    assert len(rows(client)) == 53


def test_of_a_word_that_very_many_have_the_first_by_that_word_are_shown(
    people: None, dace: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those called so are the same as ever, each once; only their order is that of the words."""
    for first, last in (("Anda", "Andersone"), ("Zane", "Anspoka"), ("Anita", "Zariņa"), ("Ивана", "Андреева")):
        create_customer(first_name=first, last_name=last, language="en", by=None)
    client = signed_in(dace)
    queries = ("?q=an", "?q=a", "?q=an+z", "?q=z+an", "?q=an&group=regular_loyal", "?q=anita", "?q=е", "?q=A-1002")
    by_name = {query: names(client, query) for query in queries}
    # More than no term at all begins with each word, and the pages are as long as ever.
    frequent_prefix = search.frequent_prefix
    monkeypatch.setattr(search, "frequent_prefix", lambda words, **_more: frequent_prefix(words, more_than=0))
    shown = {query: names(client, query) for query in queries}
    # Double letters count once: ana, anda, andreva, anita, anspoka.
    assert shown["?q=an"][:2] == ["Anna Bērziņa", "Anda Andersone"]
    assert {query: sorted(found) for query, found in shown.items()} == {
        query: sorted(found) for query, found in by_name.items()
    }
    assert shown["?q=an"] != by_name["?q=an"]
    assert names(client, "?q=an&sort=name") == by_name["?q=an"]
    assert sorted(row["first_name"] for row in rows(client, "?q=an")) == sorted(
        name.split()[0] for name in by_name["?q=an"]
    )


def test_by_score_a_long_list_has_the_order_of_a_short_one(
    people: None, dace: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, score in (("A-1002", 30), ("A-1003", 70)):
        loyal = score > 60
        standing = Classification.objects.filter(customer__external_id=number)
        assert standing.update(score=score, loyal=loyal, regular=False, group="loyal" if loyal else "neither") == 1
    client = signed_in(dace)
    for sort in ("score", "-score"):
        short = names(client, f"?sort={sort}")
        assert short[-1] == "Customer A-1004"
        with monkeypatch.context() as patch:
            patch.setattr("loyaltycrm.core.tables.MOST_COUNTED", 2)
            assert names(client, f"?sort={sort}") == short[:2]


def test_the_file_holds_what_the_list_shows(people: None, dace: User, signed_in: SignIn) -> None:
    anna, janis, olga, nameless = rows(signed_in(dace))
    assert anna["customer_id"] == "A-1001"
    assert anna["phone"] == "+37126124821"
    assert anna["group"] == "regular_loyal"
    assert (anna["regular"], anna["loyal"], anna["tier"]) == ("yes", "yes", "gold")
    assert int(anna["points"]) >= 2800
    assert (janis["regular"], janis["offers_by_email"]) == ("no", "no")
    assert (olga["group"], olga["regular"], olga["last_visit"]) == ("unknown", "no", "")
    assert (nameless["first_name"], nameless["tier"], nameless["points"]) == ("", "member", "0")
    assert [one["customer_id"] for one in rows(signed_in(dace), "?consent=yes")] == ["A-1001", "A-1003"]
    assert list(AuditEvent.objects.filter(action="export", by=dace).order_by("id").values_list("data", flat=True)) == [
        {"what": "customers", "filters": []},
        {"what": "customers", "filters": ["consent"]},
    ]


def test_a_formula_in_a_name_is_not_run(dace: User, signed_in: SignIn) -> None:
    for formula in ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "|x", "%x"):
        create_customer(first_name=formula, phone="+371 26124821", language="en", by=None)
    found = rows(signed_in(dace))
    assert len(found) == 6
    for row in found:
        assert row["first_name"].startswith("'")
        assert row["phone"] == "+37126124821"


def test_the_file_asks_for_the_password_again(anna: Customer, dace: User) -> None:
    client = Client()
    client.force_login(dace)
    answer = client.get("/customers/export/?q=anna")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert not AuditEvent.objects.filter(action="export").exists()


def test_an_empty_shop_says_why(dace: User, signed_in: SignIn) -> None:
    assert (
        escape("No customers yet. Add the first one, or import a file.")
        in signed_in(dace).get("/customers/").content.decode()
    )


def test_names_are_shown_as_text(dace: User, signed_in: SignIn) -> None:
    create_customer(first_name="<script>alert(1)</script>", language="en", by=None)
    assert "<script>alert" not in signed_in(dace).get("/customers/").content.decode()

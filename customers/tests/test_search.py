"""Finding people the way tills look for them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers import search
from customers.actions.customers import create_customer, index_customers, update_customer
from customers.models import Customer, Identifier, SearchTerm
from customers.search import exact, find, first, folded, terms_of

pytestmark = pytest.mark.django_db


def add(first_name: str = "", last_name: str = "", **fields: Any) -> Customer:
    return create_customer(first_name=first_name, last_name=last_name, language="en", by=None, **fields)


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("Bērziņa", "Berzina"),
        ("Bērziņa", "BERZ"),
        ("Berzina", "bērziņa"),
        ("Иванов", "Ivanov"),
        ("Иванов", "ivan"),
        ("Ivanovs", "Иванов"),
        ("Юлия", "Jūlija"),
        ("Юлия", "Yulia"),
        ("Jūlija", "Юлия"),
        ("Щукин", "Ščukin"),
        ("Щукин", "Shchukin"),
        ("Цой", "Tsoy"),
        ("Цой", "Coj"),
        ("Tsoy", "Цой"),
        ("Cojs", "Цой"),
        ("Фёдор", "Fjodor"),
        ("Фёдор", "Fedor"),
        ("Федор", "Фёдор"),
        ("Елена", "Jeļena"),
        ("Елена", "Elena"),
        ("Хохлов", "Khokhlov"),
        ("Дмитрий", "Dmitry"),
        ("O'Neil", "oneil"),
        ("Oneil", "o’neil"),
        ("Anna-Marija", "marija"),
        ("Großmann", "grossm"),
        ("Łukasz", "lukasz"),
        ("İpek", "ipek"),
        ("李小龙", "李小"),
    ],
)
def test_a_name_is_found_in_any_spelling(stored: str, typed: str) -> None:
    person = add(last_name=stored)
    assert find(typed) == [person]


def test_a_name_is_not_found_by_another_one() -> None:
    add("Anna", "Bērziņa")
    assert find("Ozol") == []
    assert find("erz") == []
    assert find("Anna Ozola") == []


def test_words_match_in_any_order_with_last_digits(anna: Customer, janis: Customer) -> None:
    assert find("ber 48") == [anna]
    assert find("48 ber") == [anna]
    assert find("anna ber 4821") == [anna]
    assert find("ber 44") == []


def test_card_phone_email_and_number_lead_to_their_owner(anna: Customer, janis: Customer) -> None:
    for text in (
        "0042 1187",
        "00421187",
        "0042-1187",
        "+371 26124821",
        "2612 4821",
        "Anna@Example.com",
        "A-1001",
        "a1001",
        "4821",
    ):
        assert find(text) == [anna], text
    for text in ("00421187", "26124821", "anna@example.com", "A-1001"):
        assert exact(text) == [anna], text
    assert exact("4821") == []
    assert exact("Anna") == []


def test_whom_the_text_names_comes_before_whose_name_begins_so() -> None:
    first = add(last_name="Zaiga", external_id="Z1")
    by_name = add(last_name="Ana")
    by_card = add(last_name="Ozols", card="ana")
    longer = add(last_name="Anastasija")
    assert find("ana") == [by_card, by_name, longer]
    assert first not in find("ana")


def test_a_card_that_is_not_in_use_any_more_leads_nowhere() -> None:
    person = add(last_name="Ozols", card="123456")
    Identifier.objects.filter(customer=person).update(is_active=False)
    index_customers([person.pk])
    assert find("123456") == []
    assert find("Ozols") == [person]


def test_at_most_six_whole_words_first() -> None:
    people = [add("Anete", f"Ozola{letter}") for letter in "abcdefg"]
    whole = add("Ane", "Ziemele")
    found = find("ane")
    assert len(found) == 6
    assert found[0] == whole
    assert found[1:] == people[:5]


def test_a_customer_with_several_words_alike_is_listed_once() -> None:
    person = add("Anna Anete", "Ana-Annija")
    assert find("an") == [person]


def test_a_changed_name_is_found_and_the_old_one_is_not(db: None) -> None:
    person = add("Anna", "Kalniņa", phone="+371 26124821")
    update_customer(customer=person, last_name="Zvirbule", phone="", by=None)
    assert find("zvirb") == [person]
    assert find("kalnin") == []
    assert find("4821") == []
    assert set(SearchTerm.objects.filter(customer=person).values_list("term", flat=True)) == terms_of(
        first_name="Anna", last_name="Zvirbule", external_id=person.external_id
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "   ",
        "\x00",
        "%",
        "_",
        "a%b_c",
        "'; DROP TABLE customers_customer; --",
        "\ud800",
        "a" * 101,
        "q " * 50,
        "\u202e\u200b",
        "🙂",
        "@",
        "+",
        "(((((((",
        "1_000",
        "\\",
    ],
)
def test_hostile_text_finds_nobody_and_breaks_nothing(hostile: str, anna: Customer) -> None:
    assert find(hostile) == []


def test_signs_that_a_scanner_adds_do_not_matter(anna: Customer) -> None:
    assert find("\x02" + "00421187" + "\x03\r\n") == [anna]


def test_a_wildcard_is_no_wildcard() -> None:
    add(last_name="Ozols")
    assert find("O%") == find("O") != []
    assert find("%zols") == []


def test_few_queries_however_many_match(django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    for number in range(12):
        add("Anna", f"Berzina{number}", phone=f"+371 261248{number:02d}")
    with django_assert_max_num_queries(5):
        assert len(find("ann ber 48")) == 6


latin = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzšžčāļØß'1"), min_size=1, max_size=12)


@given(latin, st.integers(min_value=1, max_value=12))
def test_what_is_typed_so_far_is_a_prefix_of_what_will_be_typed(word: str, length: int) -> None:
    whole, part = folded(word), folded(word[:length])
    if part:
        assert any(form.startswith(part[0]) for form in whole)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_name_folds_to_terms_that_fit(name: str) -> None:
    for term in terms_of(first_name=name, last_name=name, external_id=name):
        assert 0 < len(term) <= 40


def test_of_words_that_very_many_have_the_first_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two letters begins more terms than are looked at: of a, those of Ada, Agnese and Aija."""
    for name, family in (("Ada", "Liepa"), ("Agnese", "Kalna"), ("Aija", "Ozola")):
        add(name, family)
    both = [add("Anna", "Balode"), add("Asja", "Birka"), add("Bella", "Briede"), add("Baiba", "Bite")]
    assert first("a b").customers == both[:2]
    assert not first("a b").has_more
    monkeypatch.setattr(search, "MOST_LOOKED_AT", 3)
    assert (first("a b").customers, first("a b").has_more) == ([], True)
    assert (first("a", limit=2).has_more, len(first("a", limit=2).customers)) == (True, 2)
    assert (first("an b").customers, first("an b").has_more) == (both[:1], False)
    assert (first("bal an").customers, first("bal an").has_more) == (both[:1], False)

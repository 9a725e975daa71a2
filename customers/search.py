"""Finding a customer by what one sees or hears: words of the name, last digits of the phone, card, email.

Every word is stored once per customer in the form that `folded` gives it, in a C-collated btree. The form makes
spellings of one name meet: no accents, Latin letters, and y, j and i alike, double letters once, sh and š alike; so
Berzina finds Bērziņa, Ivanov finds Иванов, and Юлия finds Jūlija. A shorter text folds to a prefix of what a longer
one folds to, which is what search as you type needs.
"""

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import connection

from customers.models import Customer
from loyaltycrm.core import knobs
from loyaltycrm.lib.contacts import card_key, email_key, phone_key

LONGEST_QUERY = 100
MOST_WORDS = 10
MOST_QUERY_WORDS = 5
MOST_MATCHES = 6
LONGEST_TERM = 40
_LAST = "\U0010ffff"
_ENOUGH_TO_COMPARE = 2_000
# Of the word that fewest people have; where even that begins more terms, the first so many of them are looked at.
MOST_LOOKED_AT = 5_000
_FEWEST_PHONE_DIGITS = 6

_WORDS = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile("['’ʼ`´]")
_SPECIAL = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_CYRILLIC = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "z", "з": "z", "и": "i", "й": "i", "к": "k",
        "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "ч": "c",
        "ш": "s", "щ": "sc", "ъ": "", "ы": "i", "ь": "", "э": "e", "ю": "iu", "я": "ia", "і": "i", "ї": "i",
        "є": "ie", "ґ": "g", "ў": "u",
    }
)  # fmt: skip
_SPELT_TWO_WAYS = {"ц": ("c", "ts"), "х": ("h", "kh"), "ё": ("e", "io")}
_SAME_SOUND = (("sh", "s"), ("zh", "z"), ("ch", "c"), ("x", "ks"), ("y", "i"), ("j", "i"))
_DOUBLE = re.compile(r"([a-z])\1+")


@dataclass(frozen=True, slots=True)
class Matched:
    """The first customers that a text leads to, and whether there are, or may be, others."""

    customers: list[Customer]
    has_more: bool


def folded(word: str) -> list[str]:
    """The forms under which a word is stored and looked up: one, or a few where Cyrillic is spelt in several ways."""
    plain = unicodedata.normalize("NFKD", word.replace("ё", "\ue000").replace("Ё", "\ue000")).casefold()
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign)).replace("\ue000", "ё")
    choices = [_SPELT_TWO_WAYS.get(sign, (sign,)) for sign in plain]
    if plain.startswith("е"):
        choices[0] = ("e", "ie")
    forms = []
    for spelling in itertools.islice(itertools.product(*choices), 8):
        form = "".join(spelling).translate(_CYRILLIC).translate(_SPECIAL)
        for written, kept in _SAME_SOUND:
            form = form.replace(written, kept)
        form = _DOUBLE.sub(r"\1", form)
        if form:
            forms.append(form[:LONGEST_TERM])
    return list(dict.fromkeys(forms))


def words_of(text: str) -> list[str]:
    """The words of a text; an apostrophe is part of its word, a hyphen parts two."""
    return _WORDS.findall(_APOSTROPHES.sub("", text))


def terms_of(
    *,
    first_name: str = "",
    last_name: str = "",
    phone: str = "",
    external_id: str = "",
    cards: Iterable[str] = (),
) -> set[str]:
    """What a customer is found by: the words of the name, the phone's last four digits, number and cards whole."""
    terms = {form for word in words_of(f"{first_name} {last_name}")[:MOST_WORDS] for form in folded(word)}
    if phone:
        terms.add(phone[-4:])
    for number in (external_id, *cards):
        terms.update(folded(card_key(number)))
    return terms


def find(query: str, limit: int = MOST_MATCHES) -> list[Customer]:
    """The customers that a typed or scanned text leads to, at most `limit`, in at most five queries.

    First whom the whole text names exactly (card, number, phone, email), then whoever has a term beginning with each
    of its words, in any order, whole words before longer ones. Where every word begins more than `MOST_LOOKED_AT`
    terms, as single letters do, whoever stands further back is not found: a longer text finds them.
    """
    return _found(query, limit)[0]


def first(query: str, *, limit: int = MOST_MATCHES, but: Collection[int] = ()) -> Matched:
    """The first `limit` customers that the text leads to, those whose ids are in `but` left out."""
    found, is_all = _found(query, limit + len(but) + 1)
    others = [customer for customer in found if customer.pk not in but]
    return Matched(others[:limit], has_more=len(others) > limit or not is_all)


def _found(query: str, limit: int) -> tuple[list[Customer], bool]:
    """What `find` finds, and whether all who may match were looked at or `limit` found."""
    query = cleaned(query)
    by_terms, is_all = _ids_by_terms(query, limit)
    ids = list(dict.fromkeys([*_exact_ids(query), *by_terms]))[:limit]
    found = Customer.objects.in_bulk(ids)
    return [found[pk] for pk in ids if pk in found], is_all


def exact(query: str) -> list[Customer]:
    """The customers whom the whole text names: by card, customer number, phone or email."""
    ids = _exact_ids(cleaned(query))
    found = Customer.objects.in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


def cleaned(query: str) -> str:
    """The text without the control characters that scanners add, blank where it is too long to be a query."""
    text = "".join(" " if sign in "\t\r\n" else sign for sign in query if sign.isprintable() or sign in "\t\r\n\u00a0")
    text = text.strip()
    return text if len(text) <= LONGEST_QUERY else ""


def typed_phone(text: str) -> str:
    """A phone as staff type it, in E.164; without a country code it is one of the company's country. Blank if none."""
    if sum(sign.isdecimal() for sign in text) < _FEWEST_PHONE_DIGITS:
        return ""
    return phone_key(text, country=str(knobs.value(knobs.PHONE_COUNTRY)))


def prefixes_of(query: str) -> list[list[str]]:
    """For each word of the query, the prefixes that stand for it."""
    return [forms for word in words_of(query)[:MOST_QUERY_WORDS] if (forms := folded(word))]


def term_conditions(words: Collection[Collection[str]], customer_column: str) -> tuple[str, list[str]]:
    """SQL saying that the customer in `customer_column` has a term beginning with each word, and its parameters."""
    conditions: list[str] = []
    parameters: list[str] = []
    for forms in words:
        # OFFSET 0 keeps the planner from joining the other way round, from the word that narrows less.
        conditions.append(
            f"EXISTS (SELECT 1 FROM customers_searchterm o WHERE o.customer_id = {customer_column} AND ("  # noqa: S608
            + " OR ".join(["o.term BETWEEN %s AND %s"] * len(forms))
            + ") OFFSET 0)"
        )
        parameters.extend(bound for form in forms for bound in (form, form + _LAST))
    return " AND ".join(conditions) or "TRUE", parameters


def everyone_called(query: str) -> tuple[str, list[str]] | None:
    """SQL for the ids of all who have a term beginning with each word of the text, and its parameters; None where it
    has no words. Reads no more terms than begin with the rarest word."""
    words, _few = _rarest_first(prefixes_of(query))
    if not words:
        return None
    others, parameters = term_conditions(words[1:], "t.customer_id")
    begins = " OR ".join(["t.term BETWEEN %s AND %s"] * len(words[0]))
    bounds = [bound for form in words[0] for bound in (form, form + _LAST)]
    statement = f"SELECT t.customer_id FROM customers_searchterm t WHERE ({begins}) AND {others}"  # noqa: S608
    return statement, [*bounds, *parameters]


def frequent_prefix(query: str, *, more_than: int) -> tuple[str, str, list[list[str]]] | None:
    """Of a text whose rarest word still begins more terms than that: the first and the last term that begin so, and the
    prefixes of the other words. None for a rarer word, and for one that is spelt in several ways."""
    words, _few = _rarest_first(prefixes_of(query))
    if not words or len(words[0]) > 1:
        return None
    (form,) = words[0]
    return (form, form + _LAST, words[1:]) if _begins_more_than(form, more_than) else None


def _ids_by_terms(query: str, limit: int) -> tuple[list[int], bool]:
    """The first ids by the words of a text, and whether these are all or as many as were asked for."""
    words, few_begin_so = _rarest_first(prefixes_of(query))
    if not words:
        return [], True
    others, other_parameters = term_conditions(words[1:], "t.customer_id")
    # The inner limit bounds what is read: of two letters nobody may have both, and each begins very many terms.
    branch = f"""
        (SELECT t.term, t.customer_id FROM
             (SELECT term, customer_id FROM customers_searchterm WHERE term BETWEEN %s AND %s
              ORDER BY term, customer_id LIMIT {MOST_LOOKED_AT:d}) t
         WHERE {others}
         AND NOT EXISTS (SELECT 1 FROM customers_searchterm earlier WHERE earlier.customer_id = t.customer_id
                         AND earlier.term >= %s AND earlier.term < t.term OFFSET 0)
         ORDER BY t.term, t.customer_id LIMIT {limit:d})"""  # noqa: S608
    parameters = [value for form in words[0] for value in (form, form + _LAST, *other_parameters, form)]
    with connection.cursor() as cursor:
        branches = " UNION ALL ".join([branch] * len(words[0]))
        cursor.execute(f"SELECT term, customer_id FROM ({branches}) found ORDER BY 1, 2", parameters)  # noqa: S608
        ids = list(dict.fromkeys(pk for _term, pk in cursor.fetchall()))[:limit]
    if few_begin_so or len(ids) == limit:
        return ids, True
    return ids, not any(_begins_more_than(form, MOST_LOOKED_AT) for form in words[0])


def _begins_more_than(form: str, number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT FROM customers_searchterm WHERE term BETWEEN %s AND %s LIMIT %s) begun",
            [form, form + _LAST, number + 1],
        )
        return bool((cursor.fetchone() or [0])[0] > number)


def _rarest_first(words: list[list[str]]) -> tuple[list[list[str]], bool]:
    """The words with the one that fewest terms begin with at the front, where the search begins; and whether these are
    few, or it is the only one, so that nobody is looked past."""
    if len(words) < 2:
        return words, True
    counted = " UNION ALL ".join(
        f"SELECT {place}, count(*) FROM (SELECT 1 FROM customers_searchterm WHERE term BETWEEN %s AND %s LIMIT %s) n"  # noqa: S608
        for place, forms in enumerate(words)
        for _form in forms
    )
    totals = dict.fromkeys(range(len(words)), 0)
    with connection.cursor() as cursor:
        cursor.execute(
            counted, [value for forms in words for form in forms for value in (form, form + _LAST, _ENOUGH_TO_COMPARE)]
        )
        for place, count in cursor.fetchall():
            totals[place] += count
    places = sorted(totals, key=lambda place: (totals[place], -len(words[place][0])))
    return [words[place] for place in places], totals[places[0]] < min(_ENOUGH_TO_COMPARE, MOST_LOOKED_AT)


def _exact_ids(query: str) -> list[int]:
    if not query:
        return []
    card = card_key(query)
    branches = [
        "SELECT customer_id FROM customers_identifier WHERE kind = 'card' AND value = %s AND is_active",
        "SELECT coalesce(merged_into_id, id) FROM customers_customer WHERE external_id IN (%s, %s)",
        "SELECT customer_id FROM customers_identifier WHERE kind = 'alias' AND value IN (%s, %s)",
    ]
    parameters = [card, query, card, query, card]
    if phone := typed_phone(query):
        branches.append(
            "(SELECT coalesce(merged_into_id, id) FROM customers_customer WHERE phone = %s ORDER BY id LIMIT 6)"
        )
        parameters.append(phone)
    if "@" in query:
        branches.append(
            "(SELECT coalesce(merged_into_id, id) FROM customers_customer WHERE email_key = %s ORDER BY id LIMIT 6)"
        )
        parameters.append(email_key(query))
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(branches), parameters)
        return list(dict.fromkeys(pk for (pk,) in cursor.fetchall()))

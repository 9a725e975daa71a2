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
    of its words, in any order, whole words before longer ones.
    """
    query = cleaned(query)
    ids = list(dict.fromkeys([*_exact_ids(query), *_ids_by_terms(query, limit)]))[:limit]
    found = Customer.objects.in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


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
    words = _rarest_first(prefixes_of(query))
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
    words = _rarest_first(prefixes_of(query))
    if not words or len(words[0]) > 1:
        return None
    (form,) = words[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT FROM customers_searchterm WHERE term BETWEEN %s AND %s LIMIT %s) begun",
            [form, form + _LAST, more_than + 1],
        )
        if (cursor.fetchone() or [0])[0] <= more_than:
            return None
    return form, form + _LAST, words[1:]


def _ids_by_terms(query: str, limit: int) -> list[int]:
    words = _rarest_first(prefixes_of(query))
    if not words:
        return []
    others, other_parameters = term_conditions(words[1:], "t.customer_id")
    branch = f"""
        (SELECT t.term, t.customer_id FROM customers_searchterm t WHERE t.term BETWEEN %s AND %s AND {others}
         AND NOT EXISTS (SELECT 1 FROM customers_searchterm earlier WHERE earlier.customer_id = t.customer_id
                         AND earlier.term >= %s AND earlier.term < t.term OFFSET 0)
         ORDER BY t.term, t.customer_id LIMIT {limit:d})"""  # noqa: S608
    parameters = [value for form in words[0] for value in (form, form + _LAST, *other_parameters, form)]
    with connection.cursor() as cursor:
        branches = " UNION ALL ".join([branch] * len(words[0]))
        cursor.execute(f"SELECT term, customer_id FROM ({branches}) found ORDER BY 1, 2", parameters)  # noqa: S608
        return list(dict.fromkeys(pk for _term, pk in cursor.fetchall()))[:limit]


def _rarest_first(words: list[list[str]]) -> list[list[str]]:
    """The words with the one that fewest terms begin with at the front: it is where the search begins."""
    if len(words) < 2:
        return words
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
    return [words[place] for place in sorted(totals, key=lambda place: (totals[place], -len(words[place][0])))]


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

"""Profiles that may be one person: found over all customers by sets, scored with reasons, and judged by people.

A search writes what it finds anew and keeps what was judged. It is asked for as a row; whoever takes it up holds a lock
of its session, so that one cut short is simply begun again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from customers.models import DuplicatePair, DuplicateSearch, Likeness
from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import User
from loyaltycrm.lib.locks import only_one

LOCK: Final = "loyaltycrm.duplicates"
LISTED_FROM: Final = 50
MOST_SHARERS: Final = 20
FEW_BEARERS: Final = 3
NEAR: Final = 0.85
CHUNK: Final = 10_000
WORTH: Final = {
    Likeness.EMAIL: 35,
    Likeness.PHONE: 35,
    Likeness.CARD: 60,
    Likeness.NAME: 35,
    Likeness.NEAR_NAME: 25,
    Likeness.NO_NAME: 20,
    Likeness.BIRTHDAY: 25,
    Likeness.RARE_NAME: 20,
    Likeness.OTHER_NAME: -25,
    Likeness.OTHER_BIRTHDAY: -40,
    Likeness.OTHER_CONTACT: -10,
}
"""What each likeness adds to the score of 100; a pair is listed from `LISTED_FROM` on."""

# Of each customer what is compared. The name is that of the search: no accents, Latin letters, words in any order.
_PEOPLE = """
    CREATE TEMP TABLE duplicate_people AS
    SELECT c.id, c.email_key, c.phone, c.birthday, c.external_id, coalesce(n.words, '') AS words
    FROM customers_customer c LEFT JOIN (
        SELECT t.customer_id, string_agg(t.term, ' ' ORDER BY t.term) AS words
        FROM customers_searchterm t WHERE t.term !~ '[0-9]' GROUP BY t.customer_id
    ) n ON n.customer_id = c.id
    WHERE c.merged_into_id IS NULL
"""
_SHARED = """
    INSERT INTO duplicate_candidates
    SELECT a.id, b.id FROM duplicate_people a JOIN duplicate_people b ON b.{column} = a.{column} AND b.id > a.id
    WHERE a.{column} IN (
        SELECT p.{column} FROM duplicate_people p WHERE p.{column} <> ''
        GROUP BY p.{column} HAVING count(*) BETWEEN 2 AND %(most)s
    )
"""
_STEPS: Final = (
    _SHARED.format(column="email_key"),
    _SHARED.format(column="phone"),
    """
    INSERT INTO duplicate_candidates
    SELECT least(p.id, i.customer_id), greatest(p.id, i.customer_id)
    FROM customers_identifier i
    JOIN duplicate_people p ON upper(regexp_replace(p.external_id, '[[:space:]-]+', '', 'g')) = i.value
    JOIN duplicate_people owner ON owner.id = i.customer_id
    WHERE i.is_active AND p.id <> i.customer_id
    """,
    # A name that few bear: of two people with it the chance is good that they are one.
    """
    INSERT INTO duplicate_candidates
    SELECT a.id, b.id FROM duplicate_people a JOIN duplicate_people b ON b.words = a.words AND b.id > a.id
    WHERE a.words IN (
        SELECT p.words FROM duplicate_people p WHERE p.words LIKE '%% %%'
        GROUP BY p.words HAVING count(*) BETWEEN 2 AND %(few)s
    )
    """,
    # The same birthday and a word of the name in common: the same name, or nearly. A day that stands for "not known"
    # with a name that many bear tells nothing.
    """
    WITH born AS (
        SELECT p.id, p.birthday, t.term FROM duplicate_people p
        JOIN customers_searchterm t ON t.customer_id = p.id AND t.term !~ '[0-9]'
        WHERE p.birthday IS NOT NULL
    ), shared AS (
        SELECT birthday, term FROM born GROUP BY birthday, term HAVING count(*) BETWEEN 2 AND %(most)s
    )
    INSERT INTO duplicate_candidates
    SELECT DISTINCT a.id, b.id FROM shared
    JOIN born a USING (birthday, term) JOIN born b USING (birthday, term) WHERE b.id > a.id
    """,
)
_PAIRS = """
    CREATE TEMP TABLE duplicate_pairs AS
    SELECT d.first, d.second, a.words AS words, b.words AS other_words,
        a.email_key <> '' AND a.email_key = b.email_key AS email,
        a.phone <> '' AND a.phone = b.phone AS phone,
        EXISTS (
            SELECT 1 FROM customers_identifier i WHERE i.is_active AND (
                (i.customer_id = a.id AND i.value = upper(regexp_replace(b.external_id, '[[:space:]-]+', '', 'g')))
                OR (i.customer_id = b.id AND i.value = upper(regexp_replace(a.external_id, '[[:space:]-]+', '', 'g')))
            )
        ) AS card,
        coalesce(a.birthday = b.birthday, false) AS birthday,
        coalesce(a.birthday <> b.birthday, false) AS other_birthday,
        coalesce(f.bearers <= %(few)s AND a.words LIKE '%% %%', false) AS rare_name,
        (a.email_key <> '' AND b.email_key <> '' AND a.email_key <> b.email_key)
            OR (a.phone <> '' AND b.phone <> '' AND a.phone <> b.phone) AS other_contact
    FROM (SELECT DISTINCT first, second FROM duplicate_candidates) d
    JOIN duplicate_people a ON a.id = d.first JOIN duplicate_people b ON b.id = d.second
    LEFT JOIN (SELECT p.words, count(*) AS bearers FROM duplicate_people p GROUP BY p.words) f
        ON a.words = b.words AND f.words = a.words
"""
_PREPARE: Final = (
    "CREATE TEMP TABLE duplicate_candidates (first bigint, second bigint)",
    _PEOPLE,
    "CREATE INDEX ON duplicate_people (id)",
    "CREATE INDEX ON duplicate_people (words)",
    "CREATE INDEX ON duplicate_people (birthday)",
    "ANALYZE duplicate_people",
)
_MEASURE = "ANALYZE duplicate_candidates"
_TOLD: Final = (_PEOPLE, *_STEPS, _PAIRS)
_CLEAR = "DROP TABLE IF EXISTS duplicate_people, duplicate_candidates, duplicate_pairs"
STEPS: Final = len(_TOLD) + 1


@transaction.atomic
def ask_for_search(*, by: User | None) -> DuplicateSearch:
    """Ask for a look through all customers; one that waits or is under way is the same."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('loyaltycrm.duplicates.asked', 0))")
    waiting = DuplicateSearch.objects.filter(finished_at__isnull=True).first()
    if waiting is not None:
        return waiting
    search = DuplicateSearch.objects.create(asked_by=by, steps=STEPS)
    audit.record("search for duplicates", search, by=by)
    return search


def run_waiting_search() -> DuplicateSearch | None:
    """Do the search that was asked for, if there is one and nobody else is doing it; give it when it is done."""
    with only_one(LOCK) as is_ours:
        search = DuplicateSearch.objects.filter(finished_at__isnull=True).first() if is_ours else None
        if search is None:
            return None
        search.started_at, search.step = timezone.now(), 0
        search.save(update_fields=["started_at", "step"])
        _look_through(search)
        return search


def _look_through(search: DuplicateSearch) -> None:
    with _tables():
        for statement in (*_PREPARE, *_STEPS, _MEASURE, _PAIRS):
            with connection.cursor() as cursor:
                cursor.execute(statement, {"most": MOST_SHARERS, "few": FEW_BEARERS})
            if statement in _TOLD:
                _done(search)
        _keep(search)


@contextmanager
def _tables() -> Iterator[None]:
    """Tables of this session alone, and the patience that a look through everybody takes."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '600s'")
        cursor.execute(_CLEAR)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(_CLEAR)
            cursor.execute("RESET statement_timeout")


def _done(search: DuplicateSearch) -> None:
    search.step += 1
    search.save(update_fields=["step"])


@transaction.atomic
def _keep(search: DuplicateSearch) -> None:
    """Write the pairs that reach the score in the place of those of the search before."""
    now = timezone.now()
    kept = 0
    for rows in _scored():
        DuplicatePair.objects.bulk_create(
            [
                DuplicatePair(first_id=first, second_id=second, score=score, reasons=reasons, found_at=now)
                for first, second, score, reasons in rows
            ],
            update_conflicts=True,
            unique_fields=["first", "second"],
            update_fields=["score", "reasons", "found_at"],
        )
        kept += len(rows)
    DuplicatePair.objects.filter(found_at__lt=now, parted_at__isnull=True).delete()
    search.step, search.pairs, search.finished_at = search.steps, kept, timezone.now()
    search.save(update_fields=["step", "pairs", "finished_at"])


def _scored() -> Iterator[list[tuple[int, int, int, list[str]]]]:
    """The pairs that are listed, some thousand at a time, each with its score and its reasons."""
    last = (0, 0)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT first, second, words, other_words, email, phone, card, birthday, other_birthday, rare_name,
                       other_contact
                   FROM duplicate_pairs WHERE (first, second) > (%s, %s) ORDER BY first, second LIMIT %s""",
                [*last, CHUNK],
            )
            rows = cursor.fetchall()
        if not rows:
            return
        last = rows[-1][:2]
        found = []
        for first, second, words, other, *flags in rows:
            reasons = _reasons(words, other, flags)
            score = max(0, min(100, sum(WORTH[reason] for reason in reasons)))
            if score >= LISTED_FROM:
                found.append((first, second, score, [str(reason) for reason in reasons]))
        yield found


def _reasons(words: str, other: str, flags: list[bool]) -> list[Likeness]:
    kinds = (
        Likeness.EMAIL,
        Likeness.PHONE,
        Likeness.CARD,
        Likeness.BIRTHDAY,
        Likeness.OTHER_BIRTHDAY,
        Likeness.RARE_NAME,
        Likeness.OTHER_CONTACT,
    )
    found = [kind for kind, holds in zip(kinds, flags, strict=True) if holds]
    name = likeness_of_names(words, other)
    return [*found, name] if name else found


def likeness_of_names(words: str, other: str) -> Likeness | None:
    """How two names compare, each as its searched words in order; None for two of which only a part is the same."""
    if not words and not other:
        return None
    if not words or not other:
        return Likeness.NO_NAME
    if words == other:
        return Likeness.NAME
    if SequenceMatcher(None, words, other, autojunk=False).ratio() >= NEAR:
        return Likeness.NEAR_NAME
    return None if set(words.split()) & set(other.split()) else Likeness.OTHER_NAME


@transaction.atomic
def judge_different(*, pair: DuplicatePair, by: User) -> DuplicatePair:
    """Remember that these two are two people; no search lists them again. Sent again, nothing more happens."""
    pair = DuplicatePair.objects.select_for_update(of=("self",)).select_related("first").get(pk=pair.pk)
    if pair.parted_at is None:
        pair.parted_at, pair.parted_by = timezone.now(), by
        pair.save(update_fields=["parted_at", "parted_by"])
        audit.record("judge different people", pair.first, by=by, data={"other": pair.second_id})
    return pair


@transaction.atomic
def judge_open(*, pair: DuplicatePair, by: User) -> DuplicatePair:
    """Take back that two are two people: they are listed again. Sent again, nothing more happens."""
    pair = DuplicatePair.objects.select_for_update(of=("self",)).select_related("first").get(pk=pair.pk)
    if pair.parted_at is not None:
        pair.parted_at = pair.parted_by = None
        pair.save(update_fields=["parted_at", "parted_by"])
        audit.record("judge open again", pair.first, by=by, data={"other": pair.second_id})
    return pair

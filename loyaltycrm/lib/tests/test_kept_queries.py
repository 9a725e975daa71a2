"""A query that is kept finds what the same query finds that is put together anew."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pytest
from django.db.models import QuerySet

from loyaltycrm.core.models import Store, User
from loyaltycrm.lib.kept_queries import KeptQuery

pytestmark = pytest.mark.django_db


def _of_store(code: str, since: datetime) -> QuerySet[Store]:
    return Store.objects.filter(code=code, is_active=True).exclude(staff__date_joined__gt=since)


def test_it_asks_with_the_values_of_each_time(barona_iela: Store, agenskalns: Store) -> None:
    kept = KeptQuery(_of_store, "a code", datetime.max.replace(tzinfo=UTC))
    now = datetime.now(UTC)
    for code in (barona_iela.code, agenskalns.code, barona_iela.code):
        found = kept.first(code, now)
        assert found == Store.objects.get(code=code)
        assert found is not None
        assert vars(found).keys() == vars(Store.objects.get(code=code)).keys()
    assert kept.first("NOWHERE", now) is None
    Store.objects.update(is_active=False)
    assert kept.first(barona_iela.code, now) is None


def test_what_it_finds_can_be_saved(liga: User) -> None:
    kept = KeptQuery(lambda email: User.objects.filter(email=email), "an address")
    found = kept.first(liga.email)
    assert found == liga
    assert found is not None
    assert not found._state.adding
    found.name = "Liga B."
    found.save()
    assert User.objects.get(pk=liga.pk).name == "Liga B."


def test_a_sample_that_the_query_does_not_ask_for_is_refused(barona_iela: Store) -> None:
    kept = KeptQuery(lambda code, other: Store.objects.filter(code=code), "a code", "another")
    with pytest.raises(ValueError, match="Each sample"):
        kept.first("A", "B")


def test_it_is_asked_beside_another_statement(
    barona_iela: Store, django_assert_num_queries: Callable[[int], AbstractContextManager[object]]
) -> None:
    kept = KeptQuery(lambda code: Store.objects.filter(code=code), "a code")
    known, unknown = kept.asked_for(barona_iela.code), kept.asked_for("NOWHERE")
    with django_assert_num_queries(2):
        assert known.beside("SELECT %s::text AS id, NULL::int", ["A"]) == ("A", None)
        assert unknown.beside("SELECT 1", []) == (1,)
        assert known.answer() == barona_iela
        assert unknown.answer() is None
    Store.objects.filter(pk=barona_iela.pk).update(name="Elsewhere")
    assert known.beside("SELECT 2", []) == (2,)
    again = known.answer()
    assert again is not None
    assert again.name == "Elsewhere"
    with pytest.raises(ValueError, match="has to have a row"):
        known.beside("SELECT 1 WHERE false", [])


def test_a_question_asks_by_itself_once(
    barona_iela: Store, django_assert_num_queries: Callable[[int], AbstractContextManager[object]]
) -> None:
    question = KeptQuery(lambda code: Store.objects.filter(code=code), "a code").asked_for(barona_iela.code)
    with django_assert_num_queries(1):
        assert [question.answer(), question.answer()] == [barona_iela, barona_iela]

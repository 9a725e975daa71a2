"""A kept connection: nothing is asked of one that is quiet, and one that the server ended is made anew."""

import time
from contextlib import suppress

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.backends.postgresql import base

from loyaltycrm.local.fixtures import cloning


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _next_request() -> None:
    connection.close_if_unusable_or_obsolete()


def test_a_connection_that_the_server_ended_is_made_anew(committed_db: str) -> None:
    first = _backend()
    with psycopg.connect(cloning.database_url(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [first])
        for _turn in range(100):
            if not other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [first]).fetchone():
                break
            time.sleep(0.05)
    _next_request()
    assert _backend() != first


def test_a_quiet_connection_is_asked_nothing(committed_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.DATABASES["default"]["CONN_HEALTH_CHECKS"]
    first = _backend()

    def asks(_self: base.DatabaseWrapper) -> bool:
        raise AssertionError("It was asked.")

    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", asks)
    _next_request()
    assert _backend() == first


def test_a_connection_that_was_told_something_is_asked_and_kept(committed_db: str) -> None:
    first = _backend()
    with connection.cursor() as cursor:
        cursor.execute("LISTEN something")
    with psycopg.connect(cloning.database_url(), autocommit=True) as other:
        other.execute("NOTIFY something")
    time.sleep(0.2)
    _next_request()
    assert _backend() == first


def test_none_is_usable_before_it_is_made_nor_after_it_was_closed(committed_db: str) -> None:
    _backend()
    assert connection.is_usable()
    assert connection.connection is not None
    connection.connection.close()
    assert not connection.is_usable()
    connection.close()
    assert not connection.is_usable()


def test_none_is_usable_in_a_transaction_that_failed(committed_db: str) -> None:
    seen = []
    with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        seen.append(connection.is_usable())
        with suppress(DatabaseError):
            cursor.execute("SELECT 1 / 0")
        seen.append(connection.is_usable())
    assert seen == [True, False]
    assert connection.is_usable()

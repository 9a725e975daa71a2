"""The database fixtures: what rolls back, what commits, and who sees it."""

import subprocess
import sys
import threading

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from loyaltycrm.core.models import Store
from loyaltycrm.local.fixtures import cloning
from loyaltycrm.local.place import ROOT
from loyaltycrm.local.postgres import Postgres


def _open_store(code: str) -> Store:
    return Store.objects.create(code=code, name=f"Store {code}", time_zone="Europe/Riga")


def _databases() -> set[str]:
    with cloning.maintenance() as admin:
        return {name for (name,) in admin.execute("SELECT datname FROM pg_database").fetchall()}


def _count_from_outside(url: str) -> int:
    with psycopg.connect(url) as outside:
        row = outside.execute("SELECT count(*) FROM core_store").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.django_db
@pytest.mark.parametrize("turn", [1, 2])
def test_a_plain_test_rolls_back(turn: int) -> None:
    assert not Store.objects.exists()
    _open_store("A")
    assert _count_from_outside(cloning.database_url()) == 0


@pytest.mark.parametrize("turn", [1, 2])
def test_a_committing_test_starts_empty_and_others_see_its_rows(committed_db: str, turn: int) -> None:
    assert not Store.objects.exists()
    _open_store("A")
    assert _count_from_outside(cloning.database_url()) == 1


def test_threads_work_in_the_same_clone(committed_db: str) -> None:
    names: list[str] = []

    def open_one(code: str) -> None:
        try:
            _open_store(code)
            names.append(str(connection.settings_dict["NAME"]))
        finally:
            connection.close()

    threads = [threading.Thread(target=open_one, args=(f"S{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == [committed_db] * 5
    assert Store.objects.count() == 5


def test_a_child_process_works_in_the_same_clone(committed_db: str, committed_env: dict[str, str]) -> None:
    _open_store("A")
    script = (
        "import django; django.setup(); from loyaltycrm.core.models import Store; Store.objects.update(name='Seen')"
    )
    subprocess.run([sys.executable, "-c", script], env=committed_env, cwd=ROOT, check=True, timeout=300)
    assert Store.objects.get().name == "Seen"


def test_a_clone_is_dropped_and_the_connection_goes_back(django_db_setup: None, database_template: str) -> None:
    before = connection.settings_dict["NAME"]
    with cloning.temporary_clone(database_template) as name:
        assert name in _databases()
        assert connection.settings_dict["NAME"] == name
    assert name not in _databases()
    assert connection.settings_dict["NAME"] == before


def test_a_clone_is_dropped_though_somebody_is_still_connected(django_db_setup: None, database_template: str) -> None:
    with cloning.temporary_clone(database_template) as name:
        forgotten = psycopg.connect(cloning.database_url())
    assert name not in _databases()
    forgotten.close()


def test_clones_of_processes_that_died_are_dropped(django_db_setup: None, database_template: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    leftover = cloning.clone(database_template).rsplit("_", 2)[0] + f"_{ended.pid}_1"
    with cloning.maintenance() as admin:
        admin.execute(f'CREATE DATABASE "{leftover}"')
    cloning.ensure_template()
    assert leftover not in _databases()


def test_django_itself_is_blocked_without_a_database_fixture() -> None:
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        Store.objects.exists()


def test_tests_that_would_empty_tables_stop_the_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "loyaltycrm.settings")
    pytester.makeconftest('pytest_plugins = ["loyaltycrm.local.fixtures.databases"]')
    pytester.makepyfile("""
        import pytest
        from django.test import TestCase, TransactionTestCase

        @pytest.mark.django_db(transaction=True)
        def test_marker(): pass
        def test_fixture(transactional_db): pass
        def test_live_server(live_server): pass
        class TestFlushing(TransactionTestCase):
            def test_class(self): pass
        @pytest.mark.django_db
        def test_both(committed_db): pass

        @pytest.mark.django_db
        def test_fine(): pass
        def test_fine_too(committed_db): pass
        class TestFine(TestCase):
            def test_fine_as_well(self): pass
    """)
    outcome = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:xdist", f"--rootdir={pytester.path}")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    refused = {line.split("::")[-1].split(":")[0] for line in outcome.errlines if "committed_db" in line}
    assert refused == {"test_marker", "test_fixture", "test_live_server", "test_class", "test_both"}


def test_postgres_killed_and_started_again_keeps_what_was_committed(crashable_postgres: Postgres) -> None:
    _open_store("Kept")
    transaction.set_autocommit(False)
    _open_store("Lost")
    crashable_postgres.kill()
    with pytest.raises(OperationalError):
        _open_store("Never")
    connection.close()
    crashable_postgres.start()
    assert [store.code for store in Store.objects.all()] == ["Kept"]

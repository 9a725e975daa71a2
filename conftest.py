"""What holds for every test: its fixtures, quick and private settings, and no emptying of tables."""

import gc
import logging
import re
from collections.abc import Iterator

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection

pytest_plugins = [
    "pytester",
    "loyaltycrm.local.fixtures.browser",
    "loyaltycrm.local.fixtures.databases",
    "loyaltycrm.local.fixtures.services",
    "loyaltycrm.testing",
]

# These limits only end what hangs: on a busy machine a test may take ten times as long as on a quiet one.
_FAULT_TIMEOUT_SECONDS = 1_800
_LIMITS_OF_A_QUIET_MACHINE = re.compile(r"(lock|statement|idle_in_transaction_session)_timeout=\w+")

hypothesis.settings.register_profile("tests", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("tests")


def pytest_configure() -> None:
    """Settings for tests in this process; child processes get theirs from `committed_env`."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.WHITENOISE_AUTOREFRESH = True
    settings.SECURE_SSL_REDIRECT = False
    settings.MAILBOX_DIR = ""
    # Two lines of a request cost more than many a request of the tests; a test that reads them asks for them.
    logging.getLogger("django_structlog").setLevel(logging.WARNING)
    options = settings.DATABASES["default"]["OPTIONS"]
    options["options"] = _LIMITS_OF_A_QUIET_MACHINE.sub(r"\1_timeout=15min", options["options"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"page", "browser", "new_context"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("browser")
        if item.get_closest_marker("faults") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_FAULT_TIMEOUT_SECONDS))
    items.sort(key=lambda item: (_needs_database(item), item.get_closest_marker("long") is None))
    # One process begins with the database that all of them copy; the others have tests that need none meanwhile.
    builder = next((item for item in items if _needs_database(item)), None)
    if builder is not None:
        items.remove(builder)
        items.insert(0, builder)


def _needs_database(item: pytest.Item) -> bool:
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return item.get_closest_marker("django_db") is not None or "django_db_setup" in fixtures


def pytest_collection_finish() -> None:
    """What was collected stays: looking through it for garbage again and again costs a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _audited_in_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction around a test is none of the application's: an action has to open its own."""

    def in_transaction() -> bool:
        return any(not block._from_testcase for block in connection.atomic_blocks)  # type: ignore[attr-defined]  # noqa: SLF001

    monkeypatch.setattr("loyaltycrm.lib.transactions.in_transaction", in_transaction)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """No test sees what another has counted: login limits live in the cache."""
    yield
    cache.clear()

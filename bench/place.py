"""The database that is measured on: made for one run, dropped afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import psycopg
from django.db import connection

from loyaltycrm.local.fixtures import cloning
from loyaltycrm.local.place import short_folder
from loyaltycrm.local.postgres import Postgres


@contextlib.contextmanager
def server() -> Iterator[None]:
    """The server that DATABASE_URL names, or one of our own that keeps its commits as an installation's does."""
    if os.environ.get("DATABASE_URL"):
        yield
        return
    home = short_folder("bench")
    own = Postgres(home)
    try:
        own.start()
        os.environ["DATABASE_URL"] = own.url("shop")
        own.create_database("shop")
        yield
    finally:
        own.stop()
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def database() -> Iterator[None]:
    """A migrated database for one row, which Django is bound to; dropped afterwards."""
    with cloning.temporary_clone(cloning.ensure_template()):
        yield


def connect(**options: Any) -> psycopg.Connection[Any]:
    """A plain psycopg connection to the database that is measured, committing each statement by itself."""
    bound = connection.settings_dict
    return psycopg.connect(
        host=bound["HOST"] or None,
        port=bound["PORT"] or None,
        user=bound["USER"] or None,
        password=bound["PASSWORD"] or None,
        dbname=bound["NAME"],
        autocommit=True,
        **options,
    )


def is_superuser() -> bool:
    """Whether this role may delay commits and leave out triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        return bool((cursor.fetchone() or [False])[0])


def about() -> dict[str, Any]:
    """What the figures were taken on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('synchronous_commit')")
        version, commit = cursor.fetchone() or ("", "")
    return {"cores": os.cpu_count(), "postgresql": version, "synchronous_commit": commit, "load": os.getloadavg()[0]}

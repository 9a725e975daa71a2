"""Whether a refused request left the database as it was: every row of every table."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

# Each request may note there when it came and what to say on the next page.
_OF_THE_SESSION = frozenset({"django_session"})


class ShopAtRest:
    """The rows as they stand now; `changed()` names the tables that differ later.

    What the transaction wrote is asked of PostgreSQL's own counters first, so that a request that wrote nothing costs
    one small query; the counters also know writes that were rolled back, which is why the rows themselves decide.
    """

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
            self._tables = sorted({name for (name,) in cursor.fetchall()} - _OF_THE_SESSION)
        self._rows = self._fingerprint(self._tables)
        self._written = self._counters()

    def changed(self) -> list[str]:
        """The tables whose rows are not those that were there."""
        written = self._counters()
        touched = [name for name in self._tables if written.get(name) != self._written.get(name)]
        self._written = written
        now = self._fingerprint(touched)
        return [name for name in touched if now[name] != self._rows[name]]

    def holding(self, pattern: str) -> list[str]:
        """The tables in which something that came meanwhile matches a regular expression of PostgreSQL."""
        with connection.cursor() as cursor:
            found = []
            for name in self.changed():
                cursor.execute(f'SELECT count(*) FROM "{name}" row WHERE row::text ~ %s', [pattern])
                found += [name] if cursor.fetchone()[0] else []
        return found

    @staticmethod
    def _counters() -> dict[str, tuple[int, int, int]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables")
            return {name: (inserted, updated, deleted) for name, inserted, updated, deleted in cursor.fetchall()}

    @staticmethod
    def _fingerprint(tables: Iterable[str]) -> dict[str, tuple[int, str]]:
        found = {}
        with connection.cursor() as cursor:
            for name in tables:
                cursor.execute(
                    f'SELECT count(*), md5(string_agg(row::text, chr(10) ORDER BY row::text)) FROM "{name}" row'
                )
                found[name] = cursor.fetchone()
        return found

"""Queries that Django puts together once: for the few that every request of a till begins with.

To put one together takes Django as long as asking it. What comes back are the same objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from django.db import connection, models
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=models.Model)


class KeptQuery(Generic[M]):
    """A query for at most one row, to be asked with other values each time.

    `queryset` makes it of samples: values of the same types, each unlike every other value of the query. It may
    `select_related`; it must not slice or group, and what it asks must not depend on a value's being None.
    """

    def __init__(self, queryset: Callable[..., models.QuerySet[M]], *samples: Any) -> None:
        self._queryset = queryset
        self._samples = samples
        self._kept: _Statement | None = None

    def first(self, *values: Any) -> M | None:
        """The row for these values, one for each sample, in their order; None where there is none."""
        return cast("M | None", self._statement.first(values))

    def asked_for(self, *values: Any) -> Question[M]:
        """The same, to be answered later."""
        return Question(self._statement, values)

    @property
    def _statement(self) -> _Statement:
        if self._kept is None:
            self._kept = _Statement(self._queryset(*self._samples), self._samples)
        return self._kept


class Question(Generic[M]):
    """A kept query with its values. It is asked when its answer is wanted, or beside a statement that is asked
    anyway, which costs no message of its own."""

    def __init__(self, statement: _Statement, values: Sequence[Any]) -> None:
        self._statement = statement
        self._values = values
        self._is_asked = False
        self._found: M | None = None

    def answer(self) -> M | None:
        """The row, as it was when it was asked for; None where there is none."""
        if not self._is_asked:
            self._found, self._is_asked = self._statement.first(self._values), True
        return self._found

    def beside(self, sql: str, params: Sequence[Any]) -> tuple[Any, ...]:
        """The one row of another statement, asked together with this, again where it was asked before."""
        row, self._found = self._statement.first_beside(sql, params, self._values)
        self._is_asked = True
        return row


class _Statement:
    def __init__(self, queryset: models.QuerySet[Any], samples: Sequence[Any]) -> None:
        compiler = queryset.order_by().query.get_compiler(connection=connection)
        self._sql, params = compiler.as_sql()
        self._places = [samples.index(param) if param in samples else None for param in params]
        self._params = params
        if set(self._places) - {None} != set(range(len(samples))):
            raise ValueError("Each sample has to be a value of the query.")
        info: Any = compiler.klass_info
        fields = info["select_fields"]
        self._model = info["model"]
        self._columns = slice(fields[0], fields[-1] + 1)
        self._names = [one[0].target.attname for one in compiler.select[self._columns]]
        populators: Any = get_related_populators
        self._related = populators(info, compiler.select, connection.alias)
        self._converters = compiler.get_converters([one[0] for one in compiler.select])
        self._compiler = compiler
        self._key = self._names.index(self._model._meta.pk.attname) + fields[0]
        self._width = len(compiler.select)

    def first(self, values: Sequence[Any]) -> Any:
        row = _row_of(self._sql, self._given(values))
        return None if row is None else self._object(row)

    def first_beside(self, sql: str, params: Sequence[Any], values: Sequence[Any]) -> tuple[tuple[Any, ...], Any]:
        both = f"SELECT beside.*, found.* FROM ({sql}) AS beside LEFT JOIN LATERAL ({self._sql}) AS found ON true"  # noqa: S608
        row = _row_of(both, [*params, *self._given(values)])
        if row is None:
            raise ValueError("The statement beside has to have a row.")
        beside, found = row[: -self._width], row[-self._width :]
        return beside, None if found[self._key] is None else self._object(found)

    def _given(self, values: Sequence[Any]) -> list[Any]:
        pairs = zip(self._places, self._params, strict=True)
        return [param if place is None else values[place] for place, param in pairs]

    def _object(self, row: Sequence[Any]) -> Any:
        if self._converters:
            ((*row,),) = self._compiler.apply_converters([row], self._converters)
        found = self._model.from_db(connection.alias, self._names, row[self._columns])
        for populator in self._related:
            populator.populate(row, found)
        return found


def _row_of(sql: str, params: Sequence[Any]) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()  # type: ignore[no-any-return]

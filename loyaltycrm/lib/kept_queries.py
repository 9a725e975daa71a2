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
        if self._kept is None:
            self._kept = _Statement(self._queryset(*self._samples), self._samples)
        return cast("M | None", self._kept.first(values))


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

    def first(self, values: Sequence[Any]) -> Any:
        pairs = zip(self._places, self._params, strict=True)
        params = [param if place is None else values[place] for place, param in pairs]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, params)
            row = cursor.fetchone()
        if row is None:
            return None
        if self._converters:
            ((*row,),) = self._compiler.apply_converters([row], self._converters)
        found = self._model.from_db(connection.alias, self._names, row[self._columns])
        for populator in self._related:
            populator.populate(row, found)
        return found

"""Writing a row that may be there already by one statement, or a row as part of a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from django.db import connection, models, transaction

from loyaltycrm.lib.asking import rows_of
from loyaltycrm.lib.together import Part, as_text


def insert_unless_known(row: models.Model, *, unique: Sequence[str]) -> bool:
    """Insert the row unless one with the same `unique` fields exists; say whether it was written and give it its id.

    Waits for a transaction that is writing the same one. Signals and `save()` of the model are passed by, and so is
    what fields make of a value: for models whose columns hold what the attributes hold.
    """
    names, statement = _statement(type(row), tuple(unique))
    written = rows_of(statement, [as_text(getattr(row, name)) for name in names])
    if not written:
        return False
    is_written(row, written[0][0])
    return True


def unless_known_part(name: str, row: models.Model, *, unique: Sequence[str], source: str) -> Part:
    """`insert_unless_known` as a part of this name that answers the id, where the part `source` has a row.

    What is None or blank is a NULL or a blank in the statement and not a value.
    """
    held = vars(row)
    attributes = _attributes(type(row))
    blank = frozenset(of for of in attributes if held[of] == "")
    known = frozenset(of for of in attributes if held[of] is not None and of not in blank)
    otherwise = f"FROM {source} {_on_conflict(type(row), tuple(unique))}"
    statement = _unless_known(name, type(row), known, blank, otherwise)
    return Part(name, statement, {f"{name}_{of}": as_text(held[of]) for of in known}, answer="'', id")


def insert_part(name: str, row: models.Model, *, taken: Mapping[str, str] | None = None) -> Part:
    """Insert the row as a part of this name, which answers its id; `is_written` gives it to the row afterwards.

    `taken` are references (by attribute, as `voucher_id`) that are read from other parts: a SELECT of one id each.
    Signals and `save()` of the model are passed by.
    """
    taken, database, held = taken or {}, transaction.get_connection(), vars(row)
    stored = {
        str(field.attname): field.get_db_prep_save(held[field.attname], database)
        for field in _fields(type(row))
        if field.attname not in taken
    }
    values = {f"{name}_{of}": as_text(value) for of, value in stored.items() if value is not None}
    statement = _inserting(name, type(row), frozenset(values), tuple(taken.items()))
    return Part(name, statement, values, answer="'', id")


def is_written(row: models.Model, pk: int) -> None:
    """Leave the row as `save()` would have left it."""
    row.pk = pk
    row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001


@cache
def _fields(model: type[models.Model]) -> tuple[models.Field[Any, Any], ...]:
    return tuple(field for field in model._meta.local_concrete_fields if not field.primary_key)


@cache
def _attributes(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in _fields(model))


@cache
def _into(model: type[models.Model], fields: tuple[models.Field[Any, Any], ...]) -> str:
    quoted = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    return f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({quoted})"


@cache
def _inserting(name: str, model: type[models.Model], values: frozenset[str], taken: tuple[tuple[str, str], ...]) -> str:
    places = {str(field.attname): f"{name}_{field.attname}" for field in _fields(model)}
    given = {of: f"%({place})s" for of, place in places.items() if place in values}
    given |= {of: f"({select})" for of, select in taken}
    fields = {str(field.attname): field for field in _fields(model)}
    return f"{_into(model, tuple(fields[of] for of in given))} VALUES ({', '.join(given.values())}) RETURNING id"


@cache
def _statement(model: type[models.Model], unique: tuple[str, ...]) -> tuple[list[str], str]:
    fields = _fields(model)
    places = ", ".join(["%s"] * len(fields))
    statement = f"{_into(model, fields)} VALUES ({places}) {_on_conflict(model, unique)}"
    return [str(field.attname) for field in fields], statement


@cache
def _unless_known(
    name: str, model: type[models.Model], known: frozenset[str], blank: frozenset[str], on_conflict: str
) -> str:
    given = {field: f"%({name}_{field.attname})s" for field in _fields(model) if field.attname in known}
    given |= {field: "''" for field in _fields(model) if field.attname in blank}
    selected = ", ".join(f"{value}::{field.db_type(connection)}" for field, value in given.items())
    return f"{_into(model, tuple(given))} SELECT {selected} {on_conflict}"


@cache
def _on_conflict(model: type[models.Model], unique: tuple[str, ...]) -> str:
    keys = (connection.ops.quote_name(str(field.column)) for field in _fields(model) if field.name in unique)
    return f"ON CONFLICT ({', '.join(keys)}) DO NOTHING RETURNING id"

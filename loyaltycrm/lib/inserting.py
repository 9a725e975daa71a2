"""Writing a row that may be there already, by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from django.db import connection, models

from loyaltycrm.lib.together import as_text


def insert_unless_known(row: models.Model, *, unique: Sequence[str]) -> bool:
    """Insert the row unless one with the same `unique` fields exists; say whether it was written and give it its id.

    Waits for a transaction that is writing the same one. Signals and `save()` of the model are passed by, and so is
    what fields make of a value: for models whose columns hold what the attributes hold.
    """
    names, statement = _statement(type(row), tuple(unique))
    with connection.cursor() as cursor:
        cursor.execute(statement, [as_text(getattr(row, name)) for name in names])
        written = cursor.fetchone()
    if written is None:
        return False
    row.pk = written[0]
    row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 - as save() leaves it
    return True


@cache
def _statement(model: type[models.Model], unique: tuple[str, ...]) -> tuple[list[str], str]:
    fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
    quoted = [connection.ops.quote_name(str(field.column)) for field in fields]
    keys = ", ".join(name for field, name in zip(fields, quoted, strict=True) if field.name in unique)
    statement = (
        f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({', '.join(quoted)}) "  # noqa: S608
        f"VALUES ({', '.join(['%s'] * len(fields))}) ON CONFLICT ({keys}) DO NOTHING RETURNING id"
    )
    return [str(field.attname) for field in fields], statement

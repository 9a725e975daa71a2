"""A list that somebody kept by hand, imported on the page: most of it good, some of it to be mended."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Final

from loyaltycrm.core.actions.import_jobs import choose_columns, key_of_header, send_import, start_import
from loyaltycrm.core.imports import Manner
from loyaltycrm.core.imports.facts import guess
from loyaltycrm.core.models import User
from loyaltycrm.local.shop.people import person
from loyaltycrm.shop.actions.import_kinds import KINDS
from loyaltycrm.shop.actions.import_running import run_next_import

PEOPLE: Final = 60
HEADER: Final = ("Klienta Nr.", "Vārds", "Uzvārds", "Tālrunis", "Reģistrēts", "Piezīme")
# What people write where a day or a phone should stand.
SPOILT: Final = {
    7: ("Reģistrēts", "pagājušajā vasarā"),
    23: ("Reģistrēts", "31.02.2026"),
    41: ("Tālrunis", "zvanīt māsai"),
}


def fill_import(*, today: date, by: User, dice: Random) -> None:
    """Send the list of a market day, as a spreadsheet saves it for Baltic letters, and have its good rows taken."""
    content = _list(today, dice).encode("cp1257")
    job = send_import(kind="customers", name="tirgus.csv", blocks=[content], by=by)
    columns = guess(HEADER, list(KINDS["customers"].shape("").cells))
    job = choose_columns(
        job=job,
        manner=Manner(encoding="cp1257", columns=columns),
        header_key=key_of_header("customers", HEADER),
        by=by,
    )
    run_next_import()
    start_import(job=job, by=by)
    run_next_import()


def _list(today: date, dice: Random) -> str:
    rows = [";".join(HEADER)]
    # Names of the other alphabets have no place in a file of these letters.
    numbers = iter(range(8_000, 9_000))
    for number in range(1, PEOPLE + 1):
        one = next(found for found in (person(n, dice) for n in numbers) if found.language == "lv" and found.last_name)
        joined = today - timedelta(days=dice.randrange(1, 60))
        about = (f"T{number:04d}", one.first_name, one.last_name, one.phone, f"{joined:%d.%m.%Y}", "tirgus")
        cells = dict(zip(HEADER, about, strict=True))
        if number in SPOILT:
            column, written = SPOILT[number]
            cells[column] = written
        rows.append(";".join(cells.values()))
    return "\r\n".join(rows) + "\r\n"

"""Files of other programs: columns of other names, days with slashes, amounts in groups, workbooks."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.core.management import CommandError
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from customers.actions.importing import receipts
from customers.models import Customer
from loyaltycrm.core.imports.accounts import sample
from loyaltycrm.core.imports.facts import FACTS, guess
from loyaltycrm.core.imports.manner import Dates, Decimals, Manner, as_dotted, without_groups
from loyaltycrm.core.imports.stage import row_reader
from loyaltycrm.core.tests.importing import CUSTOMER, imported, write_table
from loyaltycrm.lib import cells
from loyaltycrm.lib.cells import BadCell
from loyaltycrm.lib.tables import open_table
from rewards.models import Account

KNOWN = ("receipt_id", "customer_id", "store_id", "purchased_at", "gross_amount", "net_amount", "partner")


def test_columns_are_guessed_in_three_languages() -> None:
    assert guess(["Čeka Nr.", "Klients", "Veikals", "DATUMS", "Summa", "???"], KNOWN) == {
        "čeka nr.": "receipt_id",
        "klients": "customer_id",
        "veikals": "store_id",
        "datums": "purchased_at",
        "summa": "net_amount",
        "???": "",
    }
    assert guess(["Номер чека", "клиент", "магазин"], KNOWN) == {
        "номер чека": "receipt_id",
        "клиент": "customer_id",
        "магазин": "store_id",
    }
    for header in ("Partner", "Partneris", "Код партнёра"):
        assert guess([header], KNOWN) == {header.casefold(): "partner"}


@pytest.mark.parametrize(
    ("header", "facts"),
    [
        ("Kvīts Nr.;Klients;Laiks;Summa;Samaksāts", "receipt_id;customer_id;purchased_at;;net_amount"),
        ("Total;Paid;Nr", ";net_amount;receipt_id"),
        ("Nr.;Klients;Dat.", "receipt_id;customer_id;"),
        ("Date;Sold at", ";purchased_at"),
        ("Код клиента;Время", "customer_id;purchased_at"),
    ],
)
def test_of_two_names_the_plainer_one_is_taken(header: str, facts: str) -> None:
    names = header.casefold().split(";")
    assert guess(header.split(";"), KNOWN) == dict(zip(names, facts.split(";"), strict=True))


def test_a_number_alone_is_that_of_what_the_file_holds() -> None:
    assert guess(["Код", "Имя"], ("customer_id", "first_name")) == {"код": "customer_id", "имя": "first_name"}
    assert guess(["Nr.", "Nosaukums"], ("product_id", "name")) == {"nr.": "product_id", "nosaukums": "name"}


def test_a_name_of_its_own_wins_and_nothing_is_given_twice() -> None:
    assert guess(["Customer", "customer_id", "Client"], KNOWN) == {
        "customer": "",
        "customer_id": "customer_id",
        "client": "",
    }
    assert guess(["line", "column", "reason", "Client"], KNOWN) == {"client": "customer_id"}


@pytest.mark.django_db
def test_every_column_of_a_shape_has_its_words() -> None:
    from customers.actions.importing import lines, people, products
    from rewards.actions.importing import openings, redemptions

    shapes = [people.shape(), products.SHAPE, receipts.shape(), lines.shape(), openings.shape(), redemptions.shape()]
    assert {name for shape in shapes for name in shape.cells} - set(FACTS) == set()


@given(
    st.dates(min_value=date(1970, 1, 1), max_value=date(2200, 1, 1)), st.sampled_from("/-"), st.sampled_from(["02", ""])
)
def test_days_with_slashes_are_read_as_chosen(day: date, sign: str, width: str) -> None:
    first, second = f"{day.day:{width}}", f"{day.month:{width}}"
    assert cells.day(as_dotted(f"{first}{sign}{second}{sign}{day.year}", Dates.DAY_FIRST)) == day
    assert cells.day(as_dotted(f"{second}{sign}{first}{sign}{day.year}", Dates.MONTH_FIRST)) == day
    written = cells.moment(as_dotted(f"{first}{sign}{second}{sign}{day.year} 9:05", Dates.DAY_FIRST))
    assert (written.day, written.clock.hour, written.clock.minute) == (day, 9, 5)
    assert as_dotted(day.isoformat(), Dates.DAY_FIRST) == day.isoformat()


@given(st.integers(min_value=-99_999_999, max_value=99_999_999), st.sampled_from("., '\u00a0\u202f"))
def test_groups_of_three_are_read_as_chosen(cents: int, between: str) -> None:
    whole, decimals = divmod(abs(cents), 100)
    minus = "-" if cents < 0 else ""
    for decimals_sign, choice in ((",", Decimals.COMMA), (".", Decimals.POINT)):
        if between == decimals_sign or (between == "'" and choice is Decimals.COMMA):
            continue
        if (between, choice) == (".", Decimals.POINT):
            continue
        written = f"{minus}{whole:,}".replace(",", between) + f"{decimals_sign}{decimals:02}"
        assert cells.amount(without_groups(written, choice)) == cents


@pytest.mark.parametrize(
    ("text", "choice"),
    [("24.90", Decimals.COMMA), ("1.02", Decimals.COMMA), ("24,90", Decimals.POINT), ("1.0.2", Decimals.COMMA)],
)
def test_what_is_not_written_as_chosen_is_refused(text: str, choice: Decimals) -> None:
    with pytest.raises(BadCell, match="as chosen"):
        without_groups(text, choice)


@pytest.mark.django_db
def test_a_till_of_another_land(tmp_path: Path) -> None:
    """Columns of other names, 31/12, 1.024,90: as options say; the refused rows come back in the same columns."""
    imported("import_customers", write_table(tmp_path / "c.csv", CUSTOMER, [("A", "2025-01-01")]))
    file = tmp_path / "p.csv"
    file.write_text(
        "Čeks;Klients;Veikals;Datums;Summa;Bruto;Kasieris\n"
        "1;A;S1;31/12/2025 10:00;1.024,90;1.024,90;=Līga\n"
        "2;A;S1;12/31/2025;5,00;5,00;Līga\n"
        "3;A;S1;31/12/2025;5.00;5,00;=Līga\n",
        encoding="utf-8",
    )
    names = ["Čeks=receipt_id", "klients=customer_id", "Veikals=store_id", "Datums=purchased_at"]
    columns = [*names, "Summa=net_amount", "Bruto=gross_amount", "Kasieris="]
    options = {"column": columns, "dates": "day", "decimals": "comma"}
    returned = tmp_path / "rejected.csv"
    told = imported("import_visits", file, reject_file=returned, **options)
    assert told.refusals("purchases") == [(3, "purchased_at"), (4, "net_amount")]
    assert Account.objects.get(customer__external_id="A").book_balance == 1_024
    with returned.open(encoding="utf-8-sig", newline="") as table:
        rows = list(csv.reader(table, delimiter=";"))
    assert rows[0] == ["line", "column", "reason", "Čeks", "Klients", "Veikals", "Datums", "Summa", "Bruto", "Kasieris"]
    assert [row[1] for row in rows[1:]] == ["Datums", "Summa"]
    assert [row[-1] for row in rows[1:]] == ["Līga", "'=Līga"], "What a spreadsheet would run has a shield."
    returned.write_text(returned.read_text().replace("12/31/2025", "31/12/2025").replace("5.00", "5,00"))
    assert imported("import_visits", returned, **options).counts("purchases") == {"accepted": 2}


@pytest.mark.django_db
def test_a_shield_is_taken_off_what_comes_back(tmp_path: Path) -> None:
    rows = [("A", "+371 26124821", "=Anna", "2025-01-01"), ("B", "", "=Olga", "1/2/2025")]
    file = write_table(tmp_path / "c.csv", ("customer_id", "phone", "first_name", "joined_on"), rows)
    returned = tmp_path / "rejected.csv"
    imported("import_customers", file, reject_file=returned)
    assert "'=Olga" in returned.read_text()
    returned.write_text(returned.read_text().replace("1/2/2025", "2025-02-01"))
    imported("import_customers", returned)
    assert Customer.objects.get(external_id="B").first_name == "=Olga"


@pytest.mark.django_db
def test_a_workbook_is_imported_like_a_text_and_twice_changes_nothing(tmp_path: Path) -> None:
    book = Workbook()
    for row in (("Customer_ID", "First_name", "joined_on"), ("0007", "Anna", date(2025, 1, 1)), ("8", "Jānis", "soon")):
        book.active.append(row)
    file = tmp_path / "customers.xlsx"
    book.save(file)
    returned = tmp_path / "rejected.csv"
    told = imported("import_customers", file, reject_file=returned)
    assert told.counts("customers") == {"accepted": 1, "refused": 1}
    assert told.refusals("customers") == [(3, "joined_on")]
    assert Customer.objects.get().external_id == "0007"
    assert "8,Jānis,soon" in returned.read_text()
    assert imported("import_customers", file).counts("customers") == {"unchanged": 1, "refused": 1}


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["Date", "=customer_id"])
def test_an_option_that_names_no_column_is_one_sentence(tmp_path: Path, column: str) -> None:
    file = write_table(tmp_path / "c.csv", CUSTOMER, [("A", "2025-01-01")])
    with pytest.raises(CommandError, match="NAME=COLUMN"):
        imported("import_customers", file, column=[column])


CALLED = {
    "receipt_id": ["receipt_id", "Receipt No.", "Čeka numurs", "Номер чека"],
    "customer_id": ["customer_id", "Client", "Klients", "Клиент"],
    "store_id": ["STORE_ID", "Shop", "Veikals", "Магазин"],
    "purchased_at": ["Purchased_At", "Date", "Datums", "Дата"],
    "gross_amount": ["gross_amount", "Subtotal", "Bruto", "Сумма без скидки"],
    "net_amount": ["net_amount", "To pay", "Kopā", "Итого"],
}
LETTERS = {"utf-8": (0, 1, 2, 3), "utf-8-sig": (0, 1, 2, 3), "cp1257": (0, 1, 2), "cp1251": (0, 1, 3)}
SALES = [
    ("0007", "A-1", "S1", datetime(2026, 3, 4, 9, 5), 102_490),  # noqa: DTZ001
    ("8", "", "s 2", datetime(2025, 12, 31, 23, 59), 5),  # noqa: DTZ001
]
HOW_DAYS = {"%Y-%m-%d": "", "%d.%m.%Y": "", "%d/%m/%Y": "day", "%m/%d/%Y": "month", "%m-%d-%Y": "month"}
HOW_SUMS = {".": "", ",": "", ".,": "comma", "\u00a0,": "comma", ",.": "point", " .": "point"}


def written_sum(cents: int, how: str) -> str:
    between, sign = how[:-1], how[-1]
    return f"{cents // 100:,}".replace(",", between) + f"{sign}{cents % 100:02}"


@given(st.data())
def test_one_file_in_every_dialect(data: st.DataObject) -> None:
    """The same two sales, however they are written, are read as the same."""
    draw = data.draw
    letters = draw(st.sampled_from(sorted(LETTERS)))
    language = draw(st.sampled_from(LETTERS[letters]))
    separator = draw(st.sampled_from(",;\t"))
    days, sums = draw(st.sampled_from(sorted(HOW_DAYS))), draw(st.sampled_from(sorted(HOW_SUMS)))
    order = draw(st.permutations(sorted(CALLED)))
    header = [CALLED[name][language] for name in order]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "sales.csv"
        with file.open("w", encoding=letters, newline="") as out:
            table = csv.writer(out, delimiter=separator, lineterminator=end)
            table.writerow(header)
            for receipt, customer, store, at, cents in SALES:
                cells = {
                    "receipt_id": receipt,
                    "customer_id": customer,
                    "store_id": store,
                    "purchased_at": f"{at:{days} %H:%M}",
                    "gross_amount": written_sum(cents, sums),
                    "net_amount": written_sum(cents, sums),
                }
                table.writerow([cells[name] for name in order])
        shape = receipts.shape()
        looked, shown = sample(file, encoding=letters.removesuffix("-sig"), likely=list(shape.cells))
        assert (looked.separator, len(shown)) == (separator, 2)
        manner = Manner(
            encoding=letters.removesuffix("-sig"),
            columns=guess(looked.header, list(shape.cells)),
            dates=Dates(HOW_DAYS[days]),
            decimals=Decimals(HOW_SUMS[sums]),
        )
        opened = open_table(
            file, known=list(shape.cells), required=shape.required, encoding=manner.encoding, renamed=manner.columns
        )
        read = row_reader(opened, manner.read_by(shape), width=0)
        found = [read(row) for row in opened.rows()]
    assert [row[0] for row in found] == ["new", "new"], found
    assert [(row[4], row[6], row[7], row[8], row[11]) for row in found] == SALES

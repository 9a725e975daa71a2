"""Customers and products from files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from customers.actions.consent import issue_unsubscribe_token as issue_token
from customers.actions.consent import record_consent, suppress_address, unsubscribe
from customers.models import Channel, ConsentEvent, Customer, Identifier, Product, Purpose, SuppressedAddress
from customers.queries import newest_consent
from customers.search import find
from loyaltycrm.core.models import AuditEvent, Company
from loyaltycrm.core.tests.importing import Told, everything_stored, imported, write_table

pytestmark = pytest.mark.django_db

COLUMNS = (
    "customer_id",
    "first_name",
    "last_name",
    "email",
    "phone",
    "locale",
    "joined_on",
    "consent_email",
    "consent_sms",
    "consent_at",
    "age_band",
    "household_size",
    "birthday",
    "card",
)
ANNA = {
    "customer_id": "00017",
    "first_name": "Anna",
    "last_name": "Bērziņa",
    "email": "Anna.Berzina@Example.com",
    "phone": "+371 26 124 821",
    "locale": "lv",
    "joined_on": "2025-03-01",
    "consent_email": "yes",
    "consent_sms": "no",
    "consent_at": "2025-03-01",
    "age_band": "45-54",
    "household_size": "5+",
    "birthday": "14.07.1948",
    "card": "4821-1",
}
BARE = {"customer_id": "B", "joined_on": "2025-03-01"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def customers(folder: Path, *rows: dict[str, str], **options: Any) -> Told:
    cells = [tuple(row.get(name, "") for name in COLUMNS) for row in rows]
    return imported("import_customers", write_table(folder / "customers.csv", COLUMNS, cells), **options)


def consent(number: str = "00017") -> dict[str, bool]:
    """What holds by channel, for offers."""
    newest = newest_consent(Customer.objects.get(external_id=number))
    return {channel: event.given for (purpose, channel), event in newest.items() if purpose == Purpose.OFFERS}


def test_a_customer_with_everything(folder: Path) -> None:
    assert customers(folder, ANNA).counts("customers") == {"accepted": 1}
    anna = Customer.objects.get()
    assert (anna.external_id, anna.full_name, anna.language) == ("00017", "Anna Bērziņa", "lv")
    assert (anna.email, anna.email_key) == ("Anna.Berzina@Example.com", "anna.berzina@example.com")
    assert (anna.phone, anna.joined_on, anna.birthday) == ("+37126124821", date(2025, 3, 1), date(1948, 7, 14))
    assert (anna.age_band, anna.household_size) == ("45-54", 5)
    assert Identifier.objects.get().value == "48211"
    assert consent() == {"email": True, "sms": False}
    said = ConsentEvent.objects.get(channel=Channel.EMAIL)
    assert (said.source, said.purpose, said.occurred_at) == ("import", "offers", datetime(2025, 2, 28, 22, tzinfo=UTC))


def test_a_customer_of_whom_only_the_number_is_known(folder: Path) -> None:
    assert customers(folder, BARE).counts("customers") == {"accepted": 1}
    bare = Customer.objects.get()
    assert (bare.first_name, bare.email, bare.phone, bare.language) == ("", "", "", Company.current().language)
    assert not ConsentEvent.objects.exists()


def test_who_is_new_in_a_file_without_that_column_joined_on_the_day_of_the_import(folder: Path) -> None:
    customers(folder, ANNA)
    rows = [("00017", "Anna"), ("NEW", "Zane")]
    file = write_table(folder / "list.csv", ("customer_id", "first_name"), rows)
    assert imported("import_customers", file).counts("customers") == {"accepted": 1, "unchanged": 1}
    assert Customer.objects.get(external_id="00017").joined_on == date(2025, 3, 1)
    assert Customer.objects.get(external_id="NEW").joined_on == Company.current().today()
    stored = everything_stored()
    assert imported("import_customers", file).counts("customers") == {"unchanged": 2}
    assert everything_stored() == stored


@pytest.mark.parametrize("query", ["berzina", "4821", "48211", "anna b", "00017", "anna.berzina@example.com"])
def test_who_was_imported_is_found(folder: Path, query: str) -> None:
    customers(folder, ANNA, BARE)
    assert [found.external_id for found in find(query)] == ["00017"]


def test_a_changed_name_is_found_by_the_new_one_only(folder: Path) -> None:
    customers(folder, ANNA)
    assert customers(folder, {**ANNA, "last_name": "Kalniņa"}).counts("customers") == {"accepted": 1}
    assert [found.full_name for found in find("kalnina")] == ["Anna Kalniņa"]
    assert find("berzina") == []


def test_two_may_share_an_address_and_a_phone(folder: Path) -> None:
    told = customers(folder, ANNA, {**ANNA, "customer_id": "2", "card": ""})
    assert told.counts("customers") == {"accepted": 2}


def test_twice_is_the_same_as_once(folder: Path) -> None:
    customers(folder, ANNA, BARE)
    stored = everything_stored()
    assert customers(folder, ANNA, BARE).counts("customers") == {"unchanged": 2}
    assert everything_stored() == stored


def test_a_blank_cell_leaves_what_is_known(folder: Path) -> None:
    customers(folder, ANNA)
    stored = everything_stored()
    told = customers(folder, {"customer_id": "00017", "joined_on": "2025-03-01"})
    assert told.counts("customers") == {"unchanged": 1}
    assert everything_stored() == stored


def test_a_number_twice_in_one_file(folder: Path) -> None:
    told = customers(folder, ANNA, ANNA, {**ANNA, "first_name": "Ilze"})
    assert told.counts("customers") == {"accepted": 1, "unchanged": 1, "conflicts": 1}
    assert told.refusals("customers") == [(4, "customer_id")]
    assert Customer.objects.get().first_name == "Anna"


REFUSED = {
    "no number": ({"customer_id": " "}, "customer_id"),
    "a long number": ({"customer_id": "x" * 65}, "customer_id"),
    "a null byte": ({"first_name": "An\x00na"}, "first_name"),
    "a line turned round": ({"last_name": "An\u202ena"}, "last_name"),
    "a long name": ({"first_name": "x" * 81}, "first_name"),
    "an address": ({"email": "anna(at)example.com"}, "email"),
    "an address with a header": ({"email": "anna@example.com\nBcc: all@example.com"}, "email"),
    "a phone": ({"phone": "12"}, "phone"),
    "a phone in words": ({"phone": "call Anna"}, "phone"),
    "a language": ({"locale": "de"}, "locale"),
    "no day": ({"joined_on": ""}, "joined_on"),
    "an ambiguous day": ({"joined_on": "03/04/2025"}, "joined_on"),
    "no day of the calendar": ({"joined_on": "2025-02-29"}, "joined_on"),
    "a day to come": ({"joined_on": "2099-01-01"}, "joined_on"),
    "a birthday to come": ({"birthday": "2099-01-01"}, "birthday"),
    "a birthday of nobody alive": ({"birthday": "1899-12-31"}, "birthday"),
    "perhaps": ({"consent_email": "maybe"}, "consent_email"),
    "a yes without a day": ({"consent_at": ""}, "consent_at"),
    "a yes to come": ({"consent_at": "2099-01-01"}, "consent_at"),
    "an age": ({"age_band": "between 45 and 54"}, "age_band"),
    "a household": ({"household_size": "many"}, "household_size"),
    "a card": ({"card": "-"}, "card"),
    "somebody's card": ({"card": "77"}, "card"),
}


def test_rows_that_cannot_be_are_refused_alone_with_their_column(folder: Path) -> None:
    customers(folder, {**BARE, "card": "77"})
    stored = everything_stored()
    bad = [{**ANNA, "customer_id": f"X{n}", "card": "", **change} for n, (change, _c) in enumerate(REFUSED.values())]
    told = customers(folder, *bad)
    columns = [column for _change, column in REFUSED.values()]
    refused = [(row["line"], row["column"]) for row in told.file("customers")["refusals"]]
    # The address with a header takes two lines of the file.
    lines = [2 + n + (n > list(REFUSED).index("an address with a header")) for n in range(len(REFUSED))]
    assert dict(zip(REFUSED, refused, strict=True)) == dict(zip(REFUSED, zip(lines, columns, strict=True), strict=True))
    assert everything_stored() == stored


def test_a_national_number_is_one_of_the_company_s_country(folder: Path) -> None:
    customers(folder, {**BARE, "phone": "26 124 821"})
    assert Customer.objects.get().phone == "+37126124821"


# What people agreed to


def test_a_later_no_is_never_turned_by_an_import(folder: Path) -> None:
    customers(folder, ANNA)
    anna = Customer.objects.get()
    issue_token(customer=anna, purpose=Purpose.OFFERS, channel=Channel.EMAIL, token="t" * 43)
    unsubscribe(token="t" * 43)
    assert consent()["email"] is False
    for changed in ({}, {"consent_at": "2025-02-01"}, {"first_name": "Anne"}):
        customers(folder, {**ANNA, **changed})
        assert consent()["email"] is False


def test_a_no_on_the_day_of_the_yes_holds(folder: Path) -> None:
    customers(folder, BARE)
    bare = Customer.objects.get()
    said_at = datetime(2025, 3, 1, 9, tzinfo=UTC)
    record_consent(
        customer=bare, purpose="offers", channel="email", given=False, source="till", occurred_at=said_at, by=None
    )
    customers(folder, {**BARE, "consent_email": "yes", "consent_at": "2025-03-01"})
    assert consent("B") == {"email": False}


def test_a_yes_given_anew_after_a_no_counts(folder: Path) -> None:
    customers(folder, {**ANNA, "consent_email": "no", "consent_sms": ""})
    customers(folder, {**ANNA, "consent_at": "2025-05-01"})
    assert consent() == {"email": True, "sms": False}


def test_a_file_can_withdraw_what_a_file_brought(folder: Path) -> None:
    customers(folder, ANNA)
    withdrawn = {**ANNA, "consent_email": "no", "consent_at": ""}
    assert customers(folder, withdrawn).counts("customers") == {"accepted": 1}
    assert consent()["email"] is False
    assert customers(folder, withdrawn).counts("customers") == {"unchanged": 1}
    assert customers(folder, ANNA).counts("customers") == {"unchanged": 1}
    assert consent()["email"] is False


def test_an_old_file_does_not_undo_a_yes_said_at_the_till(folder: Path) -> None:
    old = {**ANNA, "consent_email": "no", "consent_sms": "no", "consent_at": ""}
    customers(folder, old)
    assert consent() == {}
    record_consent(
        customer=Customer.objects.get(), purpose="offers", channel="email", given=True, source="till", by=None
    )
    assert customers(folder, old).counts("customers") == {"unchanged": 1}
    assert consent() == {"email": True}


def test_a_suppressed_address_stays_suppressed(folder: Path) -> None:
    suppress_address(email="anna.berzina@example.com", reason=SuppressedAddress.Reason.BOUNCE)
    customers(folder, ANNA)
    assert SuppressedAddress.objects.get().email_key == Customer.objects.get().email_key


def test_the_same_consent_is_one_event_in_any_time_zone(folder: Path) -> None:
    """An import of visits may give the company its time zone after the customers came."""
    customers(folder, ANNA)
    Company.objects.update(time_zone="America/New_York")
    assert customers(folder, ANNA).counts("customers") == {"unchanged": 1}
    assert ConsentEvent.objects.filter(channel=Channel.EMAIL).count() == 1


def test_a_consent_with_a_time_is_kept_to_the_second(folder: Path) -> None:
    customers(folder, {**ANNA, "consent_at": "2025-03-01T12:30:15-05:00"})
    said = ConsentEvent.objects.get(channel=Channel.EMAIL)
    assert said.occurred_at == datetime(2025, 3, 1, 17, 30, 15, tzinfo=UTC)
    later = (timezone.now() + timedelta(hours=2)).isoformat(timespec="seconds")
    assert customers(folder, {**ANNA, "consent_at": later}).refusals("customers") == [(2, "consent_at")]


def test_a_consent_without_a_zone_is_of_the_zone_that_is_named(folder: Path) -> None:
    customers(folder, {**ANNA, "consent_at": "2025-03-01 12:00"}, time_zone="Asia/Tokyo")
    assert ConsentEvent.objects.get(channel=Channel.EMAIL).occurred_at == datetime(2025, 3, 1, 3, tzinfo=UTC)


def test_a_former_number_does_not_change_the_survivor(folder: Path) -> None:
    customers(folder, ANNA)
    Customer.objects.get().identifiers.create(kind="alias", value="OLD")
    stored = everything_stored()
    told = customers(folder, {**BARE, "customer_id": "OLD", "first_name": "Old"})
    assert told.counts("customers") == {"unchanged": 1}
    assert everything_stored() == stored


def test_a_rehearsal_keeps_nothing(folder: Path) -> None:
    stored = everything_stored()
    told = customers(folder, ANNA, {**ANNA, "customer_id": ""}, dry_run=True)
    assert told.counts("customers") == {"accepted": 1, "refused": 1}
    assert everything_stored() == stored
    assert not AuditEvent.objects.exists()
    assert customers(folder, ANNA).counts("customers") == {"accepted": 1}


def test_the_audit_log_tells_of_the_import_without_names(folder: Path) -> None:
    customers(folder, ANNA, {**ANNA, "customer_id": ""})
    event = AuditEvent.objects.get()
    assert event.action == "import customers"
    assert event.data["files"][0]["accepted"] == 1
    assert "Anna" not in str(event.data)


# Products

PRODUCT = ("product_id", "department", "category", "name", "brand", "package")


def products(folder: Path, *rows: tuple[str, ...]) -> Told:
    return imported("import_products", write_table(folder / "products.csv", PRODUCT, list(rows)))


def test_products_are_added_brought_up_to_date_and_left(folder: Path) -> None:
    milk = ("0159", "GROCERY", "MILK", "MILK 2 %", "National", "1/2 GAL")
    assert products(folder, milk).counts("products") == {"accepted": 1}
    assert products(folder, milk).counts("products") == {"unchanged": 1}
    told = products(
        folder, ("0159", "", "", "MILK 3 %", "", ""), ("0159", "", "", "MILK 4 %", "", ""), ("", "", "", "x", "", "")
    )
    assert told.counts("products") == {"accepted": 1, "conflicts": 1, "refused": 1}
    assert told.refusals("products") == [(3, "product_id"), (4, "product_id")]
    product = Product.objects.get()
    assert (product.name, product.category, product.package) == ("MILK 3 %", "MILK", "1/2 GAL")

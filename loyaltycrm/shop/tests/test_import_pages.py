"""The pages of imports: sending a file, choosing columns, what it would bring, and the rows that come back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from openpyxl import Workbook
from pytest_django import DjangoAssertNumQueries, Settings

from loyaltycrm.core.actions.import_claims import renew_claim
from loyaltycrm.core.actions.import_jobs import manner_of
from loyaltycrm.core.models import AuditEvent, ImportJob, ImportState, User
from loyaltycrm.core.tests.importing import everything_stored
from loyaltycrm.lib.kept_words import gettext, kept
from loyaltycrm.shop.tests.imports import customers, ready_import, sent, some_imports

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def send(client: Client, content: bytes, *, name: str = "customers.csv", kind: str = "customers", key: str = "") -> str:
    """Send a file; the address that comes next, or the page with what is to be mended."""
    answer = client.post(
        reverse("shop:import_new"),
        {
            "kind": kind,
            "file": SimpleUploadedFile(name, content),
            "idempotency_key": key or str(uuid.uuid4()),
        },
    )
    return answer["Location"] if answer.status_code == 302 else answer.content.decode()


def test_a_file_is_sent_its_columns_are_guessed_and_it_waits_for_its_check(dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    address = send(client, customers(12, spoilt=[3]))
    page = client.get(address).content.decode()
    assert "Person 10" in page
    assert "Person 11" not in page, "Ten rows are shown."
    for column, fact in (("0", "customer_id"), ("1", "first_name"), ("2", "joined_on")):
        assert f'name="column_{column}"' in page
        assert f'<option value="{fact}" selected>' in page
    answer = client.post(
        address, {"column_0": "customer_id", "column_1": "first_name", "column_2": "joined_on", "encoding": "utf-8"}
    )
    job = ImportJob.objects.get()
    assert answer["Location"] == reverse("shop:import", args=[job.pk])
    assert (job.state, job.created_by) == ("to_check", dace)
    page = client.get(answer["Location"]).content.decode()
    assert "The first 12 rows, each looked at by itself" in page
    assert "Is no date that can be read in one way only" in page
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))[-2:] == [
        "send import",
        "choose columns of import",
    ]


def test_sent_twice_by_a_double_click_it_is_there_once(dace: User, signed_in: SignIn) -> None:
    client, key = signed_in(dace), str(uuid.uuid4())
    assert send(client, customers(1), key=key) == send(client, customers(1), key=key)
    assert ImportJob.objects.count() == 1


def test_columns_that_are_missing_or_chosen_twice_are_told(dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    address = send(client, customers(1))
    page = client.post(address, {"column_0": "first_name", "column_1": "first_name"}).content.decode()
    assert "First name is chosen twice" in page
    assert "Choose the columns that hold: Customer number" in page
    assert ImportJob.objects.get().state == "uploaded"


def test_what_could_not_be_guessed_and_is_needed_is_told_before_anything_is_sent(dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    page = client.get(send(client, b"Who;Name;Joined\nK1;Anna;2026-07-14\n")).content.decode()
    assert "Choose the columns that hold: Customer number" in page
    assert "error-summary" not in page
    assert "Choose the columns that hold" not in client.get(send(client, customers(1))).content.decode()


def test_what_a_file_holds_is_said_in_latvian_as_that(dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    client.cookies["language"] = "lv"
    job = ready_import(dace)
    for address in (reverse("shop:imports"), reverse("shop:import", args=[job.pk])):
        page = client.get(address).content.decode()
        assert "Saturs" in page
        assert "Spēkā" not in page, "that is: in force"


def test_the_next_file_of_the_same_header_is_read_as_the_last(dace: User, admin: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    first = send(client, b"A;B\nC1;02/03/2025\n")
    assert client.post(first, {"column_0": "customer_id", "column_1": "joined_on", "dates": "day"}).status_code == 302
    again = signed_in(admin)
    page = again.get(send(again, b"line;column;reason;A;B\n2;A;why;C2;03/03/2025\n")).content.decode()
    assert "Chosen as for the last file with this header" in page
    assert '<option value="day" selected>' in page
    assert page.count("selected>") == 5, "Letters, two columns, days and amounts."


def test_letters_that_could_be_read_in_two_ways_are_asked_for(dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    content = "Numurs;Vārds\n1;Šķ\n2;Ž\n".encode("cp1257")
    address = send(client, content)
    page = client.get(address).content.decode()
    assert "The letters could be read in two ways" in page
    page = client.get(address, {"encoding": "cp1251"}).content.decode()
    assert '<option value="cp1251" selected>' in page
    assert '<input type="hidden" name="encoding" value="cp1251"' in page


def test_a_workbook_shows_its_rows(dace: User, signed_in: SignIn) -> None:
    book, content = Workbook(), BytesIO()
    for row in (("Klients", "Reģistrēts"), ("0007", "2025-01-01")):
        book.active.append(row)
    book.save(content)
    client = signed_in(dace)
    address = send(client, content.getvalue(), name="klienti.xlsx")
    assert "0007" in client.get(address).content.decode()
    assert client.post(address, {"column_0": "customer_id", "column_1": "joined_on"}).status_code == 302
    assert manner_of(ImportJob.objects.get()).encoding is None


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04broken",
        b"\xd0\xcf\x11\xe0",
        b"\x1f\x8b",
        b"\xff\xfea\x00",
        b"a;b\x00;c\n1;2;3\n",
        b"V\xff\xe2rds;B\n" + "Ž;č\n".encode() * 3,
        b";" * 300 + b"\n",
    ],
)
def test_a_file_that_is_no_table_is_one_sentence(dace: User, signed_in: SignIn, content: bytes) -> None:
    client = signed_in(dace)
    page = client.get(send(client, content)).content.decode()
    assert "This file cannot be read" in page


def test_bytes_that_are_no_text_are_shown_as_such(dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    content = "Klients;Reģistrēts\n".encode() + b"a\xff\x00<b>;2025-01-01\n" + "Ž;2025-01-01\n".encode() * 3
    address = send(client, content)
    page = client.get(address).content.decode()
    assert "&lt;b&gt;" in page
    assert client.post(address, {"column_0": "customer_id", "column_1": "joined_on"}).status_code == 302
    assert (
        "bytes that are no text"
        in client.get(reverse("shop:import", args=[ImportJob.objects.get().pk])).content.decode()
    )


def test_what_is_too_large_empty_or_of_no_kind_is_told(dace: User, signed_in: SignIn, settings: Settings) -> None:
    client = signed_in(dace)
    assert "The file is empty. Choose another one." in send(client, b"")
    assert "Choose one of the options" in send(client, b"x", kind="balances"), "Those are for admins."
    settings.IMPORT_LARGEST_MB = 0
    assert "The file is larger than 0 MB" in send(client, b"x")
    assert not ImportJob.objects.exists()


def test_a_file_of_a_partner_needs_its_partner(admin: User, signed_in: SignIn) -> None:
    assert "Choose the partner of this file." in send(signed_in(admin), b"x", kind="partner")


def test_starting_asks_for_the_password_and_takes_the_checked_rows(dace: User, signed_in: SignIn) -> None:
    job = ready_import(dace)
    address = reverse("shop:import", args=[job.pk])
    without = Client()
    without.force_login(dace)
    assert without.post(f"{address}start/")["Location"].startswith("/accounts/reauthenticate/")
    client = signed_in(dace)
    page = client.get(address).content.decode()
    assert "38 rows would be taken, 2 would not" in page
    assert "New customers" in page
    assert client.post(f"{address}start/")["Location"] == address
    job.refresh_from_db()
    assert (job.state, job.started_by) == ("to_run", dace)
    page = client.get(address).content.decode()
    assert 'hx-trigger="every 2s"' in page
    part = client.get(address, headers={"HX-Request": "true"})
    assert "HX-Refresh" not in part
    assert "<html" not in part.content.decode()
    for language, opt_out in (("lv", "Atteikties"), ("ru", "Отказаться")):
        client.post(reverse("core:language"), {"language": language})
        assert opt_out not in client.get(address).content.decode()
    client.post(f"{address}stop/")
    assert client.get(address, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    job.refresh_from_db()
    assert job.state == "stopped"
    client.post(f"{address}go-on/")
    job.refresh_from_db()
    assert job.state == "to_run"


def test_refused_rows_are_downloaded_and_that_is_written_down(dace: User, signed_in: SignIn) -> None:
    job = ready_import(dace)
    answer = signed_in(dace).get(reverse("shop:import_refused", args=[job.pk]))
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "line;column;reason;Klienta Nr.;Vārds;Reģistrēts"
    assert [line.split(";")[3] for line in lines[1:]] == ["C9007", "C9009"]
    assert answer["Cache-Control"] == "no-store"
    assert AuditEvent.objects.filter(action="export", by=dace, data__what="refused rows").count() == 1


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Is no date that can be read in one way only. Write it as 2026-07-14 or 14.07.2026."),
        ("ru", "Не дата, которую можно прочитать однозначно. Напишите 2026-07-14 или 14.07.2026."),
    ],
)
def test_whoever_reads_why_rows_were_refused_reads_it_in_their_language(
    dace: User, admin: User, signed_in: SignIn, language: str, words: str
) -> None:
    job = ready_import(dace)
    reader = signed_in(admin)
    reader.cookies["language"] = language
    assert f"<td>{words}</td>" in reader.get(reverse("shop:import", args=[job.pk])).content.decode()
    answer = reader.get(reverse("shop:import_refused", args=[job.pk]))
    with translation.override("lv"):  # the file is sent after the page was made
        sent = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert [line.split(";")[2] for line in sent[1:]] == [words, words]


def test_a_reason_from_before_is_shown_as_it_was_written(dace: User, signed_in: SignIn) -> None:
    job = ready_import(dace)
    job.checked["reasons"][0]["reason"] = "Nav datums."  # type: ignore[index]
    job.language = "lv"
    job.save()
    assert (
        '<td lang="lv">Nav datums.</td>' in signed_in(dace).get(reverse("shop:import", args=[job.pk])).content.decode()
    )


@pytest.mark.parametrize(
    ("language", "step", "problem", "note"),
    [
        (
            "en",
            "a.csv: rows read: 7 / 9",
            "a.csv is empty. It needs a header row.",
            "The company&#x27;s time zone is now Europe/Riga.",
        ),
        (
            "ru",
            "a.csv: прочитано строк: 7 / 9",
            "Файл пуст: a.csv. Ему нужна строка заголовков.",
            "Теперь часовой пояс компании: Europe/Riga.",
        ),
    ],
)
def test_how_far_it_is_and_why_not_is_read_in_the_readers_language(
    dace: User, admin: User, signed_in: SignIn, language: str, step: str, problem: str, note: str
) -> None:
    job = ready_import(dace)
    with translation.override("lv"):
        job.state, job.claim_token = ImportState.CHECKING, uuid.uuid4()
        job.lease_until = timezone.now() + timedelta(minutes=1)
        job.problem = kept(gettext("%(file)s is empty. It needs a header row.") % {"file": "a.csv"})
        zone = gettext("The company's time zone is now %(zone)s.") % {"zone": "Europe/Riga"}
        job.checked["notes"] = [kept(zone), "Vecs teikums."]  # type: ignore[index]
    job.language = "lv"
    job.save()
    with translation.override("lv"):
        read = gettext("%(file)s: rows read") % {"file": "a.csv"}
        renew_claim(job_id=job.pk, token=job.claim_token, step=read, done=7, of=9)
    reader = signed_in(admin)
    reader.cookies["language"] = language
    page = reader.get(reverse("shop:import", args=[job.pk])).content.decode()
    for words in (f"<span>{step}</span>", f"<p>{problem}</p>", f"<p>{note}</p>", '<p lang="lv">Vecs teikums.</p>'):
        assert words in page


def test_anothers_file_is_not_there(dace: User, admin: User, liga: User, signed_in: SignIn) -> None:
    job = ready_import(admin)
    clients = [(signed_in(dace), 404), (signed_in(liga), 403)]
    before = everything_stored()
    for client, status in clients:
        for name in ("import", "import_columns", "import_refused"):
            assert client.get(reverse(f"shop:{name}", args=[job.pk])).status_code == status
        for name in ("import_columns", "import_start", "import_stop", "import_go_on", "import_remove"):
            assert client.post(reverse(f"shop:{name}", args=[job.pk])).status_code == status
    assert job.file_name not in clients[0][0].get(reverse("shop:imports")).content.decode()
    assert everything_stored() == before


def test_an_admins_kind_is_closed_to_who_is_no_admin_any_more(admin: User, signed_in: SignIn) -> None:
    job = sent(admin, b"Klients;Punkti\nC1;5\n", kind="balances", name="b.csv")
    client = signed_in(admin)
    address = reverse("shop:import_columns", args=[job.pk])
    assert client.get(address).status_code == 200
    User.objects.filter(pk=admin.pk).update(role="manager")
    assert client.get(address).status_code == 404


def test_the_same_file_again_is_told(dace: User, signed_in: SignIn) -> None:
    done = some_imports(dace)["done_import"]
    ImportJob.objects.filter(state="running").update(state="stopped", claim_token=None, lease_until=None)
    job = ready_import(dace)
    page = signed_in(dace).get(reverse("shop:import", args=[job.pk])).content.decode()
    assert "This very file was imported before" in page
    assert f'href="{reverse("shop:import", args=[done])}"' in page


def test_removing_leaves_the_account(dace: User, signed_in: SignIn) -> None:
    job, client = ready_import(dace), signed_in(dace)
    address = reverse("shop:import", args=[job.pk])
    client.post(f"{address}remove/")
    page = client.get(address).content.decode()
    assert "The file was removed" in page
    assert "Why rows are not taken" in page
    assert "Import the good rows" not in page
    assert client.get(f"{address}refused/").status_code == 404


def test_a_file_removed_before_it_was_imported_is_told_so(dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    for job in (sent(dace, customers(1)), ready_import(dace)):
        client.post(reverse("shop:import_remove", args=[job.pk]))
        page = client.get(reverse("shop:import", args=[job.pk])).content.decode()
        assert "Nothing of it was imported." in page
        assert "rows are known" not in page
        assert "would be taken</h2>" not in page
    listed = client.get(reverse("shop:imports")).content.decode()
    assert listed.count(">Removed</span>") == 2
    assert "Columns to choose</span>" not in listed


def test_the_list_costs_the_same_for_many(
    dace: User, signed_in: SignIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = signed_in(dace)
    for _file in range(3):
        sent(dace, customers(1))
    client.get(reverse("shop:imports"))
    with django_assert_max_num_queries(12) as few:
        client.get(reverse("shop:imports"))
    for _file in range(12):
        sent(dace, customers(1))
    with django_assert_max_num_queries(len(few.captured_queries)):
        page = client.get(reverse("shop:imports"), {"kind": "customers", "sort": "-file_name"}).content.decode()
    assert page.count("customers.csv") == 15
    for name in ("accepted", "-refused", "state", "-kind", "created_by", "-created_at"):
        assert client.get(reverse("shop:imports"), {"sort": name}).status_code == 200
    assert "customers.csv" not in client.get(reverse("shop:imports"), {"state": "done"}).content.decode()

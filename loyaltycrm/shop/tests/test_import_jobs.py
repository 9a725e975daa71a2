"""An import that people send on the page: checked without writing, taken, stopped, gone on with, sent again."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from customers.models import Customer, Visit
from loyaltycrm.core.actions import import_claims as claims
from loyaltycrm.core.actions.import_files import PIECE_BYTES, on_disk, pieces_of
from loyaltycrm.core.actions.import_jobs import (
    choose_columns,
    empty_import,
    empty_old_imports,
    go_on_with_import,
    manner_of,
    remembered_manner,
    send_import,
    start_import,
    stop_import,
)
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.imports import Manner, stage
from loyaltycrm.core.imports import run as runs
from loyaltycrm.core.imports.manner import Decimals
from loyaltycrm.core.knobs import IMPORT_FORGET_DAYS, IMPORT_KEEP_DAYS
from loyaltycrm.core.models import AuditEvent, ImportJob, ImportPart, ImportPartOf, ImportState, Store, User
from loyaltycrm.core.tests.importing import everything_stored
from loyaltycrm.lib.kept_words import is_kept, told
from loyaltycrm.shop.actions import import_running
from loyaltycrm.shop.actions.import_running import Heart, run_next_import
from loyaltycrm.shop.tests.imports import CUSTOMERS, checked, customers, imported_file, sent, to_check
from rewards.actions.earning import record_visit
from rewards.actions.importing.posted import postings_counted
from rewards.models import Account, Posting

RECEIPTS = "Čeks;Klients;Veikals;Datums;Bruto;Summa\n"


def refused_file(job: ImportJob) -> str:
    return b"".join(pieces_of(job, ImportPartOf.REFUSED)).decode("utf-8-sig")


def test_a_check_tells_what_would_come_and_keeps_nothing(committed_db: str, dace: User) -> None:
    file = sent(dace, customers(40, spoilt=[7, 9]))
    before = everything_stored()
    job = checked(file, by=dace)
    assert job.state == ImportState.READY
    assert job.checked is not None
    assert job.checked["counts"] == {"read": 40, "accepted": 38, "unchanged": 0, "refused": 2, "conflicts": 0}
    assert job.checked["brought"] == {"new_customers": 38}
    ((reason,)) = job.checked["reasons"]
    assert (reason["column"], reason["kind"], reason["count"]) == ("Reģistrēts", "refused", 2)
    after = everything_stored()
    assert {name for name in after if after[name] != before[name]} == {"core.ImportJob", "core.ImportPart"}
    lines = refused_file(job).splitlines()
    assert lines[0] == "line;column;reason;Klienta Nr.;Vārds;Reģistrēts"
    assert [line.split(";")[0] for line in lines[1:]] == ["8", "10"]


def test_good_rows_are_taken_and_the_mended_ones_after_them(committed_db: str, dace: User) -> None:
    job = imported_file(sent(dace, customers(40, spoilt=[7, 9])), by=dace)
    assert (job.state, Customer.objects.count()) == (ImportState.DONE, 38)
    assert job.result is not None
    assert job.result["counts"]["accepted"] == 38
    event = AuditEvent.objects.get(action="import customers")
    assert (event.by, event.data["files"][0]["accepted"]) == (dace, 38)
    mended = refused_file(job).replace("soon", "2025-03-03").encode()
    again = imported_file(sent(dace, mended, name="mended.csv"), by=dace)
    assert again.result is not None
    assert again.result["counts"] == {"read": 2, "accepted": 2, "unchanged": 0, "refused": 0, "conflicts": 0}
    assert Customer.objects.count() == 40
    assert not again.parts.filter(of=ImportPartOf.REFUSED).exists()


def test_a_file_imported_twice_changes_nothing_and_says_so(committed_db: str, dace: User) -> None:
    imported_file(sent(dace, customers(5)), by=dace)
    before = Customer.objects.order_by("pk").values_list("pk", "first_name")
    job = checked(sent(dace, customers(5)), by=dace)
    assert job.checked is not None
    assert job.checked["counts"]["unchanged"] == 5
    start_import(job=job, by=dace)
    run_next_import()
    job.refresh_from_db()
    assert job.result is not None
    assert job.result["counts"] == {"read": 5, "accepted": 0, "unchanged": 5, "refused": 0, "conflicts": 0}
    assert list(before) == list(Customer.objects.order_by("pk").values_list("pk", "first_name"))


def test_the_check_knows_the_points_and_the_stores(committed_db: str, admin: User) -> None:
    """Three receipts of 24.90, 10.00 and 3.99 are 24 + 10 + 3 points; the shop S9 is new; a fourth cannot be."""
    imported_file(sent(admin, customers(1)), by=admin)
    rows = "1;C1;S9;02.03.2026 10:00;24,90;24,90\n2;C1;S9;03.03.2026 10:00;10,00;10,00\n"
    more = "3;C1;S9;04.03.2026 10:00;3,99;3,99\n4;C2;S9;04.03.2026;1,00;1,00\n"
    job = checked(sent(admin, (RECEIPTS + rows + more).encode(), kind="receipts", name="r.csv"), by=admin)
    assert job.checked is not None
    assert job.checked["counts"] == {"read": 4, "accepted": 3, "unchanged": 0, "refused": 1, "conflicts": 0}
    assert job.checked["brought"] == {"new_stores": 1, "points:earn": 37}
    assert (Visit.objects.count(), Posting.objects.count(), Store.objects.count()) == (0, 0, 0)
    start_import(job=job, by=admin)
    run_next_import()
    job.refresh_from_db()
    assert job.result is not None
    assert job.result["brought"] == {"new_stores": 1, "points:earn": 37}
    assert Account.objects.get(customer__external_id="C1").book_balance == 37
    assert set(Visit.objects.values_list("recorded_by", flat=True)) == {admin.pk}


def test_points_that_others_post_meanwhile_are_not_counted(
    committed_db: str, janis: Customer, barona_iela: Store
) -> None:
    """A till posts points for 5.00 while the transaction of an import is open, which itself posts those for 7.00."""
    with transaction.atomic(), postings_counted() as posted:
        till = threading.Thread(target=_a_sale, args=(janis, barona_iela, 5_00))
        till.start()
        till.join()
        with transaction.atomic():
            _a_sale_of(janis, barona_iela, 7_00)
    assert Posting.objects.filter(visit__receipt_id="T500").exists()
    assert posted == {"points:earn": Posting.objects.get(visit__receipt_id="T700").points}


def _a_sale_of(customer: Customer, store: Store, cents: int) -> None:
    record_visit(customer=customer, store=store, net_cents=cents, receipt_id=f"T{cents}", by=None)


def _a_sale(customer: Customer, store: Store, cents: int) -> None:
    try:
        _a_sale_of(customer, store, cents)
    finally:
        connection.close()


def test_a_manager_imports_neither_for_other_stores_nor_for_the_own_account(
    committed_db: str, dace: User, centrs: Store, barona_iela: Store
) -> None:
    imported_file(sent(dace, customers(2)), by=dace)
    dace.customer_id = Customer.objects.get(external_id="C2").pk
    dace.save()
    day = "02.03.2026 10:00;5,00;5,00"
    rows = f"1;C1;BARONA;{day}\n2;C1;CENTRS;{day}\n3;C1;NEW;{day}\n4;C2;BARONA;{day}\n"
    job = imported_file(sent(dace, (RECEIPTS + rows).encode(), kind="receipts", name="r.csv"), by=dace)
    assert list(Visit.objects.values_list("receipt_id", flat=True)) == ["1"]
    assert job.result is not None
    assert {(one["column"], one["count"]) for one in job.result["reasons"]} == {("Veikals", 2), ("Klients", 1)}


def asked_at(call: int, action: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let something happen at the so-many-th time that an import says how far it is; the steps that it told."""
    told: list[str] = []
    own = Heart.progress

    def progress(self: Heart, what: str, count: int, of: int | None = None) -> None:
        told.append(what)
        if len(told) == call:
            action()
        own(self, what, count, of)

    monkeypatch.setattr(Heart, "progress", progress)
    return told


def in_small_chunks(monkeypatch: pytest.MonkeyPatch, rows: int = 10) -> None:
    monkeypatch.setattr(stage, "CHUNK_ROWS", rows)


def test_stopped_within_a_chunk_and_gone_on_with(
    committed_db: str, dace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 rows in chunks of 10: four times it tells of reading; stopped after the second chunk that is written."""
    in_small_chunks(monkeypatch)
    job = checked(sent(dace, customers(40, spoilt=[1])), by=dace)
    start_import(job=job, by=dace)
    told = asked_at(6, lambda: stop_import(job=job, by=dace), monkeypatch)
    run_next_import()
    job.refresh_from_db()
    assert (len(told), job.state, job.claim_token) == (6, ImportState.STOPPED, None)
    assert Customer.objects.count() == 20
    assert not run_next_import(), "Nobody takes what was stopped."
    go_on_with_import(job=job, by=dace)
    run_next_import()
    job.refresh_from_db()
    assert (job.state, Customer.objects.count()) == (ImportState.DONE, 39)
    assert job.result is not None
    assert job.result["counts"] == {"read": 40, "accepted": 39, "unchanged": 0, "refused": 1, "conflicts": 0}
    assert job.result["brought"] == {"new_customers": 39}
    assert AuditEvent.objects.filter(action="stop import", by=dace).count() == 1


def test_a_check_that_is_stopped_leaves_nothing_and_can_go_on(
    committed_db: str, dace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_chunks(monkeypatch)
    job = to_check(sent(dace, customers(40)), by=dace)
    asked_at(6, lambda: stop_import(job=job, by=dace), monkeypatch)
    run_next_import()
    job.refresh_from_db()
    assert (job.state, Customer.objects.count()) == (ImportState.STOPPED, 0)
    go_on_with_import(job=job, by=dace)
    assert job.started_at is None
    run_next_import()
    job.refresh_from_db()
    assert job.state == ImportState.READY


def test_an_import_takes_turns(committed_db: str, dace: User, monkeypatch: pytest.MonkeyPatch) -> None:
    in_small_chunks(monkeypatch)
    monkeypatch.setattr(import_running, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(import_running, "READINGS_A_TURN", 0.0)
    job = checked(sent(dace, customers(40)), by=dace)
    start_import(job=job, by=dace)
    seen = []
    while run_next_import():
        job.refresh_from_db()
        seen.append((job.state, Customer.objects.count()))
    assert seen == [("to_run", 20), ("done", 40)]
    assert job.result is not None
    assert (job.result["counts"]["accepted"], job.result["brought"]) == (40, {"new_customers": 40})


def test_a_worker_that_broke_off_is_followed_by_another(
    committed_db: str, dace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_chunks(monkeypatch)
    job = checked(sent(dace, customers(40)), by=dace)
    start_import(job=job, by=dace)

    def breaks() -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        asked_at(6, breaks, patch)
        run_next_import()
    job.refresh_from_db()
    assert (job.state, job.broke_off, job.attempts, Customer.objects.count()) == ("to_run", 1, 1, 20)
    run_next_import()
    job.refresh_from_db()
    assert job.state == ImportState.DONE
    assert job.result is not None
    assert job.result["counts"]["accepted"] == 40, "What the first one took counts too."


def test_what_breaks_off_again_and_again_fails(committed_db: str, dace: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = to_check(sent(dace, customers(1)), by=dace)

    def breaks(*_given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Heart, "progress", breaks)
    turns = 0
    while run_next_import():
        turns += 1
    job.refresh_from_db()
    assert (turns, job.state) == (claims.MOST_ATTEMPTS, ImportState.FAILED)
    assert "broke off 5 times" in told(job.problem)
    monkeypatch.undo()
    go_on_with_import(job=job, by=dace)
    assert run_next_import()
    job.refresh_from_db()
    assert (job.state, job.problem) == (ImportState.READY, "")


def test_a_file_that_cannot_be_read_fails_with_one_sentence(committed_db: str, dace: User) -> None:
    job = sent(dace, (CUSTOMERS + "1;Anna;2025-01-01\n").encode())
    columns = {"klienta nr.": "", "vārds": "first_name", "reģistrēts": "joined_on"}
    choose_columns(job=job, manner=Manner(columns=columns), header_key="", by=dace)
    run_next_import()
    job.refresh_from_db()
    assert is_kept(job.problem)
    assert (job.state, told(job.problem)) == (
        ImportState.FAILED,
        "customers.csv lacks the column customer_id. Add it to the header and to every row.",
    )


def test_two_imports_do_not_run_at_once(committed_db: str, dace: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LOCK_SECONDS", 0.0)
    first, second = (to_check(sent(dace, customers(1, first=n)), by=dace) for n in (1, 2))
    token = uuid.uuid4()
    assert claims.claim_import(token=token) == first
    assert not run_next_import(), "One is held, so no other is begun."
    assert claims.give_back(job=first, token=token)
    by_command = connection.copy()
    try:
        with by_command.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('loyaltycrm import', 0))")
        assert not run_next_import()
    finally:
        by_command.close()
    first.refresh_from_db()
    assert (first.state, first.attempts) == ("to_check", 0)
    assert run_next_import()
    assert run_next_import()
    second.refresh_from_db()
    assert second.state == ImportState.READY


@pytest.mark.django_db
def test_a_stop_holds_though_the_worker_lets_go_of_the_import_by_itself(dace: User) -> None:
    """While another import holds the lock, or at the end of a turn."""
    for_another, at_the_turn = (uuid.uuid4(), uuid.uuid4())
    checking = to_check(sent(dace, customers(1)), by=dace)
    assert claims.claim_import(token=for_another) == checking
    stop_import(job=checking, by=dace)
    assert claims.give_back(job=checking, token=for_another)
    checking.refresh_from_db()
    assert (checking.state, checking.stop_asked_at) == ("stopped", None)
    ImportJob.objects.filter(pk=checking.pk).update(state="ready")
    running = start_import(job=checking, by=dace)
    assert claims.claim_import(token=at_the_turn) == running
    stop_import(job=running, by=dace)
    assert claims.record_turn(job=running, token=at_the_turn, brought=Counter())
    running.refresh_from_db()
    assert (running.state, running.stop_asked_at) == ("stopped", None)


def test_a_holder_whose_lease_ended_writes_nothing(committed_db: str, dace: User, tmp_path: Any) -> None:
    job = to_check(sent(dace, customers(1)), by=dace)
    token = uuid.uuid4()
    claims.claim_import(token=token)
    ImportJob.objects.update(lease_until=timezone.now())
    assert claims.expire_import_claims() == 1
    assert not claims.renew_claim(job_id=job.pk, token=token, step="", done=1, of=1)
    refused = tmp_path / "refused.csv"
    refused.write_bytes(b"")
    assert not claims.record_checked(job=job, token=token, account={}, refused=refused)
    job.refresh_from_db()
    assert (job.state, job.checked, job.attempts) == ("to_check", None, 1)


def test_who_may_not_import_any_more_imports_nothing(committed_db: str, dace: User, admin: User) -> None:
    job = to_check(sent(admin, b"Klients;Punkti\nC1;5\n", kind="balances", name="b.csv"), by=admin)
    admin.role = "manager"
    admin.save()
    run_next_import()
    job.refresh_from_db()
    assert job.state == ImportState.FAILED
    assert "may not import" in told(job.problem)


def test_whose_starter_has_left_is_gone_on_with_by_another(
    committed_db: str, dace: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 customers 20 are there when the account is closed and the import fails; all 40 count in the end."""
    in_small_chunks(monkeypatch)
    job = checked(sent(dace, customers(40)), by=dace)
    start_import(job=job, by=dace)

    def leaves() -> None:
        User.objects.filter(pk=dace.pk).update(is_active=False)
        raise Refused("Gone.")

    with monkeypatch.context() as patch:
        asked_at(6, leaves, patch)
        run_next_import()
    job.refresh_from_db()
    assert (job.state, job.result, Customer.objects.count()) == ("failed", {"brought": {"new_customers": 20}}, 20)
    go_on_with_import(job=job, by=admin)
    run_next_import()
    job.refresh_from_db()
    assert (job.state, job.problem, job.started_by) == ("done", "", admin)
    assert job.result is not None
    assert (job.result["counts"]["accepted"], job.result["brought"]) == (40, {"new_customers": 40})


def test_a_file_is_checked_in_the_name_of_who_asked_last(committed_db: str, dace: User, admin: User) -> None:
    job = to_check(sent(dace, customers(1)), by=dace)
    dace.is_active = False
    dace.save()
    run_next_import()
    job.refresh_from_db()
    assert job.state == "failed"
    go_on_with_import(job=job, by=admin)
    run_next_import()
    job.refresh_from_db()
    assert (job.state, job.started_at) == ("ready", None)


@pytest.mark.django_db
class TestFiles:
    def test_a_file_comes_back_as_it_was(self, dace: User) -> None:
        content = bytes(range(256)) * 12_000
        job = send_import(kind="customers", name="../x.csv", blocks=[content[:5], content[5:]], by=dace)
        assert job.size_bytes == len(content) > 2 * PIECE_BYTES
        with on_disk(job) as path:
            assert path.read_bytes() == content
            assert path.name == "x.csv"
            assert path.parent.stat().st_mode & 0o077 == 0
        assert not path.exists()

    @pytest.mark.parametrize(
        ("name", "on_disks"),
        [
            ("клиенты.csv", "клиенты.csv"),
            ("ж" * 196 + ".csv", "ж" * 125 + ".csv"),
            ("a." + "ж" * 198, "a." + "ж" * 63),
        ],
    )
    def test_a_name_as_long_as_may_be_sent_fits_a_disk(self, dace: User, name: str, on_disks: str) -> None:
        """Two bytes a letter, 255 bytes in all."""
        job = sent(dace, customers(1), name=name)
        with on_disk(job) as path:
            assert (path.name, path.read_bytes()) == (on_disks, customers(1))
        assert job.file_name == name

    def test_an_empty_file_is_refused(self, dace: User) -> None:
        with pytest.raises(Refused, match="empty"):
            sent(dace, b"")
        assert not ImportJob.objects.exists()

    def test_files_go_after_the_days_that_are_set(self, dace: User) -> None:
        old, waiting, new = (sent(dace, customers(1)) for _one in range(3))
        to_check(waiting, by=dace)
        set_knob(key=IMPORT_KEEP_DAYS.key, new=7, by=dace)
        long_ago = timezone.now() - timedelta(days=8)
        ImportJob.objects.filter(pk__in=[old.pk, waiting.pk]).update(created_at=long_ago)
        assert empty_old_imports() == 1
        assert set(ImportPart.objects.values_list("job", flat=True)) == {waiting.pk, new.pk}
        with pytest.raises(Refused, match="removed"):
            to_check_again(old, dace)

    def test_a_file_that_nobody_imported_goes_sooner(self, dace: User) -> None:
        set_knob(key=IMPORT_FORGET_DAYS.key, new=7, by=dace)
        unused, begun, new = (sent(dace, customers(1)) for _one in range(3))
        a_week_ago = timezone.now() - timedelta(days=7, minutes=1)
        ImportJob.objects.exclude(pk=new.pk).update(created_at=a_week_ago)
        ImportJob.objects.filter(pk=begun.pk).update(state="stopped", started_at=a_week_ago, started_by=dace)
        assert empty_old_imports() == 1
        assert set(ImportPart.objects.values_list("job", flat=True)) == {begun.pk, new.pk}
        unused.refresh_from_db()
        assert unused.emptied_at is not None

    def test_what_moves_is_not_removed(self, dace: User) -> None:
        job = to_check(sent(dace, customers(1)), by=dace)
        with pytest.raises(Refused, match="Stop"):
            empty_import(job=job, by=dace)
        stop_import(job=job, by=dace)
        empty_import(job=job, by=dace)
        assert not ImportPart.objects.exists()
        with pytest.raises(Refused, match="Send it again"):
            go_on_with_import(job=job, by=dace)

    def test_the_next_file_of_a_header_is_read_in_the_same_way(self, dace: User) -> None:
        job = to_check(sent(dace, customers(1)), by=dace, decimals=Decimals.COMMA)
        known = remembered_manner(kind="customers", header_key=job.header_key or ImportJob.objects.get().header_key)
        assert known == manner_of(ImportJob.objects.get())
        assert remembered_manner(kind="receipts", header_key="x") is None

    def test_columns_stay_once_it_was_started(self, dace: User) -> None:
        job = to_check(sent(dace, customers(1)), by=dace)
        ImportJob.objects.update(state="ready")
        start_import(job=job, by=dace)
        assert start_import(job=job, by=dace).state == "to_run"
        with pytest.raises(Refused, match="has begun"):
            to_check_again(job, dace)
        assert AuditEvent.objects.filter(action="start import").count() == 1

    def test_nothing_is_started_that_was_not_checked(self, dace: User) -> None:
        job = sent(dace, customers(1))
        for action in (start_import, go_on_with_import):
            with pytest.raises(Refused):
                action(job=job, by=dace)
        job.refresh_from_db()
        assert job.state == ImportState.UPLOADED

    def test_a_manager_sees_the_own_files_and_an_admin_all(self, dace: User, admin: User) -> None:
        own, others = sent(dace, customers(1)), sent(admin, customers(1))
        assert set(ImportJob.objects.for_staff(dace)) == {own}
        assert set(ImportJob.objects.for_staff(admin)) == {own, others}

    @pytest.mark.parametrize(
        ("wrong", "truth"),
        [
            ({"state": "checking"}, "held_has_token_and_lease"),
            ({"claim_token": uuid.uuid4()}, "held_has_token_and_lease"),
            ({"state": "to_run"}, "started_by_somebody"),
            ({"state": "to_check", "emptied_at": timezone.now()}, "emptied_stands_still"),
        ],
    )
    def test_wrong_states_cannot_be(self, dace: User, wrong: dict[str, Any], truth: str) -> None:
        sent(dace, customers(1))
        with pytest.raises(IntegrityError, match=truth), transaction.atomic():
            ImportJob.objects.update(**wrong)

    def test_what_is_done_has_a_result(self, dace: User) -> None:
        sent(dace, customers(1))
        ImportJob.objects.update(started_at=timezone.now(), started_by=dace)
        with pytest.raises(IntegrityError, match="done_has_a_result"), transaction.atomic():
            ImportJob.objects.update(state="done")


def to_check_again(job: ImportJob, by: User) -> None:
    choose_columns(job=job, manner=Manner(), header_key="", by=by)

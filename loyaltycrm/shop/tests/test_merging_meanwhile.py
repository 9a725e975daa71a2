"""What is written for a profile in the moment in which it is merged: it lands where the person is, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from customers.actions.classifying import flag_loyalty
from customers.actions.consent import record_consent, withdraw_consent
from customers.actions.customers import add_card
from customers.actions.holds import place_hold
from customers.actions.merging import MOVED_UNLESS_THERE
from customers.actions.merging import OWNED as FACTS
from customers.actions.notes import write_note
from customers.actions.signals import record_signal
from customers.models import Channel, ConsentEvent, ContactHold, Customer, PageLink, Purpose, UnsubscribeToken, Visit
from feedback.actions.merging import OWNED as SAID
from feedback.actions.surveys import invite_to_survey
from feedback.actions.tickets import open_ticket
from feedback.models import Ticket
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge

# A visit and a link to stop: the first is refused with its account, the second leads to who stands for its customer.
GUARDED_OTHERWISE = {Visit, UnsubscribeToken, PageLink}


def writers(store: Store, by: User) -> list[Callable[[Customer], object]]:
    said = {"purpose": Purpose.SURVEYS, "channel": Channel.EMAIL, "source": ConsentEvent.Source.PROFILE, "by": by}
    return [
        lambda who: open_ticket(
            customer=who, store=store, kind="complaint", subject="Soup", words="Cold", source="till", by=by
        ),
        lambda who: invite_to_survey(customer=who, by=by),
        lambda who: record_signal(
            customer=who,
            kind="says",
            source="praise",
            strength=1,
            occurred_on=timezone.now().date(),
            reference="praise:1",
        ),
        lambda who: place_hold(customer=who, reference="hold:1", reason="Asked", by=by),
        lambda who: record_consent(customer=who, given=True, **said),  # type: ignore[arg-type]
        lambda who: withdraw_consent(
            customer=who,
            lists=[(Purpose.OFFERS, Channel.SMS)],
            source=ConsentEvent.Source.PROFILE,
            by=by,
        ),
        lambda who: write_note(customer=who, text="Sings", by=by),
        lambda who: add_card(customer=who, card="77001", by=by),
        lambda who: flag_loyalty(
            customer=who, loyal=True, reason="Sings", ends_on=timezone.now().date() + timedelta(days=30), by=by
        ),
    ]


def owners() -> dict[str, list[tuple[int, int]]]:
    """{table: (row, customer)} of everything that the writers write."""
    models = [*FACTS, *MOVED_UNLESS_THERE, *SAID, ConsentEvent]
    return {model._meta.db_table: sorted(model._base_manager.values_list("pk", "customer_id")) for model in models}


def wait_for_waiting(count: int) -> None:
    with connection.cursor() as cursor:
        for _try in range(2_400):
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone() == (count,):
                return
            time.sleep(0.05)
    raise AssertionError(f"{count} clients never waited together.")


def in_threads(jobs: Sequence[Callable[[], object]], failures: list[BaseException]) -> list[threading.Thread]:
    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    return threads


def test_what_waits_for_a_merge_is_the_survivors(
    committed_db: None, anna: Customer, janis: Customer, barona_iela: Store, dace: User
) -> None:
    stale = Customer.objects.get(pk=janis.pk)
    before = owners()
    failures: list[BaseException] = []
    jobs = [partial(write, stale) for write in writers(barona_iela, dace)]
    with transaction.atomic():
        merge_customers(survivor=anna, merged=janis, reason="One person", by=dace)
        threads = in_threads(jobs, failures)
        wait_for_waiting(len(jobs))
    for thread in threads:
        thread.join(timeout=60)

    assert failures == []
    new = {table: set(rows) - set(before[table]) for table, rows in owners().items()}
    whose = {
        table: {customer for row, customer in rows if row not in dict(before[table])} for table, rows in new.items()
    }
    written = {table for table, customers in whose.items() if customers}
    assert written == {
        "customers_consentevent",
        "customers_contacthold",
        "customers_customernote",
        "customers_identifier",
        "customers_loyaltyflag",
        "customers_signal",
        "feedback_surveyinvitation",
        "feedback_ticket",
    }
    assert all(whose[table] == {anna.pk} for table in written)


def test_a_merge_waits_for_what_is_being_written_and_takes_it_along(
    committed_db: None, anna: Customer, janis: Customer, barona_iela: Store, dace: User
) -> None:
    failures: list[BaseException] = []
    merges = []
    with transaction.atomic():
        for write in writers(barona_iela, dace):
            write(janis)
        job = lambda: merges.append(merge_customers(survivor=anna, merged=janis, reason="One person", by=dace))  # noqa: E731
        [thread] = in_threads([job], failures)
        wait_for_waiting(1)
    thread.join(timeout=60)

    assert failures == []
    ticket = Ticket.objects.get()
    assert ticket.customer_id == anna.pk
    assert set(ContactHold.objects.values_list("customer", flat=True)) == {anna.pk}
    undo_merge(merge=merges[0], by=dace)
    ticket.refresh_from_db()
    assert ticket.customer_id == janis.pk


@pytest.mark.django_db
def test_the_database_refuses_rows_of_a_merged_profile(anna: Customer, janis: Customer, dace: User) -> None:
    merge = merge_customers(survivor=anna, merged=janis, reason="One person", by=dace)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT tgrelid::regclass::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
               WHERE p.proname = 'loyaltycrm_refuse_merged'"""
        )
        guarded = {table for (table,) in cursor.fetchall()}
    named = {ConsentEvent, *FACTS, *MOVED_UNLESS_THERE, *SAID} - GUARDED_OTHERWISE
    assert guarded == {model._meta.db_table for model in named}

    with pytest.raises(OperationalError, match="was merged into another"), transaction.atomic():
        ContactHold.objects.create(customer=janis, reference="hold:9", reason="Direct")
    assert ContactHold.objects.count() == 0

    undo_merge(merge=merge, by=dace)
    assert ContactHold.objects.create(customer=janis, reference="hold:9", reason="Direct").pk

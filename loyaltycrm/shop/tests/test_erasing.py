"""Erasing a person: what goes, what stays, the balance, whoever comes back, and what happens at the same moment."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

from customers.actions.classifying import classify
from customers.actions.consent import suppress_address
from customers.actions.customers import create_customer, update_customer
from customers.actions.erasing import ErasedBefore
from customers.actions.households import link_household
from customers.actions.notes import write_note
from customers.erased import digest, erased_sql, was_erased
from customers.models import (
    Classification,
    Customer,
    CustomerMail,
    ErasedMark,
    Erasure,
    HouseholdMember,
    Identifier,
    MailStatus,
    MarkKind,
    Purpose,
    SuppressedAddress,
    Visit,
)
from customers.queries import may_mail
from feedback.actions.conversation import add_note
from feedback.actions.tickets import open_ticket
from feedback.models import Ticket, TicketMessage
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.actions.import_claims import claim_import, record_stopped
from loyaltycrm.core.actions.import_jobs import empty_old_imports, send_import, start_import, stop_import
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import (
    AuditEvent,
    Company,
    IdempotencyRecord,
    ImportJob,
    ImportPart,
    Store,
    User,
    WebhookEvent,
)
from loyaltycrm.shop.actions.erasing import erase_customer
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from loyaltycrm.shop.actions.overview import groups_and_plane
from loyaltycrm.shop.actions.receipt_mails import mail_receipt
from loyaltycrm.shop.export import customer_lines
from loyaltycrm.shop.personal_data import ABOUT_NOBODY, BESIDE, HELD, STAYING, Fate
from loyaltycrm.shop.queries.own_data import TOLD
from loyaltycrm.shop.tests.imports import customers, ready_import, sent, to_check
from loyaltycrm.testing import agree, visit
from rewards.accounts.movement import movement_of
from rewards.actions.closing import close_accounts_again
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.outcomes import MailEvent, Told, record_mail_event
from rewards.ledger.audit import audit
from rewards.models import Account, Lot, Posting, PostingKind
from rewards.queries import balance_of

OUR_APPS = ("core", "customers", "rewards", "feedback", "shop")
TEXTS = (models.CharField, models.TextField, models.JSONField, models.BinaryField, ArrayField)


def ours() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in OUR_APPS]


def named(model: type[models.Model]) -> str:
    return f"{model._meta.app_label}.{model.__name__}"


def test_every_table_is_classified() -> None:
    classified = [held.model for held in HELD] + [*BESIDE, *ABOUT_NOBODY]
    assert sorted(classified) == sorted(named(model) for model in ours())


def test_every_reference_to_a_customer_is_classified() -> None:
    ways = {(held.model, way) for held in HELD for way in held.of} | {("customers.Customer", "merged_into")}
    for model in ours():
        for field in model._meta.fields:
            if field.is_relation and field.related_model is Customer:
                assert (named(model), field.name) in ways, f"Say in personal_data what becomes of {model}.{field.name}."


def test_every_text_of_a_table_about_people_goes_or_stays_for_a_reason() -> None:
    texts = {
        f"{held.model}.{field.name}"
        for held in HELD
        if held.fate != Fate.REMOVED
        for field in held.table._meta.fields
        if isinstance(field, TEXTS) and not field.choices and not field.generated
    }
    gone = {f"{held.model}.{name}" for held in HELD for name in (*held.blanked, *held.by_hand)}
    assert texts == gone | STAYING.keys()
    assert not gone & STAYING.keys()


def test_customers_are_told_of_every_table() -> None:
    told = [name for names in TOLD.values() for name in names.split()]
    assert sorted(told) == sorted(held.table.__name__ for held in HELD)


@pytest.mark.django_db
def test_nothing_of_the_person_is_left_and_amounts_and_dates_stay(
    anna: Customer, barona_iela: Store, dace: User, liga: User
) -> None:
    words = "Zilonis"
    Customer.objects.filter(pk=anna.pk).update(first_name=words, age_band="35-44")
    anna.refresh_from_db()
    agree(anna, Purpose.RECEIPTS, given=True)
    sale = record_visit(customer=anna, store=barona_iela, net_cents=900, note=words, by=dace).visit
    mail = mail_receipt(visit=sale, by=None)
    write_note(customer=anna, text=words, by=dace)
    ticket = open_ticket(
        customer=anna, store=barona_iela, kind="complaint", subject=words, words=words, source="till", by=dace
    )
    answer = {"status": 200, "body": {"number": anna.external_id, "name": anna.short_name, "points": 7}}
    once(scope="api:1", key="k", content={}, produce=lambda: answer)
    twin = create_customer(first_name=words, email="twin@example.com", language="lv", by=None)
    merge_customers(survivor=anna, merged=twin, reason=words, by=liga)
    known = [anna.external_id, twin.external_id, anna.email, anna.phone, anna.last_name, words, "twin@example.com"]
    known += Identifier.objects.filter(customer=anna, kind="card").values_list("value", flat=True)
    books = (Visit.objects.filter(customer=anna).count(), balance_of(anna).available)
    before = set(AuditEvent.objects.values_list("pk", "action", "by", "at"))

    erasure = erase_customer(customer=anna, reason="in_person", by=dace)
    again = erase_customer(customer=anna, reason="in_writing", by=dace)

    assert (again.pk, again.reason) == (erasure.pk, "in_person")
    assert (Visit.objects.filter(customer=anna).count(), erasure.points) == books
    assert balance_of(anna).available == 0
    assert before < set(AuditEvent.objects.values_list("pk", "action", "by", "at"))
    told = AuditEvent.objects.get(action="erase customer").data
    ended = {"tickets": 1, "offers": 0, "vouchers": 0, "promises": 0, "adjustments": 0, "memberships": 0}
    assert told == {"why": "in_person", "points": erasure.points, **ended}
    assert CustomerMail.objects.get(pk=mail.pk).status == MailStatus.CANCELLED
    assert not may_mail([anna.pk], Purpose.OFFERS, "email")
    assert not Ticket.objects.standing().filter(customer=anna).exists()
    assert set(TicketMessage.objects.filter(ticket=ticket).values_list("body", flat=True)) == {"–"}
    kept = IdempotencyRecord.objects.get(scope="api:1")
    assert kept.response == {"status": 200, "body": {"number": "", "name": "", "points": 7}}
    assert WebhookEvent.objects.filter(customer=anna.pk).count() == 0
    assert list(audit()) == []
    for table in (model._meta.db_table for model in ours()):
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
            rows = [row[0] for row in cursor.fetchall()]
        for text in filter(None, known):
            assert not [row for row in rows if json.dumps(text)[1:-1] in row or text in row], (table, text)


@pytest.mark.django_db
def test_nothing_said_of_the_person_stays_with_others(anna: Customer, olga: Customer, dace: User, liga: User) -> None:
    link_household(customer=anna, other=olga, reason="Anna is her sister", by=dace)
    twin = create_customer(first_name="Twin", language="lv", by=None)
    undo_merge(merge=merge_customers(survivor=twin, merged=anna, reason="Anna as well", by=liga), by=liga)

    erase_customer(customer=anna, reason="in_person", by=dace)

    assert HouseholdMember.objects.get().reason == "–"
    assert not [data for data in AuditEvent.objects.values_list("data", flat=True) if "Anna" in str(data)]


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["uploaded", "ready", "stopped", "failed"])
def test_the_files_that_were_sent_to_be_imported_go(anna: Customer, dace: User, state: str) -> None:
    job = send_import(kind="customers", name="c.csv", blocks=[anna.email.encode()], by=dace)
    ImportJob.objects.filter(pk=job.pk).update(state=state)

    erase_customer(customer=anna, reason="in_person", by=dace)

    assert not ImportPart.objects.exists()
    job.refresh_from_db()
    assert job.emptied_at is not None


@pytest.mark.django_db
def test_a_file_on_its_way_goes_when_it_stands_still(anna: Customer, dace: User) -> None:
    held = ready_import(dace)
    start_import(job=held, by=dace)
    token = uuid.uuid4()
    assert claim_import(token=token) == held
    waiting = to_check(sent(dace, customers(1)), by=dace)

    erase_customer(customer=anna, reason="in_person", by=dace)
    assert empty_old_imports() == 0
    assert set(ImportPart.objects.values_list("job", flat=True)) == {waiting.pk, held.pk}

    record_stopped(job=held, token=token, brought=Counter())
    stop_import(job=waiting, by=dace)
    assert empty_old_imports() == 2
    assert not ImportPart.objects.exists()
    assert ImportJob.objects.filter(emptied_at__isnull=False, forget_asked_at=None).count() == 2


@pytest.mark.django_db
def test_no_count_of_groups_and_no_export_knows_an_erased_person(anna: Customer, janis: Customer, dace: User) -> None:
    classify(as_of=Company.current().today() - timedelta(days=1))

    def counted() -> list[int]:
        groups, plane, _as_of = groups_and_plane(Company.current().today())
        exported = len(list(customer_lines())) - 1
        run = classify(only_due=True)
        then = sum(one.before or 0 for one in groups)
        return [
            sum(one.count for one in groups),
            then,
            sum(plane.counts.values()),
            exported,
            sum(run.group_counts.values()),
        ]

    before = counted()
    erase_customer(customer=anna, reason="in_person", by=dace)

    assert counted() == [count - 1 for count in before]
    assert classify().customers == 1
    assert not Classification.objects.filter(customer=anna).exists()


@pytest.mark.django_db
def test_answers_of_before_name_nobody_whatever_the_person_was_called_then(dace: User) -> None:
    erased = create_customer(first_name="Jana", external_id="ŽJ-1", email="new@example.com", language="lv", by=None)
    theirs = {"number": "ŽJ-1", "name": "Jānis B.", "email_masked": "o***@example.com", "phone_masked": "", "points": 7}
    others = {"number": "ŽJ-2", "name": "Jana"}
    once(scope="api:1", key="k", content={}, produce=lambda: {"items": [theirs, others]})

    erase_customer(customer=erased, reason="in_person", by=dace)

    blank = {"number": "", "name": "", "email_masked": "", "phone_masked": "", "points": 7}
    assert IdempotencyRecord.objects.get(scope="api:1").response == {"items": [blank, others]}


@pytest.mark.django_db
def test_the_balance_leaves_by_a_posting_of_its_own_and_a_late_refund_too(
    janis: Customer, barona_iela: Store, dace: User
) -> None:
    sale = record_visit(customer=janis, store=barona_iela, net_cents=5_000, receipt_id="LATE", by=None).visit
    post_goodwill(customer=janis, points=30, reference="goodwill:test", by=dace)
    before = balance_of(janis).available

    erase_customer(customer=janis, reason="in_writing", by=dace)

    closing = Posting.objects.get(kind=PostingKind.CLOSE)
    assert (closing.points, closing.destination.kind) == (before, "closed")
    lines = {line.kind: (line.given, line.taken) for line in movement_of(closing.business_date).lines}
    assert lines["close", "closed"] == (0, before)
    refund_visit(visit=sale, net_cents=5_000, receipt_id="B 1", by=None)
    assert Account.objects.get(customer=janis).arrears > 0
    assert (close_accounts_again(), close_accounts_again()) == (1, 0)
    account = Account.objects.get(customer=janis)
    assert (account.book_balance, account.arrears) == (0, 0)
    assert not Lot.objects.filter(account=account, remaining__gt=0).exists()
    assert list(audit()) == []


@pytest.mark.django_db
def test_nothing_is_written_for_an_erased_person(anna: Customer, barona_iela: Store, dace: User) -> None:
    ticket = open_ticket(
        customer=anna, store=barona_iela, kind="question", subject="Soup", words="When?", source="till", by=dace
    )
    erase_customer(customer=anna, reason="no_basis", by=dace)
    visits = Visit.objects.count()

    for refused in (
        lambda: visit(anna, barona_iela, 500),
        lambda: write_note(customer=anna, text="Back?", by=dace),
        lambda: update_customer(customer=anna, first_name="Anna", by=dace),
        lambda: post_goodwill(customer=anna, points=5, reference="goodwill:x", by=dace),
        lambda: open_ticket(
            customer=anna, store=barona_iela, kind="praise", subject="a", words="b", source="till", by=dace
        ),
        lambda: add_note(ticket=ticket, words="Anna called", by=dace),
        lambda: merge_customers(survivor=_other(), merged=anna, reason="One", by=dace),
    ):
        with pytest.raises(Refused):
            refused()
    assert Visit.objects.count() == visits
    assert list(audit()) == []


def _note_on(ticket: Ticket, by: User) -> Any:
    from feedback.actions.conversation import add_note

    return add_note(ticket=ticket, words="Anna called", by=by)


def _other() -> Customer:
    return create_customer(first_name="Other", language="en", by=None)


@pytest.mark.django_db
def test_who_was_erased_comes_back_only_when_somebody_says_so(anna: Customer, dace: User) -> None:
    SuppressedAddress.objects.create(email_key=anna.email_key, reason="complaint")
    email, number = anna.email, anna.external_id
    erase_customer(customer=anna, reason="in_person", by=dace)
    assert not SuppressedAddress.objects.exists()

    with pytest.raises(ErasedBefore) as refused:
        create_customer(first_name="Anna", email=email.upper(), language="lv", by=dace)
    assert refused.value.field == "email"
    with pytest.raises(ErasedBefore):
        create_customer(first_name="Anna", external_id=number, language="lv", comes_back=True, by=dace)
    back = create_customer(first_name="Anna", email=email, language="lv", comes_back=True, by=dace)

    assert back.pk != anna.pk
    assert not back.visits.exists()
    assert SuppressedAddress.objects.get().reason == "complaint"
    assert not was_erased(MarkKind.EMAIL, back.email_key)
    assert was_erased(MarkKind.NUMBER, number)


@pytest.mark.django_db
def test_an_address_that_two_erased_people_had_stays_suppressed(ilze: Customer, peteris: Customer, dace: User) -> None:
    address = ilze.email_key
    erase_customer(customer=ilze, reason="in_person", by=dace)
    suppress_address(email=address, reason="bounce")
    assert SuppressedAddress.objects.get().email_key == address
    erase_customer(customer=peteris, reason="in_person", by=dace)

    assert not SuppressedAddress.objects.exists()
    assert ErasedMark.objects.get(digest=digest(MarkKind.EMAIL, address)).suppressed_for == "bounce"


@pytest.mark.django_db
def test_what_is_told_late_of_an_erased_address_is_kept_by_its_mark(anna: Customer, dace: User) -> None:
    address = anna.email_key
    erase_customer(customer=anna, reason="in_person", by=dace)

    event = MailEvent(reference="late", told=Told.COMPLAINED, recipient=address)
    assert record_mail_event(event=event)

    assert not SuppressedAddress.objects.exists()
    create_customer(first_name="Anna", email=address, language="lv", comes_back=True, by=dace)
    assert SuppressedAddress.objects.get().reason == "complaint"


@pytest.mark.django_db
def test_the_database_hashes_as_we_do_under_each_key(settings: Any) -> None:
    ErasedMark.objects.create(kind=MarkKind.EMAIL, digest=digest(MarkKind.EMAIL, "žanna@example.com"))
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "x" * 50
    condition, values = erased_sql(MarkKind.EMAIL, "s.word")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT word FROM (VALUES ('žanna@example.com'), ('anna@example.com'), ('')) s(word) WHERE {condition}",
            values,
        )
        assert cursor.fetchall() == [("žanna@example.com",)]
    assert was_erased(MarkKind.EMAIL, "žanna@example.com")


@pytest.mark.django_db
def test_nobody_erases_their_own_profile(anna: Customer, dace: User) -> None:
    User.objects.filter(pk=dace.pk).update(customer_id=anna.pk)
    dace.refresh_from_db()
    with pytest.raises(Refused):
        erase_customer(customer=anna, reason="in_person", by=dace)
    assert not Erasure.objects.exists()

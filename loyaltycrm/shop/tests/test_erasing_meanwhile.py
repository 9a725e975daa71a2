"""An erasure and what happens at the same moment: a mail that is handed over, an import that runs; and who does it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from customers.actions import mailing
from customers.actions.customers import update_customer
from customers.actions.importing import people, receipts
from customers.actions.own_pages import ask_for_fresh_link, make_page_link
from customers.models import Customer, CustomerMail, Erasure, ErasureReason, MailStatus, Visit
from feedback.actions.conversation import add_note, answer, say_sorry
from feedback.actions.tickets import open_ticket
from feedback.models import Ticket
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.tests.importing import CUSTOMER, RECEIPT, imported, receipt, write_table
from loyaltycrm.lib.mail import open_outbox
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.shop.actions import erasing
from loyaltycrm.shop.actions.erasing import erase_customer
from loyaltycrm.shop.actions.merging import merge_customers
from loyaltycrm.shop.queries.erasing import everything_about
from loyaltycrm.shop.tests.conftest import code_for
from rewards.actions.earning import record_visit
from rewards.actions.planning import _PLANNING_LOCK, plan_run
from rewards.actions.runs import start_run
from rewards.tests.audiences import active_offer, open_shop

pytestmark = pytest.mark.django_db


def asked(customer: Customer, store: Store, by: User) -> CustomerMail:
    ticket = open_ticket(
        customer=customer, store=store, kind="question", subject="Soup", words="When?", source="till", by=by
    )
    answer(ticket=ticket, words="On Fridays", by=by, by_email=True)
    return CustomerMail.objects.get()


def complaint_of(customer: Customer, store: Store, by: User) -> Ticket:
    return open_ticket(
        customer=customer, store=store, kind="complaint", subject="Bread", words="Hard", source="till", by=by
    )


def test_a_mail_that_is_being_handed_over_puts_the_erasure_off(
    olga: Customer, barona_iela: Store, dace: User, mailbox: MailServer
) -> None:
    mail = asked(olga, barona_iela, dace)
    leaving = {"claim_token": uuid.uuid4(), "lease_until": timezone.now()}
    CustomerMail.objects.filter(pk=mail.pk).update(status=MailStatus.HANDING_OVER, **leaving)

    with pytest.raises(Refused):
        erase_customer(customer=olga, reason=ErasureReason.IN_PERSON, by=dace)

    olga.refresh_from_db()
    assert olga.erased_at is None
    assert olga.email


def test_a_mail_that_was_claimed_is_not_handed_over_after_the_erasure(
    olga: Customer, barona_iela: Store, dace: User, mailbox: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(olga, barona_iela, dace)
    offer = type(open_outbox()).offer

    def erased_meanwhile(outbox: Any, letter: Any) -> Any:
        erase_customer(customer=olga, reason=ErasureReason.IN_PERSON, by=dace)
        return offer(outbox, letter)

    monkeypatch.setattr(type(open_outbox()), "offer", erased_meanwhile)
    assert mailing.send_due_mails().sent == 0

    mail = CustomerMail.objects.get()
    assert (mail.status, mail.address, mail.reply) == (MailStatus.CANCELLED, "", "")
    assert mailbox.received == []


def test_nothing_is_planned_while_a_person_is_erased_nor_erased_while_it_is(anna: Customer, dace: User) -> None:
    """Planning has read names and addresses, and would write them down after the erasure."""
    open_shop()
    run = start_run(offer=active_offer(), by=None)
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
    ) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [_PLANNING_LOCK])
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
        with pytest.raises(OperationalError):
            erase_customer(customer=anna, reason=ErasureReason.IN_PERSON, by=dace)
        assert plan_run(run_id=run.pk) is False
        other.rollback()
        erase_customer(customer=anna, reason=ErasureReason.IN_PERSON, by=dace)
        assert other.execute("SELECT pg_try_advisory_xact_lock(%s)", [_PLANNING_LOCK]).fetchone() == (False,)


@pytest.mark.parametrize("is_survivor", [True, False])
def test_a_merge_that_comes_in_between_puts_the_erasure_off(
    anna: Customer, olga: Customer, dace: User, liga: User, monkeypatch: pytest.MonkeyPatch, is_survivor: bool
) -> None:
    survivor, merged = (anna, olga) if is_survivor else (olga, anna)

    def merged_meanwhile(customer_ids: list[int]) -> None:
        monkeypatch.undo()
        merge_customers(survivor=survivor, merged=merged, reason="One person", by=liga)

    monkeypatch.setattr(erasing, "lock_people", merged_meanwhile)
    with pytest.raises(Refused, match="merged with another"):
        erase_customer(customer=anna, reason=ErasureReason.IN_PERSON, by=dace)

    assert not Customer.objects.filter(erased_at__isnull=False).exists()


def test_an_import_that_knew_the_person_does_not_bring_them_back(
    anna: Customer, dace: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = (*CUSTOMER, "first_name", "email")
    file = write_table(tmp_path / "c.csv", columns, [(anna.external_id, "2026-01-01", "Anna Maria", "a@example.com")])
    compared = people._mark_unchanged

    def erased_meanwhile(zone: str) -> None:
        compared(zone)
        erase_customer(customer=anna, reason=ErasureReason.IN_PERSON, by=dace)

    monkeypatch.setattr(people, "_mark_unchanged", erased_meanwhile)
    told = imported("import_customers", file)

    assert told.counts("customers").get("refused") == 1
    anna.refresh_from_db()
    assert (anna.first_name, anna.email) == ("", "")
    assert not Customer.objects.filter(first_name="Anna Maria").exists()


def test_receipts_of_a_person_who_is_erased_while_they_are_imported_are_refused(
    janis: Customer, dace: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_table(tmp_path / "p.csv", RECEIPT, [receipt("R1", janis.external_id, "2026-05-05", "10.00")])
    before = Visit.objects.count()
    numbered = receipts.ReceiptImport.create_stores

    def erased_meanwhile(self: Any, company: Any, *, by: User | None) -> None:
        numbered(self, company, by=by)
        if Customer.objects.filter(pk=janis.pk, erased_at__isnull=True).exists():
            erase_customer(customer=janis, reason=ErasureReason.IN_PERSON, by=dace)

    monkeypatch.setattr(receipts.ReceiptImport, "create_stores", erased_meanwhile)
    told = imported("import_visits", file)

    assert told.counts("purchases").get("refused") == 1
    assert Visit.objects.count() == before
    assert imported("import_visits", file).counts("purchases").get("refused") == 1


def test_staff_see_what_goes_and_erase(
    anna: Customer, barona_iela: Store, dace: User, signed_in: Callable[[User], Client]
) -> None:
    code_for(anna, barona_iela)
    client = signed_in(dace)
    held = client.get(f"/customers/{anna.pk}/held/export/")
    assert anna.email in held.content.decode()
    assert "RYE2LAVE" in held.content.decode()
    assert client.get(f"/customers/{anna.pk}/erase/").status_code == 200
    assert client.post(f"/customers/{anna.pk}/erase/", {"reason": "in_person"}).status_code == 200
    anna.refresh_from_db()
    assert anna.erased_at is None

    answered = client.post(f"/customers/{anna.pk}/erase/", {"reason": "in_person", "is_sure": "on"})

    assert answered.status_code == 302
    page = client.get(f"/customers/{anna.pk}/").content.decode()
    assert anna.first_name not in page
    assert "Erased customer" in page
    assert client.get("/customers/?q=Anna").status_code == 200


def test_staff_hand_out_what_is_of_their_stores_and_nothing_the_team_keeps_for_itself(
    anna: Customer, barona_iela: Store, centrs: Store, dace: User, admin: User
) -> None:
    for store, words in ((barona_iela, "Crumbs"), (centrs, "Draught")):
        record_visit(customer=anna, store=store, net_cents=900, note=words, by=None)
        ticket = open_ticket(
            customer=anna, store=store, kind="complaint", subject="Bread", words=words, source="till", by=admin
        )
        add_note(ticket=ticket, words="Complains often", by=admin)
    told = [json.dumps(dict(everything_about(anna, user=user)), default=str) for user in (dace, admin, None)]

    assert [text.count("Crumbs") for text in told] == [2, 2, 2]
    assert [text.count("Draught") for text in told] == [0, 2, 2]
    assert not [text for text in told if "Complains often" in text]


def test_an_answer_leaves_by_email_once_and_says_so(
    olga: Customer, barona_iela: Store, dace: User, mailbox: MailServer, signed_in: Callable[[User], Client]
) -> None:
    ticket = open_ticket(
        customer=olga, store=barona_iela, kind="question", subject="Soup", words="When?", source="till", by=dace
    )
    client = signed_in(dace)
    sent = {"then": "keep", "words": "On Fridays", "language": "ru", "by_email": "on"}
    key = {"idempotency_key": str(uuid.uuid4())}
    for _twice in range(2):
        assert client.post(f"/tickets/{ticket.pk}/answer/", sent | key).status_code == 302
    assert mailing.send_due_mails().sent == 1
    assert mailing.send_due_mails().sent == 0

    (received,) = mailbox.received
    assert received.recipients == ("olga@example.com",)
    assert received.message["List-Unsubscribe"] is None
    assert received.message["Content-Language"] == "ru"
    assert "On Fridays" in received.message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    say_sorry(ticket=complaint_of(olga, barona_iela, dace), store=barona_iela, by=dace)
    assert "sorry was said at the till" in client.get(f"/customers/{olga.pk}/?show=tickets").content.decode()
    assert "Sent" in client.get(f"/tickets/{ticket.pk}/").content.decode()
    assert "by email: Sent" in client.get(f"/customers/{olga.pk}/?show=tickets").content.decode()


@pytest.mark.parametrize("then", ["solve", "keep"])
def test_an_answer_to_leave_by_email_is_not_taken_where_the_address_went_meanwhile(
    olga: Customer, barona_iela: Store, dace: User, signed_in: Callable[[User], Client], then: str
) -> None:
    ticket = open_ticket(
        customer=olga, store=barona_iela, kind="question", subject="Soup", words="When?", source="till", by=dace
    )
    client, before = signed_in(dace), ticket.messages.count()
    assert 'name="by_email"' in client.get(f"/tickets/{ticket.pk}/").content.decode()
    update_customer(customer=olga, email="", by=dace)
    sent = {"then": then, "kind": "words", "words": "On Fridays", "language": "ru", "by_email": "on"}
    answered = client.post(f"/tickets/{ticket.pk}/answer/", sent | {"idempotency_key": str(uuid.uuid4())})
    assert "No email can reach this customer" in answered.content.decode()
    ticket.refresh_from_db()
    assert (ticket.status, ticket.messages.count()) == ("open", before)
    del sent["by_email"]
    client.post(f"/tickets/{ticket.pk}/answer/", sent | {"idempotency_key": str(uuid.uuid4())})
    assert ticket.messages.count() == before + 1


def test_an_answer_that_is_said_is_not_sent(olga: Customer, barona_iela: Store, dace: User) -> None:
    ticket = open_ticket(
        customer=olga, store=barona_iela, kind="question", subject="Soup", words="When?", source="till", by=dace
    )
    answer(ticket=ticket, words="On Fridays", by=dace)
    assert not CustomerMail.objects.exists()


@pytest.mark.parametrize(("status", "minute"), [(MailStatus.PENDING, 59), (MailStatus.UNKNOWN, 10)])
def test_a_fresh_link_asked_again_within_the_hour_leaves_unless_one_is_on_its_way(
    olga: Customer, dace: User, mailbox: MailServer, signed_in: Callable[[User], Client], status: str, minute: int
) -> None:
    with time_machine.travel(timezone.now().replace(minute=minute), tick=False) as clock:
        first = ask_for_fresh_link(customer=olga)
        CustomerMail.objects.filter(pk=first.pk).update(status=status)
        clock.shift(120)
        again = ask_for_fresh_link(customer=olga)

    assert (again == first) is (status == MailStatus.PENDING)
    assert again.status == MailStatus.PENDING
    shown = signed_in(dace).get(f"/customers/{olga.pk}/?show=consents").content.decode()
    assert "Link to all that is held: Waiting" in shown
    assert "Receipt by email" not in shown


def test_a_customer_erases_themselves_by_a_link_mailed_for_it(
    olga: Customer, dace: User, mailbox: MailServer, client: Client
) -> None:
    old = make_page_link(customer=olga, by=dace)
    assert client.get(f"/me/{old}/all/").status_code == 404
    assert client.get(f"/me/{old}/all/file/").status_code == 404
    for _twice in range(2):
        assert client.post(f"/me/{old}/data/").status_code == 200
    assert mailing.send_due_mails().sent == 1

    text = mailbox.received[0].message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    fresh = re.search(r"/me/[^/]+/all/", text.replace("=\n", ""))
    assert fresh
    assert olga.email in client.get(f"{fresh[0]}file/").content.decode()
    assert client.post(fresh[0]).status_code == 400
    olga.refresh_from_db()
    assert olga.erased_at is None

    assert client.post(fresh[0], {"is_sure": "on"}).status_code == 200

    assert Erasure.objects.get(pk=olga.pk).reason == ErasureReason.OWN_PAGE
    assert client.get(f"/me/{old}/").status_code == client.get(fresh[0]).status_code == 404

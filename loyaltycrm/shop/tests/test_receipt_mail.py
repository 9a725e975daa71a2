"""The receipt by email: it leaves when the time to undo is over, once, in the customer's language, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from customers.actions import mailing
from customers.actions.consent import record_consent, suppress_address
from customers.actions.customers import update_customer
from customers.actions.mailing import LATEST, Sent, send_due_mails, stop_all_mails, stop_mail, sweep
from customers.models import (
    Channel,
    ConsentEvent,
    Customer,
    CustomerMail,
    MailReason,
    MailStatus,
    Purpose,
    SuppressedAddress,
    Visit,
)
from customers.queries import newest_consent
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.shop.actions.merging import merge_customers
from loyaltycrm.shop.actions.receipt_mails import mail_receipt
from loyaltycrm.shop.tasks import send_mails
from loyaltycrm.shop.tests.receipt_mails import asked, bought, minutes_pass, only
from loyaltycrm.testing import agree
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.receipts import move_visit
from rewards.models import KnownDatabase

pytestmark = pytest.mark.django_db


def test_it_leaves_when_the_time_to_undo_is_over_and_once(
    olga: Customer, barona_iela: Store, mailbox: MailServer
) -> None:
    agree(olga, Purpose.RECEIPTS, given=True)
    visit = bought(olga, barona_iela)
    refund_visit(visit=visit, store=barona_iela, net_cents=490, receipt_id="B 1", by=None)
    mail_receipt(visit=visit, by=None)
    assert mail_receipt(visit=visit, by=None) == only()

    minutes_pass(14)
    assert send_due_mails() == Sent()
    minutes_pass(2)
    assert send_due_mails().sent == 1
    assert send_due_mails() == Sent()

    (received,) = mailbox.received
    assert received.recipients == ("olga@example.com",)
    message = received.message
    assert message["Message-ID"] == only().message_id
    assert message["Content-Language"] == "ru"
    assert message.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    for part in (text.get_content().replace("\xa0", " "), html.get_content().replace("\xa0", " ")):
        assert "Ольга" in part
        assert "24,90 €" in part
        assert "4,90 €" in part
        assert "R 77" in part
        assert "+24 балла" in part
    assert 'lang="ru"' in html.get_content()
    assert len(received.raw) < 60_000
    assert only().status == MailStatus.SENT


def test_its_link_stops_receipts_and_nothing_else(
    olga: Customer, barona_iela: Store, mailbox: MailServer, client: Client
) -> None:
    agree(olga, Purpose.RECEIPTS, given=True)
    asked(olga, barona_iela)
    minutes_pass(16)
    send_due_mails()
    (link,) = mailbox.received[0].message.get_all("List-Unsubscribe") or []
    path = link.strip("<>").split("/", 3)[3]
    assert client.post(f"/{path}", {"List-Unsubscribe": "One-Click"}).status_code == 200
    said = {purpose: event.given for (purpose, _channel), event in newest_consent(olga).items()}
    assert said == {"offers": True, "surveys": True, "receipts": False}


Change = Callable[[CustomerMail, Customer, User], object]


def says_no(mail: CustomerMail, other: Customer, by: User) -> None:
    ConsentEvent.objects.create(
        customer=mail.customer,
        purpose=Purpose.RECEIPTS,
        channel=Channel.EMAIL,
        given=False,
        source=ConsentEvent.Source.PREFERENCES,
        occurred_at=timezone.now(),
    )


def visit_of(mail: CustomerMail) -> Visit:
    return Visit.objects.get(receipt_mail=mail)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda mail, _other, by: undo_visit(visit=visit_of(mail), by=by), MailReason.UNDONE),
        (lambda mail, other, by: move_visit(visit=visit_of(mail), customer=other, by=by), MailReason.UNDONE),
        (says_no, MailReason.STOPPED),
        (
            lambda mail, _other, by: update_customer(customer=mail.customer, by=by, email="o@example.com"),
            MailReason.ADDRESS_CHANGED,
        ),
        (
            lambda mail, other, by: merge_customers(survivor=other, merged=mail.customer, reason="One person", by=by),
            MailReason.ADDRESS_CHANGED,
        ),
        (
            lambda mail, _other, _by: suppress_address(email=mail.address, reason=SuppressedAddress.Reason.COMPLAINT),
            MailReason.SUPPRESSED_ADDRESS,
        ),
    ],
)
def test_what_happens_meanwhile_stops_it(
    change: Change,
    reason: MailReason,
    olga: Customer,
    janis: Customer,
    barona_iela: Store,
    dace: User,
    mailbox: MailServer,
) -> None:
    mail = asked(olga, barona_iela)
    change(mail, janis, dace)
    minutes_pass(16)
    assert send_due_mails().left_out == 1
    assert (only().status, only().reason) == (MailStatus.LEFT_OUT, reason)
    assert mailbox.received == []


def test_a_longer_time_to_undo_holds_also_for_what_was_asked_for_before(
    olga: Customer, barona_iela: Store, admin: User, mailbox: MailServer
) -> None:
    asked(olga, barona_iela)
    set_knob(key="undo_minutes", new=60, by=admin)
    minutes_pass(16)
    assert send_due_mails() == Sent()
    assert only().status == MailStatus.PENDING
    minutes_pass(45)
    assert send_due_mails().sent == 1


def test_stopped_it_does_not_leave_and_can_be_asked_for_again(
    olga: Customer, barona_iela: Store, liga: User, mailbox: MailServer
) -> None:
    mail = asked(olga, barona_iela)
    stop_mail(mail=mail, by=liga)
    assert stop_mail(mail=mail, by=liga).status == MailStatus.CANCELLED
    minutes_pass(16)
    assert send_due_mails() == Sent()
    assert mail_receipt(visit=visit_of(mail), by=liga).status == MailStatus.PENDING
    assert send_due_mails().sent == 1
    with pytest.raises(Refused, match="too late to stop"):
        stop_mail(mail=mail, by=liga)
    assert stop_all_mails(by=None) == 0


def test_stopped_for_a_wrong_address_it_goes_to_the_right_one(
    olga: Customer, barona_iela: Store, liga: User, mailbox: MailServer
) -> None:
    mail = asked(olga, barona_iela)
    minutes_pass(16)
    mailbox.refuse("RCPT", "451 no")
    assert send_due_mails().put_off == 1
    stop_mail(mail=mail, by=liga)
    update_customer(customer=olga, by=liga, email="olga.p@example.com")
    again = mail_receipt(visit=visit_of(mail), by=liga)
    assert (again.address, again.address_key, again.attempts) == ("olga.p@example.com", "olga.p@example.com", 0)
    assert only().message_id == mail.message_id
    mailbox.behave()
    assert send_due_mails().sent == 1
    assert [received.recipients for received in mailbox.received] == [("olga.p@example.com",)]


def test_stopped_and_asked_for_again_after_a_merge_it_goes_to_who_is_left(
    olga: Customer, janis: Customer, barona_iela: Store, dace: User, mailbox: MailServer
) -> None:
    mail = asked(olga, barona_iela)
    stop_mail(mail=mail, by=dace)
    update_customer(customer=janis, by=dace, email="janis@example.com")
    merge_customers(survivor=janis, merged=olga, reason="One person", by=dace)
    mail_receipt(visit=visit_of(mail), by=dace)
    minutes_pass(16)
    assert send_due_mails().sent == 1
    assert [received.recipients for received in mailbox.received] == [("janis@example.com",)]


def test_what_was_left_out_is_asked_for_again_and_goes_to_the_address_of_now(
    olga: Customer, barona_iela: Store, liga: User, mailbox: MailServer
) -> None:
    mail = asked(olga, barona_iela)
    update_customer(customer=olga, by=liga, email="olga.p@example.com")
    minutes_pass(16)
    assert send_due_mails().left_out == 1
    again = mail_receipt(visit=visit_of(mail), by=liga)
    assert (again.pk, again.status, again.reason) == (mail.pk, MailStatus.PENDING, MailReason.NONE)
    assert send_due_mails().sent == 1
    assert mail_receipt(visit=visit_of(mail), by=liga).status == MailStatus.SENT
    assert send_due_mails() == Sent()
    assert [received.recipients for received in mailbox.received] == [("olga.p@example.com",)]


def test_what_was_refused_is_asked_for_again_and_what_may_have_arrived_is_not(
    olga: Customer, barona_iela: Store, liga: User, mailbox: MailServer
) -> None:
    mail = asked(olga, barona_iela)
    minutes_pass(16)
    mailbox.refuse("DATA", "554 no")
    assert send_due_mails().failed == 1
    assert mail_receipt(visit=visit_of(mail), by=liga).status == MailStatus.PENDING
    mailbox.behave()
    mailbox.cut("after data")
    assert send_due_mails().unknown == 1
    assert mail_receipt(visit=visit_of(mail), by=liga).status == MailStatus.UNKNOWN


def test_a_no_on_paper_entered_later_stops_it_and_one_known_before_does_not(
    olga: Customer, barona_iela: Store, mailbox: MailServer
) -> None:
    """Whoever asks at the till after having said no has asked for this one receipt."""
    said = {"purpose": Purpose.RECEIPTS, "channel": Channel.EMAIL, "given": False, "source": "profile", "by": None}
    yesterday = timezone.now() - timedelta(days=1)
    with time_machine.travel(yesterday):
        record_consent(customer=olga, **said)  # type: ignore[arg-type]
    mail = asked(olga, barona_iela)
    minutes_pass(16)
    assert send_due_mails().sent == 1
    CustomerMail.objects.filter(pk=mail.pk).update(status=MailStatus.PENDING, sent_at=None)
    record_consent(customer=olga, occurred_at=yesterday + timedelta(hours=1), **said)  # type: ignore[arg-type]
    assert send_due_mails().left_out == 1
    assert only().reason == MailReason.STOPPED


def test_none_without_a_customer_an_address_or_a_standing_visit(
    nameless: Customer, olga: Customer, barona_iela: Store, agenskalns: Store, liga: User
) -> None:
    with pytest.raises(Refused, match="has no customer"):
        mail_receipt(visit=bought(None, barona_iela), by=liga)
    with pytest.raises(Refused, match="No email can reach"):
        mail_receipt(visit=bought(nameless, agenskalns), by=liga)
    undone = record_visit(customer=olga, store=agenskalns, net_cents=1, receipt_id="R 2", by=None).visit
    undo_visit(visit=undone, by=liga)
    with pytest.raises(Refused, match="was undone"):
        mail_receipt(visit=Visit.objects.get(pk=undone.pk), by=liga)
    assert not CustomerMail.objects.exists()


@pytest.mark.parametrize(
    ("step", "code", "status"),
    [
        ("RCPT", 451, MailStatus.PENDING),
        ("DATA", 451, MailStatus.PENDING),
        ("MAIL", 550, MailStatus.PENDING),
        ("RCPT", 550, MailStatus.FAILED),
        ("DATA", 554, MailStatus.FAILED),
    ],
)
def test_what_the_server_says_decides(
    step: str, code: int, status: MailStatus, olga: Customer, barona_iela: Store, mailbox: MailServer
) -> None:
    asked(olga, barona_iela)
    minutes_pass(16)
    mailbox.refuse(step, f"{code} 5.1.1 no" if (step, code) == ("RCPT", 550) else f"{code} no")
    send_due_mails()
    assert only().status == status
    assert SuppressedAddress.objects.exists() == ((step, code) == ("RCPT", 550))
    assert only().next_at > timezone.now() or status == MailStatus.FAILED
    assert mailbox.received == []


def test_without_a_reply_nobody_knows_and_it_is_never_sent_again(
    olga: Customer, barona_iela: Store, mailbox: MailServer
) -> None:
    asked(olga, barona_iela)
    minutes_pass(16)
    mailbox.cut("after data")
    assert send_due_mails().unknown == 1
    minutes_pass(60)
    assert send_due_mails() == Sent()
    assert only().status == MailStatus.UNKNOWN


def test_claims_of_the_dead_come_back_and_hand_overs_stay_unknown(olga: Customer, barona_iela: Store) -> None:
    mail = asked(olga, barona_iela)
    held = {"claim_token": "5d1f5a4e-2f5a-4a8e-9b51-0d6f6f3a3b3c", "lease_until": Now() - timedelta(seconds=1)}
    CustomerMail.objects.update(status=MailStatus.CLAIMED, **held)
    sweep()
    assert only().status == MailStatus.PENDING
    CustomerMail.objects.update(status=MailStatus.HANDING_OVER, **held)
    sweep()
    assert only().status == MailStatus.UNKNOWN
    CustomerMail.objects.filter(pk=mail.pk).update(status=MailStatus.PENDING, asked_at=timezone.now() - LATEST)
    sweep()
    assert (only().status, only().reason) == (MailStatus.FAILED, MailReason.TOO_LATE)


def test_a_lease_that_ends_too_soon_is_not_handed_over(
    olga: Customer, barona_iela: Store, mailbox: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(olga, barona_iela)
    minutes_pass(16)
    monkeypatch.setattr(mailing, "LEASE_SECONDS", 30)
    send_due_mails()
    assert mailbox.received == []
    assert only().status == MailStatus.PENDING


def test_a_restored_backup_sends_no_receipt_that_waited_in_it(
    olga: Customer, barona_iela: Store, mailbox: MailServer
) -> None:
    asked(olga, barona_iela)
    minutes_pass(16)
    KnownDatabase.objects.update_or_create(pk=1, defaults={"identity": "another server"})
    send_mails()
    assert only().status == MailStatus.CANCELLED
    assert mailbox.received == []

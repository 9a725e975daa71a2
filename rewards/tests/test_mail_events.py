"""What a mail provider tells: believed when signed, once, and only from the provider that the settings name."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from customers.models import Channel, ConsentEvent, Customer, Purpose, SuppressedAddress
from customers.queries import newest_consent
from loyaltycrm.lib.letters import DELIVERY
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.outcomes import prune_mail_events
from rewards.actions.sending import send_batch
from rewards.actions.sweeping import sweep
from rewards.models import Delivery, DeliveryOutcome, DeliveryReason, DeliveryStatus, ProviderEvent, VoucherStatus
from rewards.tests.audiences import add_reader, open_shop, planned_run

pytestmark = pytest.mark.django_db
GONE: dict[str, Any] = {"delivery-status": {"code": 550, "message": "5.1.1 No such user", "description": ""}}
KEY = "signing-key-of-the-test"


@pytest.fixture
def delivery(mailbox: MailServer) -> Delivery:
    open_shop()
    add_reader(1)
    run = planned_run()
    assert send_batch(run_id=run.pk).sent == 1
    return run.deliveries.select_related("voucher").get()


@pytest.fixture
def mailgun(settings: Settings) -> None:
    settings.MAIL_EVENTS_FROM, settings.ANYMAIL = "mailgun", {"MAILGUN_WEBHOOK_SIGNING_KEY": KEY}


@pytest.fixture
def postmark(settings: Settings) -> None:
    settings.MAIL_EVENTS_FROM, settings.ANYMAIL = "postmark", {"WEBHOOK_SECRET": "loyaltycrm:private"}


def from_mailgun(
    event: str, delivery: Delivery, *, token: str = "t" * 50, key: str = KEY, signed_at: int | None = None, **more: Any
) -> Any:
    """As its documentation shows the webhook of an event: a signature block beside the event's data."""
    stamp = str(int(timezone.now().timestamp()) if signed_at is None else signed_at)
    signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    body = {
        "signature": {"timestamp": stamp, "token": token, "signature": signature},
        "event-data": {
            "event": event,
            "timestamp": 1795000000.5,
            "id": "G9Bn5sl1TC6nu79C8C0bwg",
            "recipient": delivery.address,
            "recipient-domain": "example.com",
            "log-level": "info",
            "tags": [],
            "user-variables": {},
            "message": {"headers": {"message-id": delivery.message_id.strip("<>"), "to": delivery.address}},
            **more,
        },
    }
    return Client().post("/mail/events/mailgun/", json.dumps(body), content_type="application/json")


def from_postmark(body: dict[str, Any], *, secret: str = "loyaltycrm:private") -> Any:
    signed = {"Authorization": f"Basic {b64encode(secret.encode()).decode()}"}
    return Client().post("/mail/events/postmark/", json.dumps(body), content_type="application/json", headers=signed)


def postmark_bounce(delivery: Delivery, **changes: Any) -> dict[str, Any]:
    """As its documentation shows a bounce."""
    return {
        "RecordType": "Bounce",
        "MessageStream": "broadcast",
        "ID": 4323372036854775807,
        "Type": "HardBounce",
        "TypeCode": 1,
        "Name": "Hard bounce",
        "Tag": "",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Metadata": {DELIVERY: delivery.message_id},
        "ServerID": 23,
        "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist",
        "Email": delivery.address,
        "From": "hello@rudzi.example",
        "BouncedAt": "2026-11-22T10:00:00Z",
        "DumpAvailable": True,
        "Inactive": True,
        "CanActivate": True,
        "Subject": "€3 off for you",
        **changes,
    }


@pytest.mark.usefixtures("mailgun")
def test_a_delivered_mail_is_noted(delivery: Delivery) -> None:
    assert from_mailgun("delivered", delivery).status_code == 200
    delivery.refresh_from_db()
    assert (delivery.status, delivery.outcome) == (DeliveryStatus.SENT, DeliveryOutcome.DELIVERED)
    assert delivery.outcome_at is not None
    assert not SuppressedAddress.objects.exists()


@pytest.mark.usefixtures("mailgun")
def test_a_lasting_failure_suppresses_the_address_for_every_profile(delivery: Delivery) -> None:
    twin = add_reader(2, email=delivery.address.upper())
    answer = from_mailgun(
        "failed", delivery, severity="permanent", reason="bounce",
        **GONE,
    )  # fmt: skip
    assert answer.status_code == 200
    assert SuppressedAddress.objects.get().reason == SuppressedAddress.Reason.BOUNCE
    delivery.refresh_from_db()
    assert delivery.outcome == DeliveryOutcome.BOUNCED
    assert delivery.voucher is not None
    assert delivery.voucher.status == VoucherStatus.VOID
    later = planned_run(name="Later")
    assert later.deliveries.get(customer=twin).reason == DeliveryReason.SUPPRESSED_ADDRESS


@pytest.mark.usefixtures("mailgun")
def test_what_may_pass_suppresses_nothing(delivery: Delivery) -> None:
    assert from_mailgun("failed", delivery, severity="temporary", reason="generic").status_code == 200
    full: dict[str, Any] = {"delivery-status": {"code": 552, "message": "5.2.2 Mailbox full", "description": ""}}
    assert (
        from_mailgun("failed", delivery, token="u" * 50, severity="permanent", reason="bounce", **full).status_code
        == 200
    )
    assert not SuppressedAddress.objects.exists()


@pytest.mark.usefixtures("mailgun")
def test_a_complaint_counts_more_than_what_came_before_and_after(delivery: Delivery) -> None:
    for number, event in enumerate(["delivered", "complained", "delivered"]):
        assert from_mailgun(event, delivery, token=str(number) * 50).status_code == 200
    delivery.refresh_from_db()
    assert delivery.outcome == DeliveryOutcome.COMPLAINED
    assert SuppressedAddress.objects.get().reason == SuppressedAddress.Reason.COMPLAINT


@pytest.mark.usefixtures("mailgun")
def test_an_unsubscribe_at_the_provider_ends_the_consent_of_all_who_have_the_address(delivery: Delivery) -> None:
    twin = add_reader(2, email=delivery.address)
    assert from_mailgun("unsubscribed", delivery).status_code == 200
    for customer in (delivery.customer, twin):
        newest = newest_consent(customer)[(Purpose.OFFERS, Channel.EMAIL)]
        assert (newest.given, newest.source) == (False, ConsentEvent.Source.UNSUBSCRIBE)


def unchanged(delivery: Delivery) -> None:
    delivery.refresh_from_db()
    assert delivery.outcome == ""
    assert not ProviderEvent.objects.exists()
    assert not SuppressedAddress.objects.exists()
    assert not ConsentEvent.objects.filter(given=False).exists()


@pytest.mark.usefixtures("mailgun")
def test_a_forged_signature_changes_nothing(delivery: Delivery) -> None:
    assert from_mailgun("complained", delivery, key="another").status_code == 400
    unchanged(delivery)


@pytest.mark.usefixtures("mailgun")
def test_a_replay_changes_nothing_not_even_with_other_words(delivery: Delivery) -> None:
    """Mailgun signs its token alone: whoever overheard one may put any body beside it."""
    assert from_mailgun("delivered", delivery).status_code == 200
    assert from_mailgun("complained", delivery).status_code == 200
    delivery.refresh_from_db()
    assert delivery.outcome == DeliveryOutcome.DELIVERED
    assert not SuppressedAddress.objects.exists()
    assert ProviderEvent.objects.count() == 1


@pytest.mark.usefixtures("mailgun")
def test_what_is_forgotten_is_not_taken_again(delivery: Delivery) -> None:
    """What Mailgun signed longer ago than we remember is passed over: it may have been overheard then."""
    signed_at = int(timezone.now().timestamp())
    assert from_mailgun("delivered", delivery, signed_at=signed_at).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=89)):
        assert prune_mail_events() == 0
    with time_machine.travel(timezone.now() + timedelta(days=91)):
        assert prune_mail_events() == 1
        assert from_mailgun("complained", delivery, signed_at=signed_at).status_code == 200
    assert not ProviderEvent.objects.exists()
    assert not SuppressedAddress.objects.exists()
    delivery.refresh_from_db()
    assert delivery.outcome == DeliveryOutcome.DELIVERED


@pytest.mark.usefixtures("postmark")
def test_a_hard_bounce_of_another_provider(delivery: Delivery) -> None:
    assert from_postmark(postmark_bounce(delivery)).status_code == 200
    assert from_postmark(postmark_bounce(delivery)).status_code == 200
    delivery.refresh_from_db()
    assert delivery.outcome == DeliveryOutcome.BOUNCED
    assert "5.1.1" in SuppressedAddress.objects.get().detail
    assert ProviderEvent.objects.get().delivery == delivery


@pytest.mark.usefixtures("postmark")
def test_a_soft_bounce_of_another_provider(delivery: Delivery) -> None:
    soft = postmark_bounce(
        delivery, Type="SoftBounce", TypeCode=4096, Details="smtp;452 4.2.2 over quota", Inactive=False
    )
    assert from_postmark(soft).status_code == 200
    assert not SuppressedAddress.objects.exists()


@pytest.mark.usefixtures("postmark")
def test_a_complaint_and_a_delivery_of_another_provider(delivery: Delivery) -> None:
    told = {
        "RecordType": "Delivery",
        "ServerID": 23,
        "MessageStream": "broadcast",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Recipient": delivery.address,
        "Tag": "",
        "DeliveredAt": "2026-11-22T10:00:00Z",
        "Details": "smtp;250 2.0.0 OK",
        "Metadata": {DELIVERY: delivery.message_id},
    }
    assert from_postmark(told).status_code == 200
    delivery.refresh_from_db()
    assert delivery.outcome == DeliveryOutcome.DELIVERED
    assert f"{delivery.outcome_at:%Y-%m-%d %H:%M}" == "2026-11-22 10:00"
    complaint = postmark_bounce(delivery, RecordType="SpamComplaint", Type="SpamComplaint", TypeCode=512, ID=42)
    assert from_postmark(complaint).status_code == 200
    delivery.refresh_from_db()
    assert delivery.outcome == DeliveryOutcome.COMPLAINED


@pytest.mark.usefixtures("postmark")
def test_a_wrong_secret_changes_nothing(delivery: Delivery) -> None:
    assert from_postmark(postmark_bounce(delivery), secret="loyaltycrm:guessed").status_code == 400
    unsigned = json.dumps(postmark_bounce(delivery))
    assert Client().post("/mail/events/postmark/", unsigned, content_type="application/json").status_code == 400
    unchanged(delivery)


@pytest.mark.usefixtures("postmark")
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"RecordType": 5}', b'{"RecordType": []}', b"\xff", b'"\\u0000"']
)
def test_words_that_are_none_are_no_server_error(delivery: Delivery, body: bytes) -> None:
    signed = {"Authorization": f"Basic {b64encode(b'loyaltycrm:private').decode()}"}
    answer = Client().post("/mail/events/postmark/", body, content_type="application/json", headers=signed)
    assert answer.status_code in (200, 400)
    unchanged(delivery)


def test_a_provider_that_is_not_named_or_has_no_secret_is_not_there(delivery: Delivery, settings: Settings) -> None:
    settings.ANYMAIL = {"MAILGUN_WEBHOOK_SIGNING_KEY": KEY}
    assert from_mailgun("complained", delivery).status_code == 404
    settings.MAIL_EVENTS_FROM = "postmark"
    assert from_mailgun("complained", delivery).status_code == 404
    assert from_postmark(postmark_bounce(delivery)).status_code == 404
    settings.MAIL_EVENTS_FROM, settings.ANYMAIL = "", {"WEBHOOK_SECRET": "loyaltycrm:private"}
    assert from_postmark(postmark_bounce(delivery)).status_code == 404
    unchanged(delivery)


@pytest.mark.usefixtures("postmark")
def test_another_address_than_the_delivery_s_leaves_the_delivery_alone(delivery: Delivery) -> None:
    assert from_postmark(postmark_bounce(delivery, Email="someone@example.com")).status_code == 200
    delivery.refresh_from_db()
    assert delivery.outcome == ""
    assert SuppressedAddress.objects.get().email_key == "someone@example.com"


@pytest.mark.usefixtures("mailgun")
def test_what_nobody_knew_is_known_once_the_provider_tells(delivery: Delivery) -> None:
    Delivery.objects.update(status=DeliveryStatus.UNKNOWN, sent_at=None)
    from_mailgun("delivered", delivery)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.sent_at) == (DeliveryStatus.SENT, delivery.outcome_at)


@pytest.mark.usefixtures("mailgun")
def test_a_word_that_comes_before_the_worker_s_own_record_settles_it_too(delivery: Delivery) -> None:
    past = timezone.now() - timedelta(minutes=1)
    Delivery.objects.update(
        status=DeliveryStatus.HANDING_OVER, sent_at=None, claim_token="5" * 32, lease_until=past
    )  # fmt: skip
    from_mailgun("delivered", delivery)
    sweep()
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.SENT


@pytest.mark.usefixtures("mailgun")
def test_looking_at_the_address_is_no_telling(delivery: Delivery) -> None:
    assert Client().head("/mail/events/mailgun/").status_code == 200
    assert Client().get("/mail/events/mailgun/").status_code == 405
    assert Customer.objects.count() == 1
    unchanged(delivery)

"""The pages of webhooks: receivers, their log, and sending again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from loyaltycrm.core.actions.webhook_resending import continue_resends
from loyaltycrm.core.actions.webhook_upkeep import switch_off_failing_webhooks, tell_admins_of_switched_off
from loyaltycrm.core.models import (
    AuditEvent,
    User,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookResend,
)
from loyaltycrm.core.tests.webhook_stories import TICKET, URL, some_webhooks, tell_of_ticket
from loyaltycrm.core.webhook_signing import secret_of

pytestmark = pytest.mark.django_db
KEY = "7f0c8b7e-2f0b-4f6f-9a55-1f0f3f6a9d01"


@pytest.fixture
def things() -> dict[str, int]:
    return some_webhooks()


@pytest.fixture
def office(admin: User, signed_in: Callable[[User], Client]) -> Client:
    return signed_in(admin)


def text_of(client: Client, name: str, *args: Any, **query: Any) -> str:
    answer = client.get(reverse(f"core:{name}", args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def new(**changes: Any) -> dict[str, Any]:
    return {"name": "Eshop", "url": URL, "kinds": [TICKET, "visit.recorded"], "idempotency_key": KEY, **changes}


def test_a_receiver_is_added_and_its_secret_shown_once(office: Client) -> None:
    answers = [office.post(reverse("core:webhook_create"), new()) for _time in range(2)]
    receiver = WebhookEndpoint.objects.get()
    assert (receiver.name, receiver.url, receiver.kinds) == ("Eshop", URL, ["visit.recorded", TICKET])
    first, again = (answer.content.decode() for answer in answers)
    assert secret_of(receiver.seed) in first
    assert secret_of(receiver.seed) not in again
    assert answers[0]["Cache-Control"] == "no-store"
    assert secret_of(receiver.seed) not in text_of(office, "webhook", receiver.pk)
    assert receiver.seed not in text_of(office, "webhook", receiver.pk)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://hooks.example.com/"),
        ("url", "https://10.0.0.1/"),
        ("url", "https://localhost/"),
        ("url", "https://169.254.169.254/latest/meta-data/"),
        ("url", "javascript:alert(1)"),
        ("name", "x" * 81),
        ("name", ""),
        ("kinds", []),
        ("kinds", ["webhook.test"]),
        ("kinds", ["no.such"]),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(office: Client, field: str, value: Any) -> None:
    answer = office.post(reverse("core:webhook_create"), new(**{field: value}))
    assert answer.status_code == 200
    assert answer.context["form"].errors.keys() == {field}
    assert not WebhookEndpoint.objects.exists()


def test_a_receiver_is_changed_paused_resumed_and_removed(office: Client, things: dict[str, int], admin: User) -> None:
    pk = things["webhook"]
    answer = office.post(reverse("core:webhook_edit", args=[pk]), new(name="Shop", kinds=["tier.changed"]))
    assert answer.status_code == 302
    receiver = WebhookEndpoint.objects.get(pk=pk)
    assert (receiver.name, receiver.kinds) == ("Shop", ["tier.changed"])
    for name, state in (("webhook_pause", "paused"), ("webhook_resume", "active")):
        assert office.post(reverse(f"core:{name}", args=[pk])).status_code == 302
        assert WebhookEndpoint.objects.get(pk=pk).state == state
    assert "2 events that wait are not sent." in text_of(office, "webhook_remove", pk)
    assert office.post(reverse("core:webhook_remove", args=[pk])).status_code == 302
    assert office.get(reverse("core:webhook", args=[pk])).status_code == 404
    assert "Shop" not in text_of(office, "webhooks", q="hooks.example.com", state="active")
    done = AuditEvent.objects.filter(subject_id=pk, subject_type="core.webhookendpoint", by=admin)
    assert list(done.order_by("pk").values_list("action", flat=True)) == [
        "change webhook", "pause webhook", "resume webhook", "remove webhook",
    ]  # fmt: skip


def test_a_renewed_secret_is_shown_once(office: Client, things: dict[str, int]) -> None:
    url = reverse("core:webhook_renew", args=[things["webhook"]])
    before = WebhookEndpoint.objects.get(pk=things["webhook"]).seed
    shown = office.post(url, {"hours": "24", "idempotency_key": KEY}).content.decode()
    receiver = WebhookEndpoint.objects.get(pk=things["webhook"])
    assert receiver.previous_seed == before != receiver.seed
    assert secret_of(receiver.seed) in shown
    assert secret_of(receiver.seed) not in office.post(url, {"hours": "24", "idempotency_key": KEY}).content.decode()
    assert WebhookEndpoint.objects.get(pk=things["webhook"]).seed == receiver.seed


def test_a_test_event_waits_for_its_receiver(office: Client, things: dict[str, int]) -> None:
    answer = office.post(reverse("core:webhook_test", args=[things["webhook"]]))
    event = WebhookEvent.objects.latest("pk")
    delivery = event.deliveries.get()
    assert (event.kind, delivery.endpoint_id) == ("webhook.test", things["webhook"])
    assert answer["Location"] == reverse("core:webhook_delivery", args=[delivery.pk])
    count = WebhookEvent.objects.count()
    office.post(reverse("core:webhook_test", args=[things["off_webhook"]]))
    assert WebhookEvent.objects.count() == count


def rows(client: Client, **query: Any) -> list[int]:
    answer = client.get(reverse("core:webhook_log"), query)
    return [row.record.pk for row in answer.context["table"].paginated_rows]


def test_the_log_is_filtered_by_each_thing(office: Client, things: dict[str, int]) -> None:
    everything = set(rows(office))
    assert len(everything) == 4
    assert rows(office, status="dead") == [things["dead_event"]]
    assert set(rows(office, endpoint=things["webhook"])) == everything
    assert rows(office, endpoint=things["off_webhook"]) == []
    assert set(rows(office, kind=TICKET)) == everything
    assert rows(office, kind="visit.recorded") == []
    today = AuditEvent.objects.latest("pk").at
    long_ago = today - timedelta(days=10)
    WebhookDelivery.objects.filter(pk=things["dead_event"]).update(created_at=long_ago)
    assert rows(office, until=f"{today - timedelta(days=5):%Y-%m-%d}") == [things["dead_event"]]
    assert set(rows(office, since=f"{today - timedelta(days=5):%Y-%m-%d}")) == everything - {things["dead_event"]}
    assert rows(office, sort="created_at")[0] == things["dead_event"]
    for odd in ({"since": "0001-01-01"}, {"until": "9999-12-31"}, {"since": "x"}, {"page": "-1"}, {"sort": "-secret"}):
        assert office.get(reverse("core:webhook_log"), odd).status_code == 200


def test_the_list_takes_as_many_queries_for_ten_rows_as_for_four(
    office: Client, things: dict[str, int], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    counts = []
    for more in (0, 6):
        for number in range(more):
            tell_of_ticket(10 + number)
        for name in ("webhook_log", "webhooks"):
            text_of(office, name)
            with django_assert_max_num_queries(40) as made:
                text_of(office, name)
            counts.append(len(made))
    assert counts[:2] == counts[2:]


def test_one_delivery_shows_the_message_and_each_answer_as_text(office: Client, things: dict[str, int]) -> None:
    shown = text_of(office, "webhook_delivery", things["refused_event"])
    assert "answered 500" in shown
    assert "1,204 ms" in shown
    assert "&lt;b&gt;the till is on fire&lt;/b&gt;" in shown
    assert "<b>the till" not in shown
    assert "&quot;ticket_kind&quot;: &quot;complaint&quot;" in shown
    assert "No answer came in time." in text_of(office, "webhook_delivery", things["dead_event"])
    for language, letter in (("lv", "Vēstule"), ("ru", "Письмо")):
        office.post(reverse("core:language"), {"language": language})
        assert f">{letter}<" not in text_of(office, "webhook_delivery", things["refused_event"])


def test_one_is_sent_again(office: Client, things: dict[str, int]) -> None:
    assert office.post(reverse("core:webhook_delivery_resend", args=[things["dead_event"]])).status_code == 302
    delivery = WebhookDelivery.objects.get(pk=things["dead_event"])
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    WebhookDelivery.objects.filter(pk=delivery.pk).update(status="cancelled")
    office.post(reverse("core:webhook_delivery_resend", args=[delivery.pk]))
    assert WebhookDelivery.objects.get(pk=delivery.pk).status == "cancelled"


def test_all_of_some_days_are_sent_again_once(office: Client, things: dict[str, int]) -> None:
    WebhookResend.objects.all().delete()
    day = f"{timezone.now():%Y-%m-%d}"
    tomorrow = f"{timezone.now() + timedelta(days=1):%Y-%m-%d}"
    form = {"endpoint": things["webhook"], "since": "0001-01-01", "until": tomorrow, "idempotency_key": KEY}
    answers = [office.post(reverse("core:webhook_resend_period"), form) for _time in range(2)]
    resend = WebhookResend.objects.get()
    assert {answer["Location"] for answer in answers} == {reverse("core:webhook_resend", args=[resend.pk])}
    assert "0 of 2 so far" in text_of(office, "webhook_resend", resend.pk)
    assert continue_resends() == 2
    assert "2 events wait or were sent again" in text_of(office, "webhook_resend", resend.pk)
    for wrong in ({"until": "2020-01-01"}, {"until": "9999-12-31"}, {"endpoint": 10**20}, {"since": ""}, {"only": "x"}):
        answer = office.post(
            reverse("core:webhook_resend_period"), {**form, "since": day, **wrong, "idempotency_key": KEY[:-1] + "2"}
        )
        assert answer.status_code == 200
        assert answer.context["form"].errors
    assert WebhookResend.objects.count() == 1


def test_who_takes_nothing_for_days_is_switched_off_and_admins_are_told_once(
    office: Client, things: dict[str, int], admin: User, dace: User, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    tell_admins_of_switched_off()
    mail.outbox.clear()
    assert switch_off_failing_webhooks() == []
    now = timezone.now()
    WebhookEndpoint.objects.filter(pk=things["webhook"]).update(failing_since=now - timedelta(days=5, minutes=1))
    (off,) = switch_off_failing_webhooks()
    assert (off.pk, tell_admins_of_switched_off(), tell_admins_of_switched_off()) == (things["webhook"], 1, 0)
    (letter,) = mail.outbox
    assert letter.to == [admin.email]
    assert "Eshop" in letter.subject
    assert reverse("core:webhook", args=[off.pk]) in letter.body
    assert "Webhooks to Eshop are switched off" in text_of(office, "settings")
    office.post(reverse("core:webhook_resume", args=[off.pk]))
    assert switch_off_failing_webhooks() == []
    assert "Webhooks to Eshop are switched off" not in text_of(office, "settings")


def test_a_manager_sees_none_of_it(things: dict[str, int], dace: User, signed_in: Callable[[User], Client]) -> None:
    client = signed_in(dace)
    assert client.get(reverse("core:webhooks")).status_code == 403
    assert "Old eshop" not in text_of(client, "settings")


def test_the_command_queues_a_period_again(things: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    WebhookResend.objects.all().delete()
    since = (timezone.now() - timedelta(days=1)).isoformat()
    call_command("resend_webhooks", "Eshop", "--since", since, "--only", "dead")
    assert "1 event waits again." in capsys.readouterr().out
    assert WebhookDelivery.objects.get(pk=things["dead_event"]).status == "pending"
    for wrong in (["Nobody", "--since", since], ["Eshop", "--since", "yesterday"], ["Eshop", "--since", since]):
        with pytest.raises(CommandError):
            call_command("resend_webhooks", *wrong, "--only", "dead")

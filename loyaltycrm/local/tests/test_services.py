"""The fixtures for real processes do what they say: a real Redis, worker, beat, site and mail server."""

import smtplib
import urllib.request
from email.message import EmailMessage

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.core import mail
from django.core.cache import cache

from loyaltycrm.local.fixtures.services import Programs, Site
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.local.processes import Program
from loyaltycrm.local.redis import Redis


def _letter(subject: str = "Hello") -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "shop@example.com", "ann@example.com", subject
    letter.set_content("Good day.\n.A line that starts with a dot\n")
    return letter


def _send(server: MailServer, subject: str = "Hello") -> None:
    with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
        client.send_message(_letter(subject))


def test_redis_keeps_what_it_acknowledged_after_a_kill(redis_server: Redis) -> None:
    redis_server.client().set("queue", "task")
    redis_server.client().waitaof(1, 0, 2000)
    redis_server.kill()
    redis_server.start()
    assert redis_server.client().get("queue") == b"task"


def test_redis_never_evicts_and_asks_for_its_password(redis_server: Redis) -> None:
    client = redis_server.client()
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    stranger = client.from_url(f"redis://127.0.0.1:{redis_server.port}/0", protocol=2)
    with pytest.raises(redis.AuthenticationError):
        stranger.get("queue")


def test_the_cache_and_celery_of_this_process_use_the_redis_of_the_test(redis_server: Redis) -> None:
    cache.set("seen", 1)
    current_app.send_task("nobody.listens")
    assert redis_server.client().llen("celery") == 1
    assert len(redis_server.client().keys("*seen*")) == 1


def test_the_cache_is_private_to_the_process_otherwise() -> None:
    assert "locmem" in settings.CACHES["default"]["BACKEND"]
    cache.set("seen", 1)
    assert cache.get("seen") == 1


@pytest.mark.parametrize("turn", [1, 2])
def test_no_test_sees_what_another_has_counted(turn: int) -> None:
    assert cache.get_or_set("count", 0) == 0
    assert cache.incr("count") == 1


def test_the_mail_server_keeps_the_mail_as_it_came(mailbox: MailServer) -> None:
    _send(mailbox)
    (received,) = mailbox.received
    assert received.recipients == ("ann@example.com",)
    assert received.message["Subject"] == "Hello"
    assert received.message.get_content() == "Good day.\r\n.A line that starts with a dot\r\n"
    assert mailbox.folder is not None
    (file,) = mailbox.folder.glob("*.eml")
    assert file.read_bytes().endswith(received.raw)


def test_django_sends_to_the_mail_server_of_the_test(mailbox: MailServer) -> None:
    mail.send_mail("Subject", "Body", "shop@example.com", ["ann@example.com"])
    assert [received.message["Subject"] for received in mailbox.received] == ["Subject"]


@pytest.mark.parametrize(
    ("step", "reply", "error"),
    [
        ("MAIL", "451 4.3.0 Later", smtplib.SMTPSenderRefused),
        ("RCPT", "550 5.1.1 Unknown", smtplib.SMTPRecipientsRefused),
        ("DATA", "554 5.7.1 No", smtplib.SMTPDataError),
    ],
)
def test_the_mail_server_refuses_as_told_and_then_behaves(
    mailbox: MailServer, step: str, reply: str, error: type[Exception]
) -> None:
    mailbox.refuse(step, reply, times=1)
    with pytest.raises(error, match=reply[:3]):
        _send(mailbox)
    assert mailbox.received == []
    _send(mailbox, "Second try")
    assert [received.message["Subject"] for received in mailbox.received] == ["Second try"]


@pytest.mark.parametrize(("when", "kept"), [("before data", 0), ("during data", 0), ("after data", 1)])
def test_the_mail_server_hangs_up_as_told(mailbox: MailServer, when: str, kept: int) -> None:
    mailbox.cut(when, times=1)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        _send(mailbox)
    assert len(mailbox.received) == kept
    _send(mailbox)
    assert len(mailbox.received) == kept + 1


def test_the_mail_server_is_slow_as_told(mailbox: MailServer) -> None:
    mailbox.slow(60)
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=60) as client:
        client.ehlo()
        assert client.mail("shop@example.com")[0] == 250
        assert client.rcpt("ann@example.com")[0] == 250
        assert client.sock is not None
        client.sock.settimeout(0.1)
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            client.data(_letter().as_bytes())
    assert mailbox.received == []


def test_a_real_worker_takes_a_task_from_the_redis_of_the_test_and_leaves_no_child_when_it_is_killed(
    committed_db: str, celery_worker_process: Program, redis_server: Redis
) -> None:
    current_app.send_task("nobody.knows.this.task")
    celery_worker_process.wait_for("Received unregistered task", seconds=300)
    assert redis_server.client().llen("celery") == 0
    pool = celery_worker_process.children()
    assert len(pool) == 2
    celery_worker_process.kill()
    assert not celery_worker_process.alive()
    assert [child for child in pool if child.is_running()] == []


def test_a_real_beat_puts_its_ticks_into_the_redis_of_the_test(
    committed_db: str, redis_server: Redis, programs: Programs
) -> None:
    beat = programs.beat(every_seconds=1)
    beat.wait_until(lambda: redis_server.client().llen("celery") >= 4, what="ticked", seconds=300)


def test_the_site_answers_from_the_clone_of_the_test(committed_db: str, live_site: Site) -> None:
    with urllib.request.urlopen(f"{live_site.url}/static/icons.svg", timeout=60) as answer:
        assert answer.status == 200
    live_site.program.kill()
    assert not live_site.answers()


def test_a_program_that_dies_early_says_so(committed_db: str, programs: Programs) -> None:
    command = programs.manage("no_such_command")
    with pytest.raises(Exception, match=r"(?s)ended with code 1 before it said 'done'.*no_such_command"):
        command.wait_for("done", seconds=300)

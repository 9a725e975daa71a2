"""The invitation by email: its headers and words, consent, and at most one mail whatever the server does."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from customers.actions.consent import suppress_address
from customers.actions.customers import create_customer
from customers.models import Customer, Purpose, SuppressedAddress, UnsubscribeToken
from customers.queries import may_mail
from feedback.actions import surveys
from feedback.actions.surveys import invite_to_survey, mail_invitation, settle_lost_mails
from feedback.models import InvitationMail, SurveyInvitation
from feedback.tests.stories import EMAIL_SURVEYS, complain, everything
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.testing import agree

pytestmark = pytest.mark.django_db


def send(customer: Customer) -> SurveyInvitation:
    return mail_invitation(invited=invite_to_survey(customer=customer, by=None), by=None)


def test_the_letter_carries_the_link_in_the_customers_language_and_can_be_refused_with_one_click(
    olga: Customer, mailbox: MailServer, client: Client
) -> None:
    invited = invite_to_survey(customer=olga, by=None)

    assert mail_invitation(invited=invited, by=None).mail == InvitationMail.SENT

    (received,) = mailbox.received
    message = received.message
    assert received.recipients == ("olga@example.com",)
    assert message.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    (unsubscribe,) = message.get_all("List-Unsubscribe") or []
    address = re.fullmatch(r"<(http://127\.0\.0\.1:\d+(/u/[\w-]{22,}/))>", unsubscribe)
    assert address is not None
    assert message["Message-ID"].startswith(f"<survey-{invited.invitation.pk}-")
    assert message["List-Id"]
    assert message["Content-Language"] == "ru"
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    for part in (text.get_content(), html.get_content()):
        assert invited.link in part
        assert address[1] in part
        assert "Ольга" in part
    assert 'lang="ru"' in html.get_content()
    assert not re.findall(r'(?:src|href)="https?://(?!127\.0\.0\.1)', html.get_content())
    assert len(received.raw) < 60_000

    assert client.post(address[2], {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert may_mail([olga.pk], *EMAIL_SURVEYS) == set()


def test_a_name_cannot_break_out_of_the_letter(barona_iela: Store, mailbox: MailServer) -> None:
    company = Company.current()
    company.name = "Rudzi <b>&</b> Co"
    company.save()
    sly = create_customer(first_name="<b>Bob</b>", email="bob@example.com", language="en", by=None)
    agree(sly, Purpose.SURVEYS, given=True)

    send(sly)

    message = mailbox.received[0].message
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "&lt;b&gt;Bob&lt;/b&gt;" in html.get_content()
    assert "<b>" not in html.get_content()
    assert "Hello, <b>Bob</b>." in text.get_content()
    assert message["Subject"] == "One question from Rudzi <b>&</b> Co"


@pytest.mark.parametrize("case", ["no consent", "withdrawn", "no address", "suppressed", "complaint", "had one lately"])
def test_whoever_must_not_get_one_gets_none(
    *, case: str, olga: Customer, anna: Customer, nameless: Customer, barona_iela: Store, mailbox: MailServer
) -> None:
    customer = {"no consent": anna, "no address": nameless}.get(case, olga)
    if case == "withdrawn":
        agree(olga, Purpose.SURVEYS, given=False)
    elif case == "no address":
        agree(nameless, Purpose.SURVEYS, given=True)
    elif case == "suppressed":
        suppress_address(email="Olga@Example.com", reason=SuppressedAddress.Reason.COMPLAINT)
    elif case == "complaint":
        complain(olga, barona_iela)
    elif case == "had one lately":
        send(olga)
        mailbox.received.clear()
    invited = invite_to_survey(customer=customer, by=None)
    before = everything()

    with pytest.raises(Refused):
        mail_invitation(invited=invited, by=None)

    assert mailbox.received == []
    assert everything() == before


def test_a_site_without_https_sends_no_survey_beyond_this_machine(
    olga: Customer, mailbox: MailServer, settings: Any
) -> None:
    settings.BASE_URL = "http://shop.example"
    with pytest.raises(Refused, match="https"):
        send(olga)
    assert mailbox.received == []


def test_the_same_invitation_is_mailed_once(olga: Customer, mailbox: MailServer) -> None:
    invited = invite_to_survey(customer=olga, by=None)
    mail_invitation(invited=invited, by=None)
    SurveyInvitation.objects.update(mailed_at=timezone.now() - timedelta(days=31))

    with pytest.raises(Refused, match="mailed or answered already"):
        mail_invitation(invited=invited, by=None)

    assert len(mailbox.received) == 1


def test_a_consent_withdrawn_while_the_letter_is_offered_counts(
    olga: Customer, mailbox: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = surveys._reply_to

    def offer_then_withdraw(*args: Any) -> Any:
        reply = real(*args)
        agree(olga, Purpose.SURVEYS, given=False)
        return reply

    monkeypatch.setattr(surveys, "_reply_to", offer_then_withdraw)
    with pytest.raises(Refused):
        send(olga)

    assert mailbox.received == []
    assert not UnsubscribeToken.objects.exists()
    assert SurveyInvitation.objects.get().mail == InvitationMail.NONE


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
def test_a_server_that_puts_it_off_leaves_it_to_try_again(olga: Customer, mailbox: MailServer, step: str) -> None:
    mailbox.refuse(step, "451 4.3.0 Later", times=1)
    invited = invite_to_survey(customer=olga, by=None)
    with pytest.raises(Refused, match="takes no mail right now"):
        mail_invitation(invited=invited, by=None)
    assert SurveyInvitation.objects.get().mail == InvitationMail.NONE

    assert mail_invitation(invited=invited, by=None).mail == InvitationMail.SENT
    assert len(mailbox.received) == 1


def test_an_address_that_does_not_exist_is_suppressed_for_everyone(olga: Customer, mailbox: MailServer) -> None:
    mailbox.refuse("RCPT", "550 5.1.1 No such user")

    assert send(olga).mail == InvitationMail.FAILED

    assert SuppressedAddress.objects.get().email_key == "olga@example.com"
    assert mailbox.received == []


def test_a_letter_the_server_rejects_is_failed_and_the_address_stays(olga: Customer, mailbox: MailServer) -> None:
    mailbox.refuse("DATA", "554 5.7.1 Rejected")

    assert send(olga).mail == InvitationMail.FAILED

    assert not SuppressedAddress.objects.exists()


@pytest.mark.parametrize("when", ["during data", "after data"])
def test_without_a_reply_it_is_not_known_and_not_sent_again(olga: Customer, mailbox: MailServer, when: str) -> None:
    mailbox.cut(when, times=1)
    invited = invite_to_survey(customer=olga, by=None)

    assert mail_invitation(invited=invited, by=None).mail == InvitationMail.UNKNOWN

    sent = len(mailbox.received)
    with pytest.raises(Refused):
        mail_invitation(invited=invited, by=None)
    assert len(mailbox.received) == sent <= 1


def test_a_server_that_is_not_there_leaves_it_to_try_again(olga: Customer, mailbox: MailServer) -> None:
    mailbox.stop()
    with pytest.raises(Refused, match="cannot be reached"):
        send(olga)
    assert SurveyInvitation.objects.get().mail == InvitationMail.NONE


def test_an_invitation_whose_sender_died_becomes_not_known(olga: Customer, dace: User) -> None:
    invitation = invite_to_survey(customer=olga, by=dace).invitation
    SurveyInvitation.objects.filter(pk=invitation.pk).update(
        mail=InvitationMail.HANDING_OVER, mailed_at=timezone.now() - timedelta(minutes=11)
    )

    assert (settle_lost_mails(), settle_lost_mails()) == (1, 0)

    invitation.refresh_from_db()
    assert invitation.mail == InvitationMail.UNKNOWN

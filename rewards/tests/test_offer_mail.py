"""The offer mail, line by line: what each message must hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.core.management import CommandError, call_command
from django.template.loader import render_to_string
from django.test import Client
from pytest_django import Settings

from customers.models import ConsentEvent, Customer, PageLink, UnsubscribeToken
from loyaltycrm.core.models import Store
from loyaltycrm.lib.received import what_is_missing
from loyaltycrm.local.mailserver import MailServer, Received
from rewards.actions.earning import record_visit
from rewards.actions.sending import send_batch
from rewards.benefits import FreeItem, Gift, MoneyOff, PercentOff, Terms
from rewards.models import Reward, Run
from rewards.tests.audiences import BENEFIT, TEXTS, add_reader, open_shop, planned_run

pytestmark = pytest.mark.django_db
NBSP = "\u00a0"


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


def mail_to(mailbox: MailServer, **changes: Any) -> tuple[Received, Run]:
    run = planned_run(**changes)
    send_batch(run_id=run.pk)
    assert len(mailbox.received) == 1
    return mailbox.received[0], run


def part(mail: Received, kind: str) -> str:
    body = mail.message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


class Words(HTMLParser):
    """The visible words of a page, as someone with pictures off reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: list[str] = []
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "title", "head")
        if tag == "a":
            self.links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "title", "head")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.found.append(" ".join(data.split(" ")).strip())

    def __str__(self) -> str:
        return "\n".join(self.found)


# 1. Unsubscribing


def test_one_list_unsubscribe_with_one_link_and_one_click(mailbox: MailServer, settings: Settings) -> None:
    settings.BASE_URL = "https://rudzi.example"
    add_reader(1)
    mail, _run = mail_to(mailbox)
    assert mail.message.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    (link,) = mail.message.get_all("List-Unsubscribe", [])
    assert re.fullmatch(r"<https://rudzi\.example/u/[A-Za-z0-9_-]{43}/>", link)
    raw = mail.raw.lower()
    assert raw.count(b"\r\nlist-unsubscribe:") == 1
    assert raw.count(b"\r\nlist-unsubscribe-post:") == 1


def test_between_this_machine_and_itself_the_header_carries_the_http_link(mailbox: MailServer) -> None:
    add_reader(1)
    mail, _run = mail_to(mailbox)
    assert mail.message["List-Unsubscribe"].startswith("<http://127.0.0.1:")


def test_the_link_in_the_text_is_that_of_the_header(mailbox: MailServer) -> None:
    add_reader(1)
    mail, _run = mail_to(mailbox)
    link = mail.message["List-Unsubscribe"].strip("<>")
    assert [one for one in Words(part(mail, "html")).links if "/u/" in one] == [link]
    assert f"\n{link}\n" in part(mail, "plain")


def test_the_link_names_the_reader_and_the_list_without_the_address_and_is_stored_hashed(mailbox: MailServer) -> None:
    customer = add_reader(1)
    mail, _run = mail_to(mailbox)
    token = mail.message["List-Unsubscribe"].rstrip("/>").rpartition("/")[2]
    stored = UnsubscribeToken.objects.get()
    assert (stored.customer, stored.purpose, stored.channel) == (customer, "offers", "email")
    assert token not in stored.token_hash
    assert "reader1" not in token
    assert str(customer.pk) != token


def test_the_receiver_s_one_click_stops_offers(mailbox: MailServer) -> None:
    customer = add_reader(1)
    mail, _run = mail_to(mailbox)
    path = re.sub(r"^<https?://[^/]+|>$", "", mail.message["List-Unsubscribe"])
    mail_program = Client(enforce_csrf_checks=True)
    assert mail_program.get(path).status_code == 200
    assert ConsentEvent.objects.filter(customer=customer, given=False).count() == 0
    body = {"List-Unsubscribe": "One-Click"}
    for _click in range(2):
        answer = mail_program.post(path, body)
        assert (answer.status_code, dict(answer.cookies)) == (200, {})
    assert ConsentEvent.objects.filter(customer=customer, given=False).count() == 1


# 2. DKIM


def test_the_check_command_reads_a_message_really_received(
    mailbox: MailServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_reader(1)
    mail, _run = mail_to(mailbox)
    saved = tmp_path / "mail.eml"
    saved.write_bytes(mail.raw)
    with pytest.raises(CommandError, match="1 thing to put right"):
        call_command("check_message", str(saved))
    assert "no DKIM-Signature" in capsys.readouterr().out
    signature = b"DKIM-Signature: v=1; d=rudzi.example; h=From:List-Unsubscribe:List-Unsubscribe-Post; b=x\r\n"
    saved.write_bytes(signature + mail.raw)
    call_command("check_message", str(saved))
    assert "Nothing is missing" in capsys.readouterr().out


def test_the_check_command_says_when_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"no\.eml could not be read: No such file"):
        call_command("check_message", str(tmp_path / "no.eml"))


# 3. What the message holds


def test_it_says_everything_an_offer_must(mailbox: MailServer, barona_iela: Store) -> None:
    customer = add_reader(1, first_name="Olga")
    record_visit(customer=customer, store=barona_iela, net_cents=221_00, by=None)
    mail, run = mail_to(mailbox)
    delivery = run.deliveries.select_related("voucher").get()
    assert delivery.voucher is not None
    points = delivery.values["points"]
    for text in (part(mail, "plain"), str(Words(part(mail, "html")))):
        for said in (
            "Rudzi",
            "Hello, Olga",
            "Come by soon.",
            "€3 off",
            "For one visit of €6 or more, in any store.",
            delivery.voucher.code,
            f"{points}{NBSP}points",
            f"{points}{NBSP}points expire after",
            "You get this because you agreed to offers by email on",
            "Choose what we send",
            "Unsubscribe",
            "Rudzi, Parauga iela 1, Rīga",
        ):
            assert said in text, (said, text)
    assert mail.message["Subject"] == "Olga, €3 off for you"
    assert mail.message["From"] == "Rudzi <hello@rudzi.example>"
    assert mail.sender == "hello@rudzi.example"
    assert mail.message["List-Id"] == "<offers.rudzi.example>"
    assert mail.message["Message-ID"] == delivery.message_id


@pytest.mark.parametrize(
    ("language", "benefit", "said"),
    [
        ("en", MoneyOff(value_cents=3_00, minimum_spend_cents=6_00, stores=["BARONA"], weekdays=[0, 3]),
         "On a visit of €6.00 or more. Only in these stores: Barona iela. Only on these days: Monday, Thursday."),
        ("lv", MoneyOff(value_cents=3_00, stores=["BARONA"]), "Tikai šajos veikalos: Barona iela."),
        ("ru", MoneyOff(value_cents=3_00, stores=["BARONA"]), "Только в этих магазинах: Barona iela."),
        ("en", MoneyOff(value_cents=3_00, minimum_spend_cents=6_00, weekdays=[0]),
         "For one visit of €6 or more, in any store. Only on these days: Monday."),
        ("en", PercentOff(basis_points=1_000, categories=["Tea & cake"], cap_cents=5_00),
         "For one visit, in any store. 10% off these goods: Tea & cake. At most €5.00."),
        ("en", Gift(within_days=3), "For one visit, in any store. We do it within 3 days."),
    ],
)  # fmt: skip
def test_it_promises_no_more_than_the_benefit_gives(
    mailbox: MailServer, barona_iela: Store, language: str, benefit: Terms, said: str
) -> None:
    add_reader(1, language=language)
    mail, _run = mail_to(mailbox, benefit=benefit)
    for text in (part(mail, "plain"), str(Words(part(mail, "html")))):
        assert said in text.replace(NBSP, " ").splitlines(), text
        assert ("any store" in text) == (said.startswith("For one visit"))


@pytest.mark.parametrize(
    ("language", "subject", "word"),
    [
        ("en", "Anna, €3 off for you", "points"),
        ("lv", f"Anna, Jums 3{NBSP}€ atlaide", "punktu"),
        ("ru", f"Anna, Вам скидка 3{NBSP}€", "баллов"),
    ],
)
def test_each_reads_it_in_their_language(mailbox: MailServer, language: str, subject: str, word: str) -> None:
    add_reader(1, first_name="Anna", language=language)
    mail, _run = mail_to(mailbox)
    assert mail.message["Subject"] == subject
    assert mail.message["Content-Language"] == language
    assert f'<html lang="{language}"' in part(mail, "html")
    assert f"0{NBSP}{word}" in part(mail, "plain")


@pytest.mark.parametrize(
    ("language", "points", "said"),
    [
        ("en", 1, "1 point"), ("en", 221, "221 points"),
        ("lv", 1, "1 punkts"), ("lv", 221, "221 punkts"), ("lv", 54, "54 punkti"), ("lv", 11, "11 punktu"),
        ("ru", 221, "221 балл"), ("ru", 54, "54 балла"), ("ru", 11, "11 баллов"), ("ru", 36, "36 баллов"),
    ],
)  # fmt: skip
def test_the_balance_has_the_right_plural(mailbox: MailServer, language: str, points: int, said: str) -> None:
    add_reader(1, language=language)
    run = planned_run()
    delivery = run.deliveries.get()
    delivery.values["points"] = points
    delivery.save(update_fields=["values"])
    send_batch(run_id=run.pk)
    text = part(mailbox.received[0], "plain")
    assert re.search(rf"\b{said.replace(' ', NBSP)}(?!\w)", text), text


@pytest.mark.parametrize(
    ("language", "days"),
    [
        ("en", r"\d{1,2}( [A-Z][a-z]+)?( – |–)\d{1,2} [A-Z][a-z]+ 20\d\d"),
        ("lv", r"\d\d\.\d\d\.–\d\d\.\d\d\.20\d\d\."),
        ("ru", r"\d\d\.\d\d\.–\d\d\.\d\d\.20\d\d\b"),
    ],
)
def test_days_are_written_as_in_the_language(mailbox: MailServer, language: str, days: str) -> None:
    add_reader(1, language=language)
    mail, run = mail_to(mailbox, valid_days=2)
    assert run.good_through == run.valid_from + timedelta(days=1)
    assert re.search(days, part(mail, "plain")), part(mail, "plain")


def test_a_customer_without_a_name_is_not_greeted_with_a_comma(mailbox: MailServer) -> None:
    add_reader(1, first_name="")
    mail, _run = mail_to(mailbox)
    assert mail.message["Subject"] == "€3 off for you"
    assert "\nHello\n" in part(mail, "plain")
    assert "{" not in part(mail, "plain")


def test_nothing_expires_is_not_said(mailbox: MailServer) -> None:
    add_reader(1)
    mail, _run = mail_to(mailbox)
    assert "expire" not in part(mail, "plain")
    assert "expire" not in part(mail, "html")


def test_its_links_open_the_page_and_the_choices_of_the_reader(mailbox: MailServer, barona_iela: Store) -> None:
    add_reader(1, first_name="Olga")
    mail, run = mail_to(mailbox)
    delivery = run.deliveries.select_related("voucher").get()
    assert delivery.voucher is not None
    own = [re.sub(r"^https?://[^/]+", "", link) for link in Words(part(mail, "html")).links if "/me/" in link]
    assert own == [own[0], own[0] + "settings/"]
    assert delivery.voucher.code in Client().get(own[0]).content.decode()
    assert Client().get(own[1]).status_code == 200
    assert own[0].split("/")[2] not in PageLink.objects.get().token_hash


def test_it_says_how_far_the_next_reward_is(mailbox: MailServer) -> None:
    """Who has no points lacks all 300 of the bread's; the cake for 900 is not the next one."""
    for key, name, cost in (("bread", "Bread of the week", 300), ("cake", "Cake", 900)):
        Reward.objects.create(key=key, names={"en": name}, benefit=FreeItem(worth_cents=250), points_cost=cost)
    add_reader(1)
    mail, _run = mail_to(mailbox)
    for text in (part(mail, "plain"), str(Words(part(mail, "html")))):
        assert f"300{NBSP}points more to: Bread of the week (300)" in text
        assert "Cake" not in text
    assert 'width="1%"' in part(mail, "html")


def test_html_and_text_stay_small_and_load_nothing(mailbox: MailServer) -> None:
    long = dict.fromkeys(("body",), "Ļoti garš teksts. " * 100)
    add_reader(1, language="lv")
    mail, _run = mail_to(mailbox, texts={code: {**texts, **long} for code, texts in TEXTS.items()})
    html = part(mail, "html")
    assert len(html.encode()) < 60_000
    assert not re.search(r"<(img|script|link)\b|@import|url\(|src=", html)
    assert [address for address in re.findall(r"https?://[^\s\"'<]+", html) if not re.search("/(u|me)/", address)] == [
        "http://www.w3.org/1999/xhtml"
    ]


def test_the_message_lacks_only_the_mail_server_s_signature(mailbox: MailServer) -> None:
    add_reader(1)
    mail, _run = mail_to(mailbox)
    assert what_is_missing(mail.raw) == ["It has no DKIM-Signature: let the mail server sign outgoing mail."]


@pytest.mark.parametrize("sign", ["\r\n", "\n", "\x0b", "\x85", "\u2028"])
def test_no_header_comes_out_of_a_name_or_a_subject(mailbox: MailServer, sign: str) -> None:
    customer = add_reader(1)
    Customer.objects.filter(pk=customer.pk).update(first_name=f"Eve{sign}Bcc: all@example.com")
    texts = {**TEXTS, "en": {**TEXTS["en"], "subject": f"Hi {{first_name}}{sign}X-Evil: yes"}}
    mail, _run = mail_to(mailbox, texts=texts)
    assert (mail.message["Bcc"], mail.message["X-Evil"]) == (None, None)
    assert mail.message["Subject"] == "Hi Eve Bcc: all@example.com X-Evil: yes"
    assert mail.recipients == ("reader1@example.com",)


def test_html_in_a_name_or_in_words_is_text(mailbox: MailServer) -> None:
    customer = add_reader(1)
    Customer.objects.filter(pk=customer.pk).update(first_name="<b>Eve</b>&")
    texts = {**TEXTS, "en": {**TEXTS["en"], "body": "<script>alert(1)</script> & more"}}
    mail, _run = mail_to(mailbox, texts=texts, benefit_names={**BENEFIT, "en": "<i>3</i>"})
    html = part(mail, "html")
    assert "<script>" not in html
    assert "<b>Eve" not in html
    words = str(Words(html))
    assert "<script>alert(1)</script> & more" in words
    assert "Hello, <b>Eve</b>&" in words
    assert "<i>3</i>" in words


# The template itself

KNOWN_TAGS = {
    "mjml", "mj-head", "mj-title", "mj-preview", "mj-attributes", "mj-all", "mj-text", "mj-section", "mj-style",
    "mj-body", "mj-wrapper", "mj-column", "mj-button", "h1", "strong", "a",
    "table", "tr", "td",
}  # fmt: skip


def tags_of(element: ET.Element) -> Iterator[str]:
    for child in element.iter():
        yield child.tag


def test_the_template_uses_only_tags_that_the_renderer_knows() -> None:
    """The renderer passes a misspelt tag on without a word."""
    context = {
        "language": "lv", "sender_name": "A & B", "postal_address": "C", "subject": "S", "heading": "H",
        "paragraphs": ["P", "Q"], "benefit": "B", "valid": "V", "good_through": "G", "minimum_spend": "M", "code": "X",
        "is_anywhere": True, "conditions": ["C"],
        "points": "1", "expiring": "E", "agreed_on": "D", "unsubscribe": "https://rudzi.example/u/x/",
        "page": "https://rudzi.example/me/x/", "settings": "https://rudzi.example/me/x/settings/", "near": "N",
        "near_percent": "73",
    }  # fmt: skip
    root = ET.fromstring(render_to_string("emails/offer.mjml", context))
    assert set(tags_of(root)) == KNOWN_TAGS
    assert root.attrib == {"lang": "lv"}

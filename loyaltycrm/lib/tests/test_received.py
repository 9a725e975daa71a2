"""What the check of a received message finds."""

import pytest

from loyaltycrm.lib.received import what_is_missing

LINK = "https://rudzi.example/u/abc/"
PLAIN = "http://rudzi.example/u/abc/"
GOOD = {
    "DKIM-Signature": (
        "v=1; a=rsa-sha256; d=rudzi.example; s=mail; h=From:To:Subject:Date:\r\n"
        "\tMessage-ID:List-Id:List-Unsubscribe:List-Unsubscribe-Post; bh=x; b=y"
    ),
    "From": "Rudzi <hello@rudzi.example>",
    "To": "anna@example.com",
    "Subject": "Hi",
    "Date": "Thu, 16 Jul 2026 07:00:00 +0000",
    "Message-ID": "<1@rudzi.example>",
    "List-Id": "<offers.rudzi.example>",
    "List-Unsubscribe": f"<{LINK}>, <mailto:stop@rudzi.example>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
HTML = f'<!doctype html><html lang="en"><p><a href="{LINK}">Stop</a></p></html>'


def message(*, html: str = HTML, text: str = "Hi", extra: str = "", **changes: str | None) -> bytes:
    headers = GOOD | {name.replace("_", "-"): content for name, content in changes.items()}
    lines = [f"{name}: {content}\r\n" for name, content in headers.items() if content is not None]
    parts = [f"--b\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{body}\r\n" for kind, body in (("plain", text), ("html", html)) if body]  # fmt: skip  # noqa: E501
    head = "".join(lines) + extra + 'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n'
    return (head + "".join(parts) + "--b--\r\n").encode()


def test_a_good_message_lacks_nothing() -> None:
    passed = "mx.example; spf=pass smtp.mailfrom=rudzi.example; dkim=pass header.d=rudzi.example; dmarc=pass"
    assert what_is_missing(message(Authentication_Results=passed)) == []
    assert what_is_missing(message()) == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (message(DKIM_Signature=None), "no DKIM-Signature"),
        (message(DKIM_Signature="v=1; h=From:List-Unsubscribe; b=x"), "covers list-unsubscribe-post"),
        (message(DKIM_Signature="v=1; h=From:List-Unsubscribe-Post; b=x"), "covers list-unsubscribe:"),
        (message(Authentication_Results="mx.example; spf=softfail; dkim=pass; dmarc=pass"), "says spf=softfail"),
        (message(Authentication_Results="mx.example; spf=pass; dkim=pass; dmarc=fail (p=NONE)"), "says dmarc=fail"),
        (message(List_Unsubscribe=None), "0 List-Unsubscribe headers"),
        (message(extra=f"list-unsubscribe: <{LINK}>\r\n"), "2 List-Unsubscribe headers"),
        (message(List_Unsubscribe=f"<{PLAIN}>", html=HTML.replace(LINK, PLAIN)), "is not https"),
        (message(List_Unsubscribe="<mailto:stop@rudzi.example>"), "one https address"),
        (message(List_Unsubscribe=f"<{LINK}>, <https://other.example/>"), "one https address"),
        (message(List_Unsubscribe=LINK), "one https address"),
        (message(List_Unsubscribe_Post=None), "List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
        (message(List_Unsubscribe_Post="One-Click"), "List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
        (message(Message_ID=None), "0 Message-ID headers"),
        (message(List_Id=None), "no List-Id"),
        (message(text=""), "no text part"),
        (message(html=""), "no HTML part"),
        (message(html=HTML.replace(' lang="en"', "")), "does not say its language"),
        (message(html=HTML + '<img src="https://rudzi.example/p.gif">'), "loads something"),
        (message(html=HTML + '<link href="https://fonts.example/x" rel="stylesheet">'), "loads something"),
        (message(html=HTML + "x" * 60_000), "fewer than 60000"),
        (message(html='<html lang="en"></html>'), "no link to unsubscribe"),
    ],
)
def test_one_thing_missing_is_one_sentence(raw: bytes, said: str) -> None:
    missing = what_is_missing(raw)
    assert len(missing) == 1, missing
    assert said in missing[0]


def test_the_best_of_several_signatures_counts() -> None:
    assert what_is_missing(message(extra="DKIM-Signature: v=1; h=From; b=x\r\n")) == []


def test_a_link_to_this_machine_may_be_http() -> None:
    link = "http://127.0.0.1:8000/u/abc/"
    assert what_is_missing(message(List_Unsubscribe=f"<{link}>", html=HTML.replace(LINK, link))) == []


def test_rubbish_lacks_everything_and_breaks_nothing() -> None:
    assert len(what_is_missing(b"\x00\xff\xfe not a mail")) >= 8

"""The corpus of hostile input: what people, scripts and broken programs send, by families.

`TEXTS` go into every field of a form, every name behind a question mark and every text of an address; `VALUES` into
every field of a body of the API, `BODIES` in the place of a whole one; `REQUESTS` ask for a page in an odd way;
`FILES` are uploaded. Nothing here depends on the pages: what they have is found by whoever fires it.
"""

# ruff: noqa: E501 - its lines are the rows of a table

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass, field
from typing import Any, Final

# Signs that nobody types: answered with 400 before any view sees them.
UNSEEN: Final = "unseen signs"
# Signs that come along when a text is pasted: they count as blanks and are stored nowhere.
PASTED: Final = "signs that come along"
# Looks like a number to a careless reader. Nobody counts with it.
DISGUISED: Final = "numbers in disguise"
BOUNDS: Final = "numbers out of bounds"
MARKUP: Final = "markup"
FORMULAS: Final = "formulas of a sheet"
HEADERS: Final = "header lines"
# What shows that markup was not escaped, that a template ran, that a header was made.
RAW_MARKS: Final = ("<xss", "<svg/onload", "<img src=x", "</title><xss", "javascript:alert(49)", "&#x3c;xss>")
RAN: Final = ("8888888", "8798009")  # what the templates below would print
OWN_HEADER: Final = "X-Injected"


@dataclass(frozen=True, slots=True)
class Hostile:
    """One text, value or body, and the family that it is of."""

    family: str
    given: Any

    def __str__(self) -> str:
        return f"{self.family}: {str(self.given)[:60]!r}"


@dataclass(frozen=True, slots=True)
class HostileRequest:
    """One odd way of asking for a page: whatever it says is sent as it stands."""

    family: str
    name: str
    method: str = "GET"
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    body: bytes = b""
    # Whether the reader's own cookies come with it.
    keeps_session: bool = True

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"


_TEXTS: Final[dict[str, list[str]]] = {
    UNSEEN: [
        "\x00", "a\x00b", "12\x00", "\x01", "a\x07b", "a\x08b", "a\x0bb", "a\x0cb", "\x1b[31mred", "a\x1fb", "a\x7fb",
    ],
    "halves of signs": ["\ud800", "a\udfffb", "\udc00\ud800"],
    PASTED: ["a\x80b", "a\x85b", "a\x9fb", "a\u2028b", "a\u2029b", "a\ufffeb", "a\uffffb", "a\ufdd0b", "a\U0001fffeb", "12\x85", "\u202812"],
    "signs that hide": [
        "\ufeff12", "1\u200b2", "a\u00adb", "a\u2060b", "\u200e12", "\u202eexe.fdp", "\u202dabc\u202c", "\u2066a\u2069",
        "\u2067a", "\u061ca", "a\u034fb", "\u180eb", "a\U000e0041b", "\ue000", "\u3164", "Z" + "\u0336" * 200,
    ],
    DISGUISED: [
        "１２", "1２", "١٢", "१२", "1_000", "1e3", "1E3", "0x10", "0b11", "0o17", "12L", "²", "Ⅻ", "½", "true", "True", "false",
        "null", "None", "NaN", "nan", "-NaN", "sNaN", "Infinity", "-Infinity", "inf", "1e309", "-1e309", "1e-400", "1.2.3.4",
        "१२.५", "1e999999999", "12e", "1__0", "٫5", "12;", "0x1p3", "twelve",
    ],
    "numbers written oddly": [
        "+12", "12,", "1 2", "−5", "2.7", "2.0", "1.", ".5", "0.5", "1,2,3", "12\u00a0", "012", "1,000", "1.000,00", "1'000", "12 €", "-12",
    ],
    BOUNDS: [
        "-1", "-0", "0", "-99999999999", "2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808",
        "18446744073709551616", "9" * 40, "9" * 5_000, "0" * 5_000 + "1", "0.0000000000000000000000001", "99999999.999",
        "100000000.01", "0.001",
    ],
    "days and times out of the calendar": [
        "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "2026-02-30", "2025-02-29", "2026-13-01", "2026-00-10",
        "-2026-01-01", "2026-1-1", "20260101", "31.04.2026", "01/02/2026", "2026-01-01T00:00:00Z", "2026-W01-1", "2026-366",
        "1e3-01-01", "２０２６-０１-０１", "24:00", "25:61", "12:60", "23:59:60", "-1:00", "99:99:99", "2026-03-29T03:30",
        "2026-10-25T03:30", "1969-12-31", "1582-10-10", "now", "today",
    ],
    "databases": [
        "' OR '1'='1", "'; DROP TABLE customers_customer;--", '" OR 1=1 --', "1 OR 1=1", "1); SELECT pg_sleep(9);--", "admin'--",
        "%' AND '%'='", "%", "_", "\\", "%%%s%d%n", "%(x)s", "{0}", "$1", "E'\\x00'", "a' UNION SELECT NULL,NULL--", "?", ":name",
        "(((((((((((", "a & b | !c", "*:*", "a:*", "<->",
    ],
    MARKUP: [
        "<xss>", '"><xss a=1>', "'><xss a=1>", "</script><xss>", "</textarea><xss>", "</title><xss>", "<!--<xss>", "]]><xss>",
        "<svg/onload=alert(49)>", "<img src=x onerror=alert(49)>", "javascript:alert(49)", "data:text/html,<xss>", "&lt;xss&gt;<xss>",
        "&#60;xss&#62;", "\\u003cxss\\u003e<xss>", "＜xss＞<xss>", "<a href=//evil.example>x", "<style>*{display:none}", "<base href=//evil.example>",
        "<xss\n>", "%3Cxss%3E", '" onfocus=alert(49) autofocus="',
    ],
    "templates": [
        "{{ 1234567|add:7654321 }}", "{% debug %}", "{% load static %}", "{{ settings.SECRET_KEY }}", "{{ request }}", "{{1111*7919}}", "${1111*7919}",
        "#{1111*7919}", "<%= 1111*7919 %>", "{{''.__class__}}", "%{1111*7919}", "{customer.__class__}", "{first_name!r}", "{", "}", "{{", "{%", "{points:>999999999}",
    ],
    FORMULAS: [
        "=1+1", '=HYPERLINK("https://evil.example";"x")', "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1",
        "\n=1+1", "＝1+1", "|calc", '"=1+1', "'=1+1", ";=1+1", ",=1+1", '=IMPORTXML("https://evil.example")',
    ],
    HEADERS: [
        "a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "a%0d%0aX-Injected: 1", "a\r\n\r\n<xss>", "anna@example.com\nBcc: all@example.com",
        "anna@example.com, all@example.com", '"a\\\r\nBcc: b"@example.com', "a\u560dX-Injected: 1",
    ],
    "paths": [
        "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "%2e%2e%2f%2e%2e%2f", "....//....//", "file:///etc/passwd",
        "//evil.example/", "https://evil.example/", "/\\evil.example", "http:evil.example", "\\\\evil.example\\share", "CON", "a" * 300 + ".csv",
        ".", "..", "~root", "http://127.0.0.1:5432/", "http://[::1]/", "http://169.254.169.254/latest/", "https://user:pass@evil.example/",
    ],
    "too much": [
        "x" * 300, "x" * 5_000, "x" * 100_000, "🙂" * 300, "🙂" * 3_000, "é" * 400, "e\u0301" * 400, "👨‍👩‍👧‍👦" * 60, " " * 3_000, "\n" * 3_000,
        "a " * 3_000, "ﷺ" * 400, "ß" * 256, "İ" * 255, "a" * 64 + "@" + "b" * 250 + ".example", "+" + "1" * 60, ("a" * 30 + "!") * 50,
    ],
    "nothing": ["", " ", "\t", "\n", "\u00a0", "\u3000", "undefined", "[]", "{}", "[object Object]", "-", "--", ".", ","],
    "addresses of mail and phone": [
        "@", "a@", "@b", "a@b", "a@@b.example", "a@b..example", "a b@example.com", "a@[127.0.0.1]", '"a"@example.com', "ā@example.com",
        "a@münich.example", "a@xn--.example", "a" * 65 + "@example.com", "a@-b.example", "+371", "+999 1234 5678", "tel:+37126124821",
        "٠١٢٣٤٥٦٧٨٩", "+371 2612 4821;ext=1", "00000000", "112",
    ],
    "languages and choices": [
        "xx", "en-US-x-private", "lv_LV.UTF-8", "../lv", "EN", "chosen", "0", "-1", "__all__", "pk", "-pk", "password", "by__password",
        "customer__email", "?", "-", "--name", "name,-pk", "on", "off", "yes",
    ],
    "objects": [
        "__proto__", "constructor", "__class__", "id", "None", "7f1f3c52-3f2c-4f0e-9b7a-0a6f0f3d1c1", "00000000-0000-0000-0000-000000000000",
        '{"$gt":""}', "[1,2]", "a[]=1", "0042 1187", "A-1001", "a;b=c", "a&b=c", "a#b",
    ],
}  # fmt: skip
TEXTS: Final[list[Hostile]] = [Hostile(family, text) for family, texts in _TEXTS.items() for text in texts]

_VALUES: Final[dict[str, list[Any]]] = {
    "wrong kinds": [None, True, False, 0, 1, -1, 1.5, "", [], {}, [[]], [None], {"a": 1}, "1", ["1"], [{}], 1.0, -0.0],
    BOUNDS: [2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**40, 1e308, -1e308, 1e-308, 100_000_001, -100_000_001],
    "long lists": [[0] * 2_000, ["x"] * 2_000, [{}] * 2_000, [{"amount_cents": 1}] * 500],
    "many names": [{f"n{one}": one for one in range(1_000)}, {"": 1}, {"__proto__": {"a": 1}}, {"\u202ea": 1}],
}
# In the place of one field of a body.
VALUES: Final[list[Hostile]] = [Hostile(family, value) for family, values in _VALUES.items() for value in values]

_NESTED = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
# In the place of a whole body of the API.
BODIES: Final[list[Hostile]] = [
    Hostile(family, body)
    for family, bodies in {
        "no JSON": [b"", b" ", b"{", b"}", b"null", b"true", b"1", b'"a"', b"[]", b"[{}]", b"{'a': 1}", b"{a: 1}", b'{"a": 1,}', b'{"a": 1} x', b"<xml/>", b"a=1"],
        "no numbers": [b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": 1e309}', b'{"a": -1e309}', b'{"a": 01}', b'{"a": 1_000}', b'{"a": +1}', b'{"a": .5}', b'{"a": 0x10}', b'{"a": ' + b"9" * 5_000 + b"}"],
        "odd encodings": ['{"a": "ā"}'.encode("utf-16"), '{"a": "ā"}'.encode("cp1257"), b'\xef\xbb\xbf{"a": 1}', b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b'{"a": "\\ud800"}', b'{"a": "\\udc00\\ud800"}', b'{"\\ud800": 1}', b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'{"a": "\x00"}', b'{"a": "\n"}', gzip.compress(b"{}"), b"\xc0\xae"],
        "depth": [_NESTED, b"[" * 100_000, b"[" * 5_000 + b"]" * 5_000, b'{"lines":' * 20 + b"1" + b"}" * 20],
        "names twice": [b'{"receipt": "1", "receipt": "2"}', b'{"customer": "A-1001", "customer": "A-1002"}', b'{"a": {"b": 1, "b": 2}}'],
        "names of others": [b'{"__proto__": {}}', b'{"by": 1}', b'{"store": "CENTRS"}', b'{"id": 1}', b'{"pk": 1}', b'{"": 1}', b'{"' + b"n" * 9_000 + b'": 1}'],
        "size": [b'{"a": "' + b"x" * 300_000 + b'"}', b" " * 300_000 + b"{}"],
    }.items()
    for body in bodies
]  # fmt: skip

_BOUNDARY = b"--b\r\n"
_PART = b'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n'
_MULTIPART = "multipart/form-data; boundary=b"
_FORM = "application/x-www-form-urlencoded"


def _asks(family: str, name: str, **asked: Any) -> HostileRequest:
    return HostileRequest(family, name, **asked)


REQUESTS: Final[list[HostileRequest]] = [
    *(_asks("methods", method, method=method) for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "CONNECT", "get", "GEŢ"]),
    _asks("methods", "a method in a header", method="POST", headers={"X-HTTP-Method-Override": "DELETE"}),
    *(
        _asks("kinds of body", name, method="POST", content_type=kind, body=body)
        for name, kind, body in [
            ("JSON", "application/json", b'{"a": 1}'),
            ("XML", "application/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
            ("no kind", "", b"a=1"),
            ("a kind of nothing", "/", b"a=1"),
            ("odd charset", f"{_FORM}; charset=utf-7", b"a=%2BADw-"),
            ("unknown charset", f"{_FORM}; charset=nothing", b"a=1"),
            ("a charset that is code", f"{_FORM}; charset=idna", b"a=%ff"),
            ("broken percents", _FORM, b"a=%&%=%zz&%u0041=%"),
            ("broken UTF-8", _FORM, b"a=%ff%fe&%c0%af=1"),
            ("many fields", _FORM, b"&".join(b"f%d=1" % one for one in range(1_200))),
            ("one field many times", _FORM, b"&".join([b"a=1"] * 1_200)),
            ("a large body", _FORM, b"a=" + b"x" * 2_700_000),
            ("no boundary", "multipart/form-data", _BOUNDARY + _PART + b"--b--"),
            ("a long boundary", f"multipart/form-data; boundary={'b' * 300}", b""),
            ("another boundary", "multipart/form-data; boundary=c", _BOUNDARY + _PART + b"--b--"),
            ("no end", _MULTIPART, _BOUNDARY + _PART),
            ("no head", _MULTIPART, _BOUNDARY + b"\r\n1\r\n--b--"),
            ("no name", _MULTIPART, _BOUNDARY + b"Content-Disposition: form-data\r\n\r\n1\r\n--b--"),
            ("not base64", _MULTIPART, _BOUNDARY + b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--b--'),
            ("a part that is a path", _MULTIPART, _BOUNDARY + b'Content-Disposition: form-data; name="file"; filename="../../x"\r\n\r\n1\r\n--b--'),
            ("a NUL in a name", _MULTIPART, _BOUNDARY + b'Content-Disposition: form-data; name="a\x00"\r\n\r\n1\r\n--b--'),
            ("many parts", _MULTIPART, (_BOUNDARY + _PART) * 1_200 + b"--b--"),
            ("many files", _MULTIPART, (_BOUNDARY + b'Content-Disposition: form-data; name="a"; filename="a"\r\n\r\n1\r\n') * 150 + b"--b--"),
            ("a long head", _MULTIPART, _BOUNDARY + b"X: " + b"y" * 70_000 + b"\r\n" + _PART + b"--b--"),
        ]
    ),
    *(
        _asks("queries", query[:30], query=query)
        for query in [
            "%00=1", "q=%00", "q=%ff", "q=%ed%a0%80", "%=%", "&&&&", "====", "q[]=1", "q=1&q=2&q=3", "page=-1", "page=0", "page=99999999999999999999",
            "page=NaN", "page=last", "page=1_0", "page=%EF%BC%91", "page=2.7", "page=true", "sort=-", "sort=--pk", "sort=password", "sort=by__password",
            "sort=%3Cxss%3E", "sort=" + "x" * 2_000, "sort=a&sort=b", "per_page=-1", "per_page=99999999", "q=" + "x" * 9_000, "q=" + "%F0%9F%99%82" * 500,
            "q=%3Cxss%3E", "q=%22%3E%3Cxss%3E", "day=0000-00-00", "day=9999-12-31", "month=2026-13", "month=-1-01", "store=-1", "store=x", "store=1&store=2",
            "customer=" + "9" * 40, "next=//evil.example", "next=javascript:alert(49)", "next=https://evil.example", "view=%0d%0aX-Injected:1", "lots_page=x",
            "lots_sort=%3Cxss%3E", "csrfmiddlewaretoken=1", "a=" + "&a=" * 1_200, "\u2028=1", "queue=%3Cxss%3E", "state=%00", "amount=NaN", "amount=1e309",
        ]
    ),
    *(
        _asks("headers", f"{name}: {given[:30]}", headers={name: given})
        for name, given in [
            ("Host", "evil.example"), ("Host", "127.0.0.1:x"), ("Host", "127.0.0.1/../"), ("Host", "<xss>"), ("Host", ""), ("Host", "a" * 3_000),
            ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "' OR 1=1"), ("X-Forwarded-Proto", "https"),
            ("Accept-Language", "*"), ("Accept-Language", "<xss>"), ("Accept-Language", "en;q=x"), ("Accept-Language", ",".join(["xx"] * 3_000)),
            ("Accept-Language", "a-" * 500), ("Accept-Language", "../../lv"), ("Accept-Language", "ru;q=1e309"), ("Accept", "*/*;q=NaN"), ("Accept", "<xss>"),
            ("Accept-Encoding", "gzip;q=x"), ("Range", "bytes=0-0"), ("Range", "bytes=-1"), ("Range", "bytes=0-,0-,0-"), ("Range", "bytes=99999999999-1"),
            ("If-None-Match", "*"), ("If-Match", '"x"'), ("If-Modified-Since", "now"), ("If-Modified-Since", "Thu, 01 Jan 0000 00:00:00 GMT"),
            ("Referer", "javascript:alert(49)"), ("Referer", "https://evil.example/"), ("Referer", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
            ("Origin", "null"), ("Origin", "https://evil.example"), ("User-Agent", "<xss>"), ("User-Agent", "x" * 9_000), ("Authorization", "Bearer"),
            ("Authorization", "Basic %%%"), ("Authorization", "Bearer \x7f"), ("HX-Request", "true"), ("HX-Target", "<xss>"), ("HX-Current-URL", "http://["),
            ("HX-Prompt", "%ff"), ("X-Refresh", "1"), ("X-Requested-With", "XMLHttpRequest"),
            ("Idempotency-Key", "<xss>"), ("X-Original-URL", "/staff/"), ("X-Rewrite-URL", "/staff/"), ("Cookie", "=;;=,"),
        ]
    ),
    *(
        _asks("cookies", f"{name}={given[:20]}", cookies={name: given}, keeps_session=False)
        for name, given in [
            ("loyaltycrm_session", "x" * 40), ("loyaltycrm_session", ""), ("loyaltycrm_session", "' OR 1=1"), ("loyaltycrm_session", "a" * 5_000),
            ("csrftoken", "<xss>"), ("csrftoken", "x"), ("language", "../lv"), ("language", "<xss>"), ("theme", '"><xss>'), ("theme", "x" * 4_000), ("messages", "x:y:z"),
            ("sessionid", "1"), ("till", "x"), ("till", "' OR 1=1"),
        ]
    ),
    *(
        _asks("forged forms", name, method="POST", content_type=_FORM, body=body)
        for name, body in [
            ("no token", b"a=1"), ("an empty token", b"csrfmiddlewaretoken="), ("another token", b"csrfmiddlewaretoken=" + b"x" * 64),
            ("a token twice", b"csrfmiddlewaretoken=a&csrfmiddlewaretoken=b"), ("no key", b"a=1&b=2"), ("an odd key", b"idempotency_key=%3Cxss%3E"),
            ("a long key", b"idempotency_key=" + b"9" * 9_000),
        ]
    ),
]  # fmt: skip


def _zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", " " * 60_000_000)
    return file.getvalue()


# (family, file name, content), for fields that take a file.
FILES: Final[list[tuple[str, str, bytes]]] = [
    ("empty files", "empty.csv", b""),
    ("empty files", "blank.csv", b"\n\n\n"),
    ("odd encodings", "nul.csv", b"a\x00,b\n1,2\n"),
    ("odd encodings", "utf16.csv", "a,b\n1,2\n".encode("utf-16")),
    ("odd encodings", "broken.csv", b"\xff\xfe\xfd,\x80\n"),
    ("odd encodings", "bom.json", b"\xef\xbb\xbf{}"),
    ("other kinds", "picture.csv", b"\x89PNG\r\n\x1a\n" + b"\x00" * 100),
    ("other kinds", "program.xlsx", b"MZ" + b"\x90" * 100),
    ("other kinds", "page.json", b"<html><xss>"),
    ("other kinds", "broken.xlsx", b"PK\x03\x04" + b"\x00" * 100),
    ("other kinds", "bomb.xlsx", _zip_bomb()),
    ("names", "../../etc/passwd", b"a,b\n"),
    ("names", "<xss>.csv", b"a,b\n"),
    ("names", "a" * 300 + ".csv", b"a,b\n"),
    ("names", "a\r\nX-Injected: 1.csv", b"a,b\n"),
    ("depth", "deep.json", b"[" * 100_000),
    ("depth", "deep-object.json", _NESTED),
    ("numbers", "nan.json", b'{"a": NaN}'),
    ("numbers", "huge.json", b'{"a": ' + b"9" * 5_000 + b"}"),
    ("shape", "list.json", b"[1, 2]"),
    ("shape", "null.json", b"null"),
    ("shape", "twice.json", b'{"format": 1, "format": 2}'),
    ("shape", "wide.csv", b",".join([b"x"] * 5_000) + b"\n"),
    ("shape", "long.csv", b"a,b\n" + b'"' + b"x" * 300_000 + b"\n"),
    ("shape", "quotes.csv", b'a,b\n"1,2\n"""",\n'),
    (FORMULAS, "formula.csv", b"first_name\n=1+1\n"),
]


def corpus() -> list[str]:
    """Every input of the corpus as one line each."""
    files = [f"{family}: {name} {content[:40]!r} {len(content)}" for family, name, content in FILES]
    return [*(f"{one.family} {one.given!r}" for one in [*TEXTS, *VALUES, *BODIES]), *map(str, REQUESTS), *files]

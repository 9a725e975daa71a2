"""The forms of a page as a program sees them: found in its HTML, filled in, sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Final
from urllib.parse import quote_from_bytes

from loyaltycrm.testing import PASSWORD

# Not the business of a form's own fields.
TOKENS: Final = frozenset({"csrfmiddlewaretoken"})
_BOUNDARY: Final = "a-part-of-the-form"
_BUTTONS: Final = frozenset({"submit", "button", "image", "reset"})


@dataclass
class Field:
    """One name of a form with what stands in it, and what may be chosen."""

    name: str
    kind: str
    given: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    inputmode: str = ""

    @property
    def is_number(self) -> bool:
        return self.kind == "number" or self.inputmode in ("numeric", "decimal")


@dataclass
class PageForm:
    """One form of a page: where it goes, how, and its fields in order."""

    page: str
    action: str
    method: str
    is_multipart: bool
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def own_fields(self) -> list[Field]:
        return [one for one in self.fields.values() if one.name not in TOKENS]

    def filled(self, known: dict[str, str]) -> dict[str, list[str]]:
        """What somebody would send: what stands in the fields, in empty ones `known` or what fits."""
        return {one.name: _content(one, known) for one in self.own_fields}


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.forms: list[PageForm] = []
        self._by_id: dict[str, PageForm] = {}
        # What names a form that comes later on the page: its fields, and where their buttons send it.
        self._before: dict[str, dict[str, Field]] = {}
        self._elsewhere: dict[str, dict[str, None]] = {}
        self._form: PageForm | None = None
        self._select: Field | None = None
        self._area: Field | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = told.get("action") or self.page
            self._form = PageForm(
                self.page,
                self.page.partition("?")[0] + action if action.startswith("?") else action,
                told.get("method", "get").upper(),
                told.get("enctype") == "multipart/form-data",
                self._before.get(told.get("id", ""), {}),
            )
            self.forms.append(self._form)
            if told.get("id"):
                self._by_id[told["id"]] = self._form
                for address in self._elsewhere.pop(told["id"], {}):
                    self._send_elsewhere(self._form, address)
        elif tag == "option" and self._select is not None:
            self._select.choices.append(told.get("value", ""))
            if "selected" in told:
                self._select.given.append(told.get("value", ""))
        elif tag in ("input", "select", "textarea", "button") and told.get("name") and "disabled" not in told:
            self._field(tag, told)

    def _field(self, tag: str, told: dict[str, str]) -> None:
        form = self._by_id.get(told.get("form", ""), self._form)
        if told.get("form") and told["form"] not in self._by_id:
            fields = self._before.setdefault(told["form"], {})
            if "formaction" in told:
                self._elsewhere.setdefault(told["form"], {})[told["formaction"]] = None
        elif form is not None:
            fields = form.fields
            if "formaction" in told:
                self._send_elsewhere(form, told["formaction"])
        else:
            return
        kind = told.get("type", "text" if tag == "input" else tag)
        known = fields.setdefault(told["name"], Field(told["name"], kind, inputmode=told.get("inputmode", "")))
        if tag == "select":
            self._select = known
        elif tag == "textarea":
            self._area = known
        elif kind in ("radio", "checkbox") or kind in _BUTTONS or tag == "button":
            known.choices.append(told.get("value", "on"))
            if "checked" in told:
                known.given.append(told.get("value", "on"))
        elif told.get("value"):
            known.given.append(told["value"])

    def _send_elsewhere(self, form: PageForm, address: str) -> None:
        """A button sends the same fields to another address."""
        self.forms.append(replace(form, action=address))

    def handle_data(self, data: str) -> None:
        if self._area is not None and data.strip():
            self._area.given.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None


def forms_of(page: str, html: str) -> list[PageForm]:
    """Every form of a page at that address."""
    reader = _Reader(page)
    reader.feed(html)
    reader.close()
    return reader.forms


def _content(one: Field, known: dict[str, str]) -> list[str]:
    if one.given and not one.choices:
        return one.given
    if one.choices:
        chosen = [choice for choice in one.choices if choice]
        wanted = known.get(one.name, "")
        if wanted in chosen:
            return [wanted]
        return one.given or (chosen[:1] if one.kind != "checkbox" else [])
    if one.kind == "file":
        return []
    by_kind = {
        "email": "new.reader@example.com",
        "password": PASSWORD,
        "date": "2026-07-14",
        "time": "10:00",
        "number": "10",
        "tel": "+371 2612 0000",
        "url": "https://shop.example.com/hook",
    }
    default = "10" if one.is_number else "Something"
    return [known.get(one.name, by_kind.get(one.kind, default))]


def urlencoded(fields: Iterable[tuple[str, str]]) -> bytes:
    """The fields as a browser sends them, with lone surrogates as the bytes that broken programs make of them."""
    return b"&".join(f"{_quoted(name)}={_quoted(given)}".encode() for name, given in fields)


def multipart(fields: Iterable[tuple[str, str]], files: Iterable[tuple[str, str, bytes]] = ()) -> tuple[str, bytes]:
    """The content type and the body of a form with files: `(field, file name, content)`."""
    parts = [(f'name="{name}"', _bytes(given)) for name, given in fields]
    parts += [(f'name="{name}"; filename="{file}"', content) for name, file, content in files]
    body = b"".join(
        f"--{_BOUNDARY}\r\nContent-Disposition: form-data; ".encode() + _bytes(head) + b"\r\n\r\n" + content + b"\r\n"
        for head, content in parts
    )
    return f"multipart/form-data; boundary={_BOUNDARY}", body + f"--{_BOUNDARY}--\r\n".encode()


def _quoted(text: str) -> str:
    return quote_from_bytes(_bytes(text))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

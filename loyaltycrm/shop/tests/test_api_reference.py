"""The description of the API that an installation shows by itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from loyaltycrm.core.models import Scope
from loyaltycrm.lib.guides import Inline, read_guide
from loyaltycrm.shop.api import PREFIX, urlpatterns

pytestmark = pytest.mark.django_db


class _Links(HTMLParser):
    """Where a page leads to and what can be led to on it."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.links: set[str] = set()
        self.sources: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.targets.add(given.get("id", ""))
        if tag == "a":
            self.links.add(given.get("href", ""))
        self.sources |= {given[name] for name in ("src", "srcset", "action") if name in given}
        if tag == "link":
            self.sources.add(given["href"])


def shown(language: str = "en") -> str:
    return str(Client().get(reverse("shop:api_reference"), headers={"Accept-Language": language}).content.decode())


def schema() -> dict[str, Any]:
    answer = Client().get(f"/{PREFIX}openapi.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    return dict(answer.json())


def test_the_schema_knows_every_address_and_what_a_key_needs_for_it() -> None:
    described = schema()
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) == {f"/{PREFIX}{entry.pattern}" for entry in urlpatterns}
    scopes = set()
    for methods in described["paths"].values():
        for method, operation in methods.items():
            scopes.add(operation["x-scope"])
            keys = [one for one in operation["parameters"] if one["name"] == "Idempotency-Key"]
            changes = method == "post" and not operation["operationId"].endswith("preview")
            assert bool(keys) == changes, operation["operationId"]
            assert {"401", "422", "429", "503"} <= set(operation["responses"])
            assert "500" not in operation["responses"]
            assert not operation.get("deprecated") or "x-sunset" in operation
    assert scopes == {*Scope.values, None}


def test_the_page_shows_every_operation_and_field_without_another_host() -> None:
    page = shown()
    found = _Links()
    found.feed(page)
    described = schema()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert f"<code>{method.upper()} {path}</code>" in page
            assert operation["summary"].replace("'", "&#x27;") in page
    for name in ("lines[].quantity", "items[].receipt", "addends[].points", "next_expiry_on", "Idempotency-Key"):
        assert f"<code>{name}</code>" in page
    assert "`" not in page
    assert {link[1:] for link in found.links if link.startswith("#")} <= found.targets
    assert len(found.links) > len(described["paths"])
    assert all(source.startswith("/") and not source.startswith("//") for source in found.sources)


def test_the_page_holds_the_guide_with_its_requests_and_codes() -> None:
    page = shown("lv")
    assert '<html lang="lv"' in page
    guide = Path(settings.BASE_DIR, "docs", "api.md").read_text(encoding="utf-8")
    for heading in re.findall(r"^## (.+)$", guide, re.MULTILINE):
        assert f">{heading}</h2>" in page
    assert page.count('<pre class="reference-code">') == guide.count("```sh") + len(re.findall(r"\n\n {4}\S", guide))
    assert "<code>idempotency_key_reused</code>" in page
    assert "**" not in page
    assert "```" not in page


def test_a_guide_is_headings_words_code_and_tables(tmp_path: Path) -> None:
    file = tmp_path / "guide.md"
    file.write_text(
        "# Title\n\nTwo\nlines with `code <b>`.\n\n## Part one\n\n```sh\ncurl\n\n  more\n```\n\n"
        "    KEY=1\n    AGE=2\n\n| a | b |\n| --- | --- |\n| 1 `x` | |\n"
    )
    before, part = read_guide(file)
    assert (before.title, part.title, part.anchor) == ("", "Part one", "part-one")
    assert before.blocks[0].inlines == (Inline("Two lines with "), Inline("code <b>", is_code=True), Inline("."))
    fenced, indented, table = part.blocks
    assert (fenced.text, indented.text) == ("curl\n\n  more", "KEY=1\nAGE=2")
    assert table.rows == (
        ((Inline("a"),), (Inline("b"),)),
        ((Inline("1 "), Inline("x", is_code=True)), ()),
    )
    assert read_guide(tmp_path / "none.md") == []


@pytest.mark.parametrize("path", ["/docs/api/", f"/{PREFIX}openapi.json"])
def test_the_description_is_only_read(path: str) -> None:
    client = Client()
    asked = [client.post(path, "{}", content_type="application/json"), client.delete(path)]
    assert [answer.status_code for answer in asked] == [405, 405]
    assert "Set-Cookie" not in client.get(path).headers

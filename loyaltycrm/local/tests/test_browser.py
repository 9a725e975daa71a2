"""The browser fixtures: a page that opens, a policy that is watched, and an honest skip."""

import http.server
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from loyaltycrm.local.fixtures import browser as browser_fixtures

_PAGE = b"""<!doctype html><html lang="en"><head><title>Shop</title></head>
<body><main><h1>Shop</h1>%s</main></body></html>"""


@pytest.fixture
def strict_site() -> Iterator[str]:
    """Serves /good, and /bad with an inline style, under a strict policy."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", "default-src 'self'")
            self.end_headers()
            self.wfile.write(_PAGE % (b'<p style="color: red">Bad</p><img src="/x">' if self.path == "/bad" else b""))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_page_opens_and_axe_finds_nothing_wrong(
    strict_site: str, page: Page, axe: Callable[[Page], list[str]]
) -> None:
    page.goto(f"{strict_site}/good")
    assert page.title() == "Shop"
    assert axe(page) == []


def test_axe_names_what_is_wrong(strict_site: str, browser: object, axe: Callable[[Page], list[str]]) -> None:
    context = browser.new_context()  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(f"{strict_site}/bad")
    assert any(line.startswith("image-alt") for line in axe(page))
    context.close()


def test_a_broken_policy_is_a_complaint(strict_site: str, browser: object) -> None:
    complaints = browser_fixtures.Complaints()
    context = browser.new_context()  # type: ignore[attr-defined]
    context.on("page", complaints.listen)
    page = context.new_page()
    page.goto(f"{strict_site}/good")
    assert complaints == []
    page.goto(f"{strict_site}/bad")
    page.wait_for_function("true")
    assert any("Content Security Policy" in complaint for complaint in complaints)
    context.close()


def test_contexts_take_options(new_context: Callable[..., BrowserContext], strict_site: str) -> None:
    page = new_context(color_scheme="dark", viewport={"width": 390, "height": 844}).new_page()
    page.goto(f"{strict_site}/good")
    assert page.evaluate("[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]") == [390, True]


@pytest.mark.parametrize(("ci", "outcome"), [("", "Skipped"), ("true", "Failed")])
def test_without_chromium_a_test_is_skipped_but_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(BaseException, match="No chromium found") as stopped:
        browser_fixtures.chromium_or_skip()
    assert type(stopped.value).__name__ == outcome

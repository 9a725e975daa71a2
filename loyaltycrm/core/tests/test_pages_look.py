"""Every component in a real browser: no violation of accessibility or policy, in both themes, wide and narrow."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.xdist_group("specimens")

PAGES = ["desk", "desk/?failed=1&how=nothing", "till", "till/?q=b", "public", "public/?failed=1"]
FIRST = {("desk", 1366, "light"), ("till/?q=b", 390, "dark"), ("public/?failed=1", 390, "light")}

MATRIX = [
    pytest.param(
        (address, width, scheme),
        id=f"{address} {width} {scheme}",
        marks=[] if (address, width, scheme) in FIRST else [pytest.mark.faults],
    )
    for address in PAGES
    for width in (1366, 1024, 390, 320)
    for scheme in ("light", "dark")
]


@pytest.mark.parametrize("shown", MATRIX)
def test_no_violation_on_a_page_with_every_component(
    shown: tuple[str, int, str],
    specimen_site: str,
    new_context: Callable[..., BrowserContext],
    axe: Callable[[Page], list[str]],
) -> None:
    address, width, scheme = shown
    context = new_context(color_scheme=scheme, viewport={"width": width, "height": 768}, reduced_motion="reduce")
    page = context.new_page()
    response = page.goto(f"{specimen_site}/specimens/{address}")
    assert response is not None
    assert response.ok
    if folder := os.environ.get("SCREENSHOTS"):
        name = "".join(char if char.isalnum() else "-" for char in f"{address}-{width}-{scheme}")
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe(page) == []

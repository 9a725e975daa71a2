"""What can be wrong with the look of a page that is open in a browser: each check as a list of what is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Page

_HELP: Final = """
  const tiny = one => one && (one.getBoundingClientRect().width <= 1 || tiny(one.parentElement));
  const shown = one => one.checkVisibility({visibilityProperty: true, opacityProperty: true}) && !tiny(one);
  const told = one => one.outerHTML.replace(/\\s+/g, ' ').slice(0, 140);
"""
# What stands in a box that scrolls or cuts by itself makes no page wider.
_WIDER: Final = """() => {
  if (document.scrollingElement.scrollWidth <= innerWidth) return [];
  const isHeld = one => one && (getComputedStyle(one).overflowX !== 'visible' || isHeld(one.parentElement));
  const goesOver = one => one.getBoundingClientRect().right > innerWidth && !isHeld(one.parentElement);
  const wide = [...document.querySelectorAll('body *')].filter(goesOver);
  return [document.scrollingElement.scrollWidth + ' px', ...wide.slice(0, 3).map(one => one.outerHTML.slice(0, 160))];
}"""
# An ellipsis is no cut where the whole text is told as well.
_CUT: Final = f"""() => {{
  {_HELP}
  const ownText = one => [...one.childNodes].some(part => part.nodeType === 3 && part.data.trim());
  const hides = (one, axis) => ['hidden', 'clip'].includes(getComputedStyle(one)['overflow' + axis]);
  return [...document.body.querySelectorAll('*')].filter(one => shown(one) && ownText(one) && !one.title
    && ((one.scrollWidth > one.clientWidth + 1 && one.clientWidth && hides(one, 'X'))
      || (one.scrollHeight > one.clientHeight + 3 && one.clientHeight && hides(one, 'Y')))).slice(0, 3).map(told);
}}"""
# In one column the next is below, in one line to the right. What is fixed or sticks stands where it is put.
_ORDER: Final = f"""() => {{
  {_HELP}
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')];
  const found = all.filter(one => one.tabIndex > 0).map(one => 'a place of its own in the order: ' + told(one));
  const isPut = one => ['fixed', 'sticky'].includes(getComputedStyle(one).position);
  const floats = one => one && (isPut(one) || floats(one.parentElement));
  const stops = all.filter(one => one.tabIndex === 0 && !one.disabled && shown(one) && !floats(one));
  for (let at = 1; at < stops.length; at++) {{
    const [before, after] = [stops[at - 1].getBoundingClientRect(), stops[at].getBoundingClientRect()];
    const oneColumn = before.left < after.right && after.left < before.right;
    const oneLine = before.top + 4 < after.bottom && after.top + 4 < before.bottom;
    if ((oneColumn && after.bottom <= before.top) || (oneLine && after.right <= before.left))
      found.push(told(stops[at - 1]) + ' comes before ' + told(stops[at]));
  }}
  return found.slice(0, 3);
}}"""
# Four letters for every ten, so that words become longer and there are more of them.
_LENGTHEN: Final = """() => {
  const longer = text => text.replace(/\\p{L}[\\p{L}\\p{N} ,.’'-]*/gu, part => {
    const more = Math.ceil(part.trim().length * 0.4);
    return part + (more < 6 ? 'n'.repeat(more) : ' ' + 'lengthened text '.repeat(9).slice(0, more - 1).trim());
  });
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  window.textsBefore = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    if (node.data.trim() && !node.parentElement.closest('script, style, textarea, svg, option, [contenteditable]'))
      window.textsBefore.push([node, node.data]);
  for (const [node, text] of window.textsBefore) node.data = longer(text);
}"""
_RESTORE: Final = "() => { for (const [node, text] of window.textsBefore) node.data = text; }"


def wider_than_the_screen(page: Page) -> list[str]:
    """What makes the page scroll sideways."""
    return [f"wider than the screen: {one}" for one in page.evaluate(_WIDER)]


def cut_off(page: Page) -> list[str]:
    """Texts of which a part is hidden by the edge of what they stand in."""
    return [f"text is cut off: {one}" for one in page.evaluate(_CUT)]


def out_of_order(page: Page) -> list[str]:
    """Where the keyboard goes back up or to the left, or by an order of its own."""
    return [f"not in the order of reading: {one}" for one in page.evaluate(_ORDER)]


@contextmanager
def longer_texts(page: Page) -> Iterator[None]:
    """All texts of the page are longer by 40 % for a while, as those of another language are."""
    page.evaluate(_LENGTHEN)
    try:
        yield
    finally:
        page.evaluate(_RESTORE)

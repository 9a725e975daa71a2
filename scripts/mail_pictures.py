"""Make docs/images/offer-mail-*.png anew: the offer's mail at 600 and 390 pixels, light and dark.

    DATABASE_URL=postgres://… .venv/bin/python scripts/mail_pictures.py

It makes a database of its own and drops it, and needs chromium.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
DAY = date(2026, 7, 16)
WIDTHS = (600, 390)
LARGEST_BYTES = 60_000


def main() -> None:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyaltycrm.settings")
    from bench import place

    with place.server():
        import django

        django.setup()
        with place.database():
            html = letter()
    take(html)


def letter() -> str:
    """The thank-you as a customer with points and a reward in sight gets it."""
    from loyaltycrm.core.actions.company import change_company
    from rewards.actions.shipped import ship_thank_you_offer
    from rewards.emails import LinkTokens, NearReward, OfferMail, Reader
    from rewards.models import Run

    change_company(by=None, name="Rudzi", postal_address="Parauga iela 1, Rīga")
    offer = ship_thank_you_offer(by=None)
    run = Run(
        offer=offer,
        benefit=offer.benefit,
        benefit_names=offer.benefit_names,
        texts=offer.texts,
        valid_from=DAY,
        good_through=DAY + timedelta(days=offer.valid_days - 1),
    )
    reader = Reader(
        first_name="Olga",
        points=221,
        expiring_points=20,
        expiring_on=date(2026, 8, 31),
        agreed_on=date(2024, 2, 4),
        code="H7KM4PXR",
        near=NearReward({"en": "Bread of the week"}, 300, 79),
    )
    made = OfferMail(run).letter_to(
        reader,
        language="en",
        address="olga@example.com",
        message_id="<1@rudzi.example>",
        tokens=LinkTokens("preview", "preview"),
        at=datetime.combine(DAY, datetime.min.time(), tzinfo=UTC),
    )
    return made.html


def packed(png: bytes) -> bytes:
    """The same picture in fewer bytes: large even areas shrink most without the filters that photographs need."""
    chunks, place = [], 8
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        chunks.append((kind, png[place + 8 : place + 8 + length]))
        place += 12 + length
    header = chunks[0][1]
    width, height, _depth, colours = struct.unpack(">IIBB", header[:10])
    step = {2: 3, 6: 4}[colours]
    rows = unfiltered(zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT")), width * step, step)
    assert len(rows) == height
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return png[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def unfiltered(data: bytes, length: int, step: int) -> list[bytes]:
    """The rows of a picture without the filters of its format (PNG, section 9)."""
    rows, above = [], bytes(length)
    for start in range(0, len(data), length + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + length])
        for place in range(length):
            left = row[place - step] if place >= step else 0
            corner = above[place - step] if place >= step else 0
            row[place] = (row[place] + predicted(kind, left, above[place], corner)) & 255
        above = bytes(row)
        rows.append(above)
    return rows


def predicted(kind: int, left: int, up: int, corner: int) -> int:
    """What a filter takes a byte to be: nothing, its neighbours, their mean, or whichever is nearest (Paeth)."""
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))


def take(html: str) -> None:
    """One picture for each width, as the reader's device is set to light or to dark."""
    from playwright.sync_api import sync_playwright

    from loyaltycrm.local.fixtures.browser import find_chromium

    path = find_chromium()
    if path is None:
        sys.exit("No chromium found: install it, or set CHROMIUM to its path.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-lcd-text"])
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport={"width": width, "height": 400}, color_scheme=scheme)
                page.set_content(html)
                target = IMAGES / f"offer-mail-{width}-{scheme}.png"
                target.write_bytes(packed(page.screenshot(full_page=True)))
                size = target.stat().st_size
                print(f"{target.relative_to(ROOT)}: {size:,} bytes")  # noqa: T201 - the answer of a script
                if size > LARGEST_BYTES:
                    sys.exit(f"It is larger than {LARGEST_BYTES:,} bytes.")
                page.close()
        browser.close()


if __name__ == "__main__":
    main()

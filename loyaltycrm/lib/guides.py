"""A page of docs/ as blocks that a template can show, so that an installation carries its own instructions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from django.utils.text import slugify

_TABLE_LINE = re.compile(r"^\|(.+)\|$")
_RULE = re.compile(r"^\|[\s:|-]+\|$")


@dataclass(frozen=True, slots=True)
class Inline:
    """A piece of a sentence; `is_code` is what stood between backticks."""

    text: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph of inlines, a code block, or a table whose first row is its header."""

    kind: Literal["words", "code", "table"]
    inlines: tuple[Inline, ...] = ()
    text: str = ""
    rows: tuple[tuple[tuple[Inline, ...], ...], ...] = ()


@dataclass(slots=True)
class Section:
    """What stands under one heading; the first section is what stands before any."""

    title: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Where it stands on the page."""
        return slugify(self.title)


def read_guide(path: Path) -> list[Section]:
    """The sections of a Markdown file: headings, paragraphs, code and tables, which is all that our pages use.

    Empty where the file is not there.
    """
    if not path.is_file():
        return []
    sections = [Section("")]
    for part in _parts(path.read_text(encoding="utf-8")):
        if part.startswith("## "):
            sections.append(Section(part.removeprefix("## ")))
        elif not part.startswith("# "):
            sections[-1].blocks.append(_block(part))
    return [section for section in sections if section.title or section.blocks]


def _parts(text: str) -> list[str]:
    """Paragraphs, with each fenced block in one piece."""
    fenced = re.split(r"^(```.*?^```)$", text, flags=re.DOTALL | re.MULTILINE)
    parts = []
    for number, piece in enumerate(fenced):
        parts += [piece] if number % 2 else re.split(r"\n{2,}", piece)
    return [part.strip("\n") for part in parts if part.strip()]


def _block(part: str) -> Block:
    lines = part.splitlines()
    if part.startswith("```"):
        return Block("code", text="\n".join(lines[1:-1]))
    if all(line.startswith("    ") for line in lines):
        return Block("code", text="\n".join(line.removeprefix("    ") for line in lines))
    if all(_TABLE_LINE.match(line) for line in lines):
        cells = [line.strip("|").split("|") for line in lines if not _RULE.match(line)]
        return Block("table", rows=tuple(tuple(inlines_of(cell.strip()) for cell in row) for row in cells))
    return Block("words", inlines=inlines_of(" ".join(line.strip() for line in lines)))


def inlines_of(text: str) -> tuple[Inline, ...]:
    """A sentence with its code apart."""
    return tuple(Inline(piece, bool(number % 2)) for number, piece in enumerate(text.split("`")) if piece)

"""Files of imports, kept in the database piece by piece and put on disk only where they are worked on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from loyaltycrm.core.models import ImportJob, ImportPart, ImportPartOf

PIECE_BYTES: Final = 1 << 20
LONGEST_NAME_BYTES: Final = 255
_PACKED: Final = b"PK"


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored."""

    size_bytes: int
    sha256: str


def store_file(job: ImportJob, of: ImportPartOf, blocks: Iterable[bytes]) -> Stored:
    """Keep a file with its job, in the caller's transaction, in the place of what was kept there."""
    ImportPart.objects.filter(job=job, of=of).delete()
    digest, size = hashlib.sha256(), 0
    for number, piece in enumerate(_pieces(blocks)):
        digest.update(piece)
        size += len(piece)
        ImportPart.objects.create(job=job, of=of, number=number, data=piece)
    return Stored(size, digest.hexdigest())


def _pieces(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), PIECE_BYTES):
            yield bytes(block[start : start + PIECE_BYTES])


def blocks_of(path: Path) -> Iterator[bytes]:
    """A file of the disk in pieces."""
    with path.open("rb") as file:
        while block := file.read(PIECE_BYTES):
            yield block


def pieces_of(job: ImportJob, of: ImportPartOf) -> Iterator[bytes]:
    """A kept file, piece by piece, each asked for by itself so that none is held longer than needed."""
    number = 0
    while True:
        piece = ImportPart.objects.filter(job=job, of=of, number=number).values_list("data", flat=True).first()
        if piece is None:
            return
        yield bytes(piece)
        number += 1


@contextmanager
def on_disk(job: ImportJob, *, only_beginning: bool = False) -> Iterator[Path]:
    """The file that was sent, under its own name in a folder that nobody else can open, until the end of the block.

    Of a name that is too long for a disk, the beginning and what tells the kind of file. `only_beginning`: its whole
    lines of the first piece, which is all of most files; packed files are there whole.
    """
    with TemporaryDirectory(prefix="import-") as folder:
        path = Path(folder) / _name_on_disk(job.file_name)
        with path.open("wb") as file:
            for piece in pieces_of(job, ImportPartOf.SENT):
                if only_beginning and len(piece) == PIECE_BYTES and not piece.startswith(_PACKED):
                    file.write(piece[: piece.rfind(b"\n") + 1] or piece)
                    break
                file.write(piece)
                only_beginning = False
        yield path


def _name_on_disk(file_name: str) -> str:
    """Disks count the bytes of a name, of which a letter may have four."""
    name = Path(Path(file_name).name or "file")
    suffix = _beginning(name.suffix, LONGEST_NAME_BYTES // 2)
    return _beginning(name.stem, LONGEST_NAME_BYTES - len(suffix.encode())) + suffix


def _beginning(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")

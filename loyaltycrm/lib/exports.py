"""Lists as files that a spreadsheet opens: streamed, and with nothing in them that it would run."""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Number
from typing import Any

from defusedcsv import csv
from django.http import StreamingHttpResponse


class AsIs(str):
    """A cell that is no formula though it begins like one, such as a phone number with its plus."""

    __slots__ = ()


Number.register(AsIs)  # numbers are what defusedcsv leaves alone


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The lines of a CSV file, the header first; cells that begin like a formula are neutralised, `AsIs` not."""
    writer = csv.writer(_Echo())
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow(row)


def csv_response(filename: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """A download of `filename` in UTF-8 that is never held in memory whole and never cached."""
    return StreamingHttpResponse(
        csv_lines(header, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"},
    )

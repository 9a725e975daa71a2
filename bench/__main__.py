"""`make bench`, or `make bench ARGS="award refund --seconds 2"`: measure, print, and write JSON where asked."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields, replace
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Measure the rows asked for (default: all). 0 even when a goal is missed: a shared machine is no judge."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyaltycrm.settings")
    os.environ.setdefault("STATEMENT_TIMEOUT", "0")
    # The pages that are measured are opened without a second step, and without collecting the static files first.
    os.environ |= {"REQUIRE_SECOND_FACTOR": "0", "STATIC_MANIFEST": "0"}
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    os.environ["DEBUG"] = "0"  # with it Django keeps every statement: half of what an award costs in Python
    from bench import place

    with place.server():
        import django

        django.setup()
        return _measure(arguments)


def _measure(arguments: list[str] | None) -> int:
    from bench import place
    from bench.results import HEADING, ROWS, Report, Sizes
    from bench.rows import load

    load()
    options = _parser(sorted(ROWS)).parse_args(arguments)
    if options.list:
        for row in ROWS.values():
            print(f"{row.name:<12} {row.words}")
        return 0
    sizes = Sizes.tiny() if options.tiny else Sizes()
    given = {one.name: getattr(options, one.name) for one in fields(Sizes)}
    sizes = replace(sizes, **{name: value for name, value in given.items() if value is not None})
    report: Report | None = None
    for name in options.rows or list(ROWS):
        with place.database():
            report = report or Report(place.about(), sizes)
            print(f"\n{ROWS[name].words}\n{HEADING}", flush=True)
            for result in ROWS[name].measure(sizes):
                report.results.append(result)
                print(result.line(), flush=True)
    if options.json and report is not None:
        Path(options.json).write_text(report.as_json() + "\n")
    return 0


def _parser(rows: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*rows, []], metavar="ROW", help=f"of: {', '.join(rows)}")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--json", metavar="FILE", help="write the results there as well")
    parser.add_argument("--tiny", action="store_true", help="see that every row works; the figures mean nothing")
    for name, kind in (
        ("customers", int),
        ("visits", int),
        ("receipts", int),
        ("seconds", float),
        ("rounds", int),
        ("operations", int),
    ):
        parser.add_argument(f"--{name}", type=kind)
    return parser


if __name__ == "__main__":
    sys.exit(main())

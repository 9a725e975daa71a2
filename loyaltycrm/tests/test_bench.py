"""`make bench` works: every row measures something, on a few rows of data. What it measures is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loyaltycrm.local.place import ROOT

ROWS = {
    "api",
    "award",
    "balance",
    "classification",
    "growth",
    "hot-row",
    "import",
    "nightly",
    "pages",
    "people",
    "planning",
    "redemption",
    "refund",
    "search",
    "sending",
}


@pytest.mark.long
@pytest.mark.faults
def test_every_row_of_the_bench_measures_something(database_template: str, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--tiny", "--json", str(found)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(found.read_text())["results"]
    assert {result["row"] for result in results} == ROWS
    for result in results:
        assert result["ours"] > 0, result
        assert result["bare"] > 0, result

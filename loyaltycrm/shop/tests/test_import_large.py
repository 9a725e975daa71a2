"""Memory does not grow with the file."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from customers.models import Visit
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.shop.tests.busy_shop import busy_shop

pytestmark = pytest.mark.faults

_MEASURED = """
import sys
from django.core.management import execute_from_command_line
from loyaltycrm.local.machine import peak_megabytes
execute_from_command_line(["manage.py", *sys.argv[1:]])
print("peak MB", peak_megabytes())
"""


def peak_megabytes(programs: Programs, folder: Path) -> float:
    program = programs.start("import", sys.executable, "-c", _MEASURED, "import_shop", str(folder), "--skip-checks")
    assert program.process.wait() == 0, program.log()
    return float(program.log().rsplit("peak MB", 1)[1])


@pytest.mark.long
@pytest.mark.skipif(not psutil.LINUX, reason="only Linux tells the peak")
def test_ten_times_the_receipts_need_no_more_memory(committed_db: str, programs: Programs, tmp_path: Path) -> None:
    """Each customer has as many receipts in both; what a file refuses is not kept in memory either."""
    small = busy_shop(tmp_path / "small", customers=300, receipts=6_000)
    peak_of_small = peak_megabytes(programs, small.folder)
    large = busy_shop(tmp_path / "large", customers=3_000, receipts=60_000, seed=8)
    peak_of_large = peak_megabytes(programs, large.folder)
    assert Visit.objects.count() > 60_000 * 0.95
    assert peak_of_large < 300
    assert peak_of_large < peak_of_small + 40

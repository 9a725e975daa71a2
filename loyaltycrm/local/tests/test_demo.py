"""The demo as a newcomer meets it: from nothing to a shop, Ctrl-C, and on from there."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from loyaltycrm.local.machine import free_port
from loyaltycrm.local.tests.copies import copy_checkout

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("demo")]

_OPEN = "The shop is open"
_SECRET = "only for this test: " + "x" * 40


class Demo:
    """`make demo` in a copy of the checkout, with this Python."""

    def __init__(self, checkout: Path, log: Path) -> None:
        self.checkout = checkout
        self.log = log
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        return {**kept, "SECRET_KEY": _SECRET}

    def start(self, *, seconds: float = 1_500) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "loyaltycrm.local", "demo", "--port", str(self.port)],
                cwd=self.checkout,
                env=self._env(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + seconds
        while _OPEN not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)

    def said(self) -> str:
        return self.log.read_text()

    def processes(self) -> list[psutil.Process]:
        assert self.process is not None
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def end(self, number: int = signal.SIGINT) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(300)

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "loyaltycrm.local", "run", sys.executable, *command],
            cwd=self.checkout,
            env=self._env(),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def get(self, path: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
            return int(answer.status)

    def page(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
            return str(answer.read().decode())

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def remove(self) -> None:
        self.kill()
        _clean(self.checkout)


def _clean(checkout: Path) -> None:
    subprocess.run([sys.executable, "-B", "loyaltycrm/local/cleaning.py"], cwd=checkout, check=False)


_NO_SHOP = """
from django.core.management.base import BaseCommand

class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--data")
        parser.add_argument("--logins")

    def handle(self, *args, **options):
        self.stdout.write("An empty shop")
"""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """The whole demo with its sample shop."""
    started = Demo(copy_checkout(tmp_path / "my loyalty crm"), tmp_path / "demo.log")
    yield started
    started.remove()


@pytest.fixture(scope="module")
def empty_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy without a sample shop, which is quicker to open; its tests go on where the one before ended."""
    checkout = copy_checkout(tmp_path_factory.mktemp("empty") / "my loyalty crm")
    (checkout / "loyaltycrm/local/management/commands/demo_shop.py").write_text(_NO_SHOP)
    yield checkout
    _clean(checkout)


@pytest.fixture
def empty_demo(empty_checkout: Path, tmp_path: Path) -> Iterator[Demo]:
    started = Demo(empty_checkout, tmp_path / "demo.log")
    yield started
    started.kill()


_CODES = "from loyaltycrm.core.models import Store; print(Store.objects.filter(code='{code}').count())"
_KEEP = (
    "from loyaltycrm.core.models import Store; Store.objects.create(code='{code}', name='K', time_zone='Europe/Riga')"
)


def test_a_newcomer_sees_a_shop_stops_it_and_goes_on_where_it_was(demo: Demo) -> None:
    demo.start()
    assert "Making the sample shop" in demo.said()
    assert f"http://127.0.0.1:{demo.port}/" in demo.said()
    assert demo.get("/accounts/login/") == 200
    assert demo.get("/mailbox/") == 200
    demo.run("manage.py", "shell", "--no-imports", "-c", _KEEP.format(code="kept"))
    demo.run("manage.py", "sendtestemail", "ann@example.com")
    assert "ann@example.com" in demo.page("/mailbox/")
    running = demo.processes()
    assert len(running) >= 7
    assert demo.end() == 0
    assert psutil.wait_procs(running, timeout=300)[1] == []

    demo.start()
    assert "Making the sample shop" not in demo.said()
    assert demo.run("manage.py", "shell", "--no-imports", "-c", _CODES.format(code="kept")) == "1"
    demo.end(signal.SIGTERM)
    assert demo.run("manage.py", "shell", "--no-imports", "-c", _CODES.format(code="kept")) == "1"


@pytest.mark.parametrize("victim", ["worker", "web"])
def test_when_one_part_dies_it_is_named_and_nothing_is_left(empty_demo: Demo, victim: str) -> None:
    empty_demo.start()
    running = empty_demo.processes()
    words = {"web": "granian", "worker": "-A loyaltycrm worker"}[victim]
    (part, *_) = [process for process in running if words in " ".join(process.cmdline())]
    part.kill()
    assert empty_demo.process is not None
    assert empty_demo.process.wait(300) == 1
    assert re.search(rf"The {victim} was stopped by SIGKILL, so the rest was stopped too\.\n\Z", empty_demo.said())
    assert psutil.wait_procs(running, timeout=300)[1] == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_after_a_kill_of_the_whole_demo_nothing_is_left_and_it_starts_again(empty_demo: Demo) -> None:
    empty_demo.start()
    empty_demo.run("manage.py", "shell", "--no-imports", "-c", _KEEP.format(code="kept"))
    running = empty_demo.processes()
    empty_demo.end(signal.SIGKILL)
    assert psutil.wait_procs(running, timeout=300)[1] == []
    empty_demo.start()
    assert empty_demo.run("manage.py", "shell", "--no-imports", "-c", _CODES.format(code="kept")) == "1"
    assert empty_demo.end() == 0


def test_one_copy_runs_beside_another(empty_demo: Demo, tmp_path: Path) -> None:
    empty_demo.start()
    other = Demo(Path(shutil.copytree(empty_demo.checkout, tmp_path / "second copy")), tmp_path / "second.log")
    try:
        other.start()
        empty_demo.run("manage.py", "shell", "--no-imports", "-c", _KEEP.format(code="beside"))
        assert empty_demo.run("manage.py", "shell", "--no-imports", "-c", _CODES.format(code="beside")) == "1"
        assert other.run("manage.py", "shell", "--no-imports", "-c", _CODES.format(code="beside")) == "0"
        assert other.end() == 0
        assert empty_demo.get("/mailbox/") == 200
    finally:
        other.remove()
    assert empty_demo.end() == 0

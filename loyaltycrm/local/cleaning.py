"""`make clean`: remove what `make env`, `make demo` and the tests made. Needs no package, since .venv goes too."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache", "htmlcov", ".coverage")
_DOTENV_LINES = 2


def main() -> int:
    """Remove everything of ours; refuse while the demo runs."""
    lock_path = ROOT / "var" / "local" / "demo.lock"
    if lock_path.exists():
        with lock_path.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                print("The demo still runs. Stop it with Ctrl-C where it runs, then try again.", file=sys.stderr)
                return 1
            _remove_servers()
    for name in ("var", ".venv", *_CACHES):
        _remove(ROOT / name)
    for path in ROOT.rglob("__pycache__"):
        if "node_modules" not in path.parts:
            shutil.rmtree(path)
    _remove_dotenv(ROOT / ".env")
    return 0


def _remove_servers() -> None:
    """Remove the demo's data, unless `var` came with a copy of the checkout that they belong to."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        place = json.loads((ROOT / "var" / "local" / "place.json").read_text())
        home = Path(place["home"])
        if place["checkout"] != str(ROOT) and Path(place["checkout"], "var", "local", "place.json").exists():
            return
        if home.name.startswith("loyaltycrm-demo-") and home.is_dir() and not home.is_symlink():
            _stop(home / "pg" / "postmaster.pid", signal.SIGINT)
            _stop(home / "redis" / "redis.pid", signal.SIGTERM)
            _remove(home)


def _stop(pid_file: Path, goodbye: int) -> None:
    """End a server that a killed demo may have left; it removes its pid file when it has ended."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text().splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and not any(name in command.read_bytes() for name in (b"postgres", b"valkey")):
            return
        os.kill(pid, goodbye)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.05)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        print(f"Removed {path}")
    elif path.exists():
        path.unlink()
        print(f"Removed {path}")


def _remove_dotenv(path: Path) -> None:
    """Remove `.env` as `make env` wrote it; one that somebody added to holds settings that exist nowhere else."""
    if not path.exists():
        return
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    if len(lines) == _DOTENV_LINES and lines[0].startswith("# Written by `make env`"):
        _remove(path)
    else:
        print(f"Kept {path}, since it holds more than `make env` wrote. Delete it yourself if it is not needed.")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PermissionError as refusal:
        print(f"{refusal.filename} belongs to another user. Run `make clean` as that user.", file=sys.stderr)
        sys.exit(1)

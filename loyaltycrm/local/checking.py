"""`make check`: everything about the code that a machine can judge, each step named, all failures listed at the end."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loyaltycrm.local.place import ROOT

_SKIPPED_FOLDERS = {".venv", "node_modules", "var", ".git"}


@dataclass
class Step:
    """One check: a command that must end with 0, with `env` on top of the environment."""

    name: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)


def files(*endings: str) -> list[str]:
    """The project's files with these endings, relative to its root."""
    found = (path for ending in endings for path in ROOT.rglob(f"*{ending}"))
    relative = (path.relative_to(ROOT) for path in found)
    return sorted(str(path) for path in relative if not _SKIPPED_FOLDERS & set(path.parts))


def production_like() -> dict[str, str]:
    """An environment as a real installation has it, with a key made up now; nothing connects anywhere."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": "postgres://loyaltycrm@127.0.0.1:1/loyaltycrm",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "BASE_URL": "https://loyalty.example.com",
        "ALLOWED_HOSTS": "loyalty.example.com",
        "BEHIND_PROXY": "true",
        "DEFAULT_FROM_EMAIL": "shop@loyalty.example.com",
        "EMAIL_HOST": "smtp.example.com",
        "EMAIL_PORT": "587",
        "EMAIL_USE_TLS": "true",
        "DEBUG": "false",
        "DEMO": "false",
        "MAILBOX_DIR": "",
    }


def steps() -> list[Step]:
    bin_folder = Path(sys.executable).parent
    env = production_like()
    manage = [sys.executable, "manage.py"]
    templates = files(".html")
    wanted = [
        Step("format", [str(bin_folder / "ruff"), "format", "--check", "--quiet", "."]),
        Step("lint", [str(bin_folder / "ruff"), "check", "--quiet", "."]),
        Step("imports", [str(bin_folder / "lint-imports"), "--no-cache"]),
        Step("system", [*manage, "check", "--fail-level", "WARNING"], {**env, "BASE_URL": "http://127.0.0.1:8000"}),
        Step("deploy", [*manage, "check", "--deploy", "--fail-level", "WARNING"], env),
        Step("migrations", [*manage, "makemigrations", "--check", "--dry-run"], env),
        Step("dependencies", [str(bin_folder / "deptry"), "--no-ansi", "."]),
        Step("types", [str(bin_folder / "mypy")], env),
    ]
    if templates:
        wanted.insert(2, Step("templates", [str(bin_folder / "djade"), "--check", "--target-version=5.2", *templates]))
    wanted += [Step(f"texts {path}", ["msgfmt", "--check", "-o", os.devnull, path]) for path in files(".po")]
    return wanted


def stale_texts() -> list[str]:
    """Compiled texts that are not what their source says; `make texts-compile` renews them."""
    import polib

    stale = []
    for path in files(".po"):
        compiled = Path(ROOT, path).with_suffix(".mo")
        if not compiled.exists():
            stale.append(path)
            continue
        source = {
            (entry.msgctxt, entry.msgid): _said(entry) for entry in polib.pofile(ROOT / path).translated_entries()
        }
        shipped = {(entry.msgctxt, entry.msgid): _said(entry) for entry in polib.mofile(str(compiled))}
        if source != shipped:
            stale.append(path)
    return stale


def _said(entry: object) -> object:
    plural = getattr(entry, "msgstr_plural", None)
    return dict(plural) if plural else getattr(entry, "msgstr", "")


def compile_texts() -> None:
    """Write the .mo beside every .po, without needing gettext."""
    import polib

    for path in files(".po"):
        polib.pofile(ROOT / path).save_as_mofile(str(Path(ROOT, path).with_suffix(".mo")))


def check(*, say: Callable[[str], None] = print) -> int:
    """Run every step, show what the failing ones said, and give 1 when one failed."""
    if files(".po") and shutil.which("msgfmt") is None:
        say("The program msgfmt is missing. Install gettext (Debian and Ubuntu: apt-get install gettext).")
        return 1
    failed = []
    for step in steps():
        began = time.monotonic()
        done = subprocess.run(
            step.command,
            cwd=ROOT,
            env={**os.environ, "NO_COLOR": "1", **step.env},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        good = done.returncode == 0
        say(f"{'ok    ' if good else 'FAILED'} {step.name} ({time.monotonic() - began:.1f} s)")
        if not good:
            failed.append(step.name)
            say(done.stdout + done.stderr)
    for path in stale_texts():
        failed.append(f"compiled {path}")
        say(f"FAILED compiled {path}: run `make texts-compile` and commit the result.")
    say(f"Not in order: {', '.join(failed)}." if failed else "All in order.")
    return 1 if failed else 0

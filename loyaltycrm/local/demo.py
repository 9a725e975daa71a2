"""`make demo`: a living shop on this machine, from nothing to an address in one command.

The shop itself is made by `manage.py demo_shop --logins FILE [--data DIR]`. It is called once per database, again from
an empty one when it did not end with 0. To FILE it writes who may log in, for every later start to show:
[{"role": "Manager", "email": "…", "password": "…"}, …].
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from loyaltycrm.local import place as places
from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.machine import free_port, need_port
from loyaltycrm.local.place import ROOT, VAR
from loyaltycrm.local.servers import Servers, demo_database, running_servers, start_demo_servers
from loyaltycrm.local.supervisor import Stopped, Supervisor, stoppable, undisturbed

_MANAGE = [sys.executable, "manage.py"]
_FILLED = "loyaltycrm: filled"
_FILLING = "loyaltycrm: being filled"


def demo_environment(servers: Servers, *, port: int, mail_port: int, data: Path | None) -> dict[str, str]:
    """What every process of the demo is told; the demo never sends mail anywhere but to its own mailbox."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "loyaltycrm.settings",
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "DEMO": "true",
        "DEBUG": "false",
        "BASE_URL": f"http://127.0.0.1:{port}",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "SESSION_COOKIE_NAME": f"loyaltycrm_{port}",
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(mail_port),
        "EMAIL_USE_TLS": "false",
        "EMAIL_USE_SSL": "false",
        "MAILBOX_DIR": str(_mailbox_folder(data)),
        "STATIC_ROOT": str(VAR),
        "PYTHONUNBUFFERED": "1",
    }


def _mailbox_folder(data: Path | None) -> Path:
    return VAR / "mailbox" / demo_database(data)


def _ports_file() -> Path:
    return VAR / "ports.json"


def _logins_file(data: Path | None) -> Path:
    return VAR / f"logins-{demo_database(data)}.json"


def checked_data(folder: str | None) -> Path | None:
    """The folder of `DATA=`, which must be there."""
    if not folder:
        return None
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise LocalProblem(f"There is no folder {path}. Give DATA= the folder that holds customers.csv, purchases.csv.")
    return path


@contextlib.contextmanager
def only_one(port: int) -> Iterator[None]:
    """Hold this checkout's demo; a second one is told where the first is."""
    VAR.mkdir(parents=True, exist_ok=True)
    with (VAR / "demo.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            lock.seek(0)
            raise LocalProblem(
                f"The demo of this checkout already runs at {lock.read().strip() or 'another port'}. "
                "Use that one, or stop it with Ctrl-C where it runs."
            ) from held
        lock.truncate(0)
        lock.write(f"http://127.0.0.1:{port}/")
        lock.flush()
        yield


def demo(*, port: int, data: str | None) -> int:
    """Start everything, print the address and the logins, and run until Ctrl-C."""
    folder = checked_data(data)
    need_port(port)
    with only_one(port), stoppable():
        try:
            _run(port, folder)
        except Stopped:
            with contextlib.suppress(OSError):
                print(
                    "Everything is stopped. `make demo` goes on where it was; `make clean` removes it all.", flush=True
                )
    return 0


def _run(port: int, data: Path | None) -> None:
    servers: Servers | None = None
    supervisor: Supervisor | None = None
    try:
        servers = start_demo_servers(data)
        mail_port = free_port()
        _ports_file().write_text(json.dumps({"port": port, "mail_port": mail_port}))
        supervisor = Supervisor(demo_environment(servers, port=port, mail_port=mail_port, data=data))
        _prepare(supervisor, servers, data)
        _open_shop(supervisor, port)
        supervisor.say(welcome(port, data))
        supervisor.watch()
    except Stopped:
        if supervisor is not None:
            supervisor.say("\nStopping…")
        raise
    finally:
        with undisturbed() as impatient:
            try:
                if supervisor is not None:
                    supervisor.stop(impatient=impatient)
            finally:
                if servers is not None:
                    servers.stop()


def _prepare(supervisor: Supervisor, servers: Servers, data: Path | None) -> None:
    name = demo_database(data)
    own = servers.postgres
    if own is not None:
        if own.database_exists(name) and _note(servers.database_url) != _FILLED:
            own.drop_database(name)
        if not own.database_exists(name):
            own.create_database(name)
    supervisor.say("Setting up the tables…")
    supervisor.run_to_end("migrate", [*_MANAGE, "migrate", "--noinput", "--verbosity", "0"])
    if _note(servers.database_url) == _FILLED:
        return
    if own is None and _note(servers.database_url) != _FILLING and _has_customers(servers.database_url):
        supervisor.say("The database of DATABASE_URL already holds customers, so the sample shop is not put into it.")
        return
    _set_note(servers.database_url, _FILLING)
    supervisor.say(f"Filling the shop from {data}…" if data else "Making the sample shop; under a minute…")
    options = ["--data", str(data)] if data else []
    supervisor.run_to_end("shop", [*_MANAGE, "demo_shop", "--logins", str(_logins_file(data)), *options])
    _set_note(servers.database_url, _FILLED)


def _note(url: str) -> str | None:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    return row[0] if row else None


def _set_note(url: str, note: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(note)))


def _has_customers(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT EXISTS (SELECT 1 FROM customers_customer)").fetchone()
    return bool(row and row[0])


def _open_shop(supervisor: Supervisor, port: int) -> None:
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "--quiet", "-A", "loyaltycrm"]
    web = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    mail = ["--port", supervisor.env["EMAIL_PORT"], "--folder", supervisor.env["MAILBOX_DIR"]]
    supervisor.start("mailbox", [*python, "loyaltycrm.local", "mailbox", *mail])
    supervisor.start(
        "web",
        [*python, "granian", *web, "--blocking-threads", "4", "--log-level", "warning", "loyaltycrm.wsgi:application"],
    )
    supervisor.start("worker", [*celery, "worker", "--loglevel", "info", "--concurrency", "2", "--without-mingle"])
    beat = [*celery, "beat", "--loglevel", "warning", "--pidfile=", f"--schedule={VAR / 'beat'}"]
    supervisor.start("beat", beat, patience_seconds=3)
    supervisor.wait_until(lambda: _answers(port), what="The site did not answer", seconds=90)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/static/icons.svg", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def welcome(port: int, data: Path | None) -> str:
    """The address, the mailbox and the logins in a box."""
    lines = [f"The shop is open:  http://127.0.0.1:{port}/", f"Mails it sends:    http://127.0.0.1:{port}/mailbox/"]
    logins = _logins(data)
    if logins:
        role_width = max(len(role) for role, _email, _password in logins)
        email_width = max(len(email) for _role, email, _password in logins)
        lines += ["", "Log in as"]
        lines += [f"  {role:<{role_width}}  {email:<{email_width}}  {password}" for role, email, password in logins]
    lines += ["", "Ctrl-C stops everything; `make demo` goes on where it was."]
    width = max(map(len, lines))
    edge = f"+{'-' * (width + 4)}+"
    return "\n".join(["", edge, *(f"|  {line:<{width}}  |" for line in lines), edge, ""])


def _logins(data: Path | None) -> list[tuple[str, str, str]]:
    try:
        entries = json.loads(_logins_file(data).read_text())
        return [(str(entry["role"]), str(entry["email"]), str(entry["password"])) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def demo_runs() -> bool:
    """Whether the demo of this checkout runs now."""
    with contextlib.suppress(FileNotFoundError), (VAR / "demo.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


@contextlib.contextmanager
def demo_servers(data: Path | None) -> Iterator[Servers]:
    """The demo's servers: the running ones, or started for as long as needed."""
    running = places.remembered()
    if demo_runs() and running is not None:
        yield running_servers(running, data)
        return
    servers = start_demo_servers(data)
    try:
        yield servers
    finally:
        servers.stop()


def run_with_demo(command: list[str], *, data: str | None) -> int:
    """Run a command of somebody's own against the demo's data, for example `manage.py audit_ledger`."""
    folder = checked_data(data)
    ports = {"port": 8000, "mail_port": free_port()}
    if demo_runs():
        with contextlib.suppress(OSError, ValueError):
            ports = json.loads(_ports_file().read_text())
    with demo_servers(folder) as servers:
        if servers.postgres is not None and not servers.postgres.database_exists(demo_database(folder)):
            raise LocalProblem(
                f"There are no demo data yet. Make them first: make demo{f' DATA={folder}' if folder else ''}"
            )
        env = demo_environment(servers, **ports, data=folder)
        with undisturbed():
            return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode

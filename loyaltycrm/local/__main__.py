"""`python -m loyaltycrm.local`: the demo, the tests and the local mailbox. `make help` names the usual ways in."""

import argparse
import errno
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from loyaltycrm.local.checking import check, compile_texts
from loyaltycrm.local.demo import demo, run_with_demo
from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.local.place import ROOT
from loyaltycrm.local.servers import test_servers


def main(arguments: list[str] | None = None) -> int:
    """Do what the first word says; whatever goes wrong on this machine is one sentence and 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        if options.what == "demo":
            return demo(port=_port(options.port), data=options.data)
        if options.what == "run":
            return run_with_demo(options.command, data=options.data)
        if options.what == "test":
            return _test(options.arguments)
        if options.what == "check":
            return check()
        if options.what == "compile-texts":
            compile_texts()
            return 0
        return _mailbox(options.port, options.folder)
    except LocalProblem as problem:
        print(f"\n{problem}", file=sys.stderr)
    except PermissionError as refusal:
        print(
            f"\n{refusal.filename} cannot be written. It may belong to another user: run `make clean` as that user, "
            "or give the folder back with chown.",
            file=sys.stderr,
        )
    except OSError as failure:
        if failure.errno != errno.ENOSPC:
            raise
        print("\nThe disk is full. Free some space, or set TMPDIR to a folder on a larger disk.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loyaltycrm.local", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    show = commands.add_parser("demo", help="run the sample shop until Ctrl-C")
    show.add_argument("--port", default="8000")
    show.add_argument("--data", help="a folder of one's own purchases, instead of the sample shop")
    run = commands.add_parser("run", help="run a command on the demo's data, for example: run manage.py audit_ledger")
    run.add_argument("--data")
    run.add_argument("command", nargs=argparse.REMAINDER)
    test = commands.add_parser("test", help="run pytest with servers of its own")
    test.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("check", help="judge the code")
    commands.add_parser("compile-texts", help="write the compiled translations")
    mailbox = commands.add_parser("mailbox", help="keep every mail that is sent to a port")
    mailbox.add_argument("--port", type=int, required=True)
    mailbox.add_argument("--folder", type=Path, required=True)
    return parser


def _port(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise LocalProblem(f"PORT={text} is not a port. Choose a number from 1024 to 65535.") from error


def _test(arguments: list[str]) -> int:
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    with test_servers() as servers:
        env = {
            **os.environ,
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "DJANGO_SETTINGS_MODULE": "loyaltycrm.settings",
        }
        # Its hundred processes are to find the code compiled.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "pytest", *arguments]
        with subprocess.Popen(command, cwd=ROOT, env=env) as running:

            def pass_on(number: int, frame: FrameType | None) -> None:
                if number == signal.SIGTERM:
                    running.terminate()

            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, pass_on)
            return running.wait()


def _mailbox(port: int, folder: Path) -> int:
    done = threading.Event()
    server = MailServer(folder, port=port)
    server.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    print(f"Mails sent to 127.0.0.1:{port} are kept in {folder}", flush=True)
    done.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

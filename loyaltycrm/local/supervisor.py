"""Run several programs at once: prefix what they say, notice who dies, stop them in order."""

import contextlib
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.place import ROOT
from loyaltycrm.local.processes import Program

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE_SECONDS = 25
_LAST_WORDS = 100
_COLOURS = {"web": 36, "worker": 33, "beat": 35, "mailbox": 32}


class Stopped(BaseException):
    """Somebody pressed Ctrl-C or asked the supervisor to end."""


def _raise_stopped(number: int, frame: FrameType | None) -> None:
    raise Stopped


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into `Stopped`."""
    before = {number: signal.signal(number, _raise_stopped) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[Callable[[], bool]]:
    """Let the stopping finish; gives a function that tells whether somebody pressed Ctrl-C again meanwhile."""
    impatient: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: impatient.append(number)) for number in _SIGNALS}
    try:
        yield lambda: bool(impatient)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Supervisor:
    """The programs of one demo, started together and stopped together."""

    def __init__(self, env: dict[str, str], *, out: IO[str] = sys.stdout) -> None:
        self.env = env
        self.out = out
        self.programs: list[Program] = []
        self._selector = selectors.DefaultSelector()
        self._unfinished: dict[str, bytes] = {}
        self._patience_seconds: dict[str, float] = {}

    def say(self, sentence: str) -> None:
        """Print it; a terminal that is gone must not keep the programs from being stopped."""
        with contextlib.suppress(OSError):
            print(sentence, file=self.out, flush=True)

    def start(
        self, name: str, command: Sequence[str | Path], *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> Program:
        """Start a program; when all is stopped it has `patience_seconds` to finish what it is doing."""
        program = Program(name, command, env=self.env, cwd=ROOT)
        if program.output is not None:
            os.set_blocking(program.output.fileno(), False)
            self._selector.register(program.output, selectors.EVENT_READ, name)
        self.programs.append(program)
        self._patience_seconds[name] = patience_seconds
        return program

    def run_to_end(self, name: str, command: Sequence[str | Path]) -> None:
        """Run one command to its end. Raises `LocalProblem` when it fails."""
        program = self.start(name, command)
        while program.alive():
            self.pump(0.1)
        self._last_words()
        self._forget(program)
        if program.process.returncode:
            raise LocalProblem(f"The step '{name}' {program.ending()}; what it said is above.")

    def wait_until(self, ready: Callable[[], bool], *, what: str, seconds: float) -> None:
        """Pump until `ready`. Raises `LocalProblem` when a program dies or it takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.pump(0.1)
            self.raise_if_one_died()
            if time.monotonic() > deadline:
                raise LocalProblem(f"{what} within {seconds:.0f} s; what the programs said is above.")

    def watch(self) -> None:
        """Show what the programs say until one dies (`LocalProblem`) or somebody stops us (`Stopped`)."""
        while True:
            self.pump(0.5)
            self.raise_if_one_died()

    def raise_if_one_died(self) -> None:
        for program in self.programs:
            if not program.alive():
                self._last_words()
                raise LocalProblem(f"The {program.name} {program.ending()}, so the rest was stopped too.")

    def _last_words(self) -> None:
        """Print what is still in the pipes, of those that have ended too."""
        for _turn in range(_LAST_WORDS):
            if not self.pump(0):
                return

    def pump(self, seconds: float) -> bool:
        """Print complete lines that came within `seconds`, each with the name of who said it; whether any came."""
        if not self._selector.get_map():
            time.sleep(seconds)
            return False
        something = False
        for key, _events in self._selector.select(seconds):
            chunk = os.read(key.fd, 65536)
            something = something or bool(chunk)
            if not chunk:
                self._selector.unregister(key.fileobj)
            *lines, rest = (self._unfinished.pop(key.data, b"") + chunk).split(b"\n")
            if rest and not chunk:
                lines, rest = [*lines, rest], b""
            if rest:
                self._unfinished[key.data] = rest
            for line in lines:
                self.say(self._prefix(key.data) + line.decode(errors="replace"))
        return something

    def _prefix(self, name: str) -> str:
        label = f"{name:<8}| "
        return f"\x1b[{_COLOURS.get(name, 34)}m{label}\x1b[0m" if self.out.isatty() else label

    def _forget(self, program: Program) -> None:
        self.programs.remove(program)
        self._end(program, seconds=10)

    def _end(self, program: Program, *, seconds: float) -> None:
        if program.output and program.output in {key.fileobj for key in self._selector.get_map().values()}:
            self._selector.unregister(program.output)
        program.stop(seconds=seconds)

    def stop(self, *, impatient: Callable[[], bool] = lambda: False) -> None:
        """Ask all to finish what they are doing, wait, and kill who does not; a second Ctrl-C kills at once."""
        for program in self.programs:
            program.ask_to_stop()
        began = time.monotonic()
        while any(program.alive() for program in self.programs) and not impatient():
            self.pump(0.1)
            for program in self.programs:
                if program.alive() and time.monotonic() - began > self._patience_seconds[program.name]:
                    self._end(program, seconds=0.1)
        self._last_words()
        for program in self.programs:
            self._end(program, seconds=0.1)
        self.programs.clear()
        self._selector.close()

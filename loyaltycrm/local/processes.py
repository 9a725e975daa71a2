"""Starting programs so that none is left behind, and stopping them in good order."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.machine import ServerUser

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _follow_parent(goodbye: int, parent: int) -> Callable[[], None]:
    """On Linux, have the kernel send `goodbye` when the parent dies, even by kill -9."""

    def before_exec() -> None:
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, goodbye)
            if os.getppid() != parent:
                os.kill(os.getpid(), goodbye)

    return before_exec


class Program:
    """One program of ours in its own session, so that Ctrl-C at the terminal reaches only who started it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log: Path | None = None,
        user: ServerUser | None = None,
        goodbye: int = signal.SIGTERM,
    ) -> None:
        """Start it. Its output goes to the file `log`, or to `self.output` (a pipe) without one."""
        self.name = name
        self.goodbye = goodbye
        self.log_path = log
        target = log.open("ab") if log else subprocess.PIPE
        try:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_follow_parent(goodbye, os.getpid()),  # noqa: PLW1509 - it only calls prctl
                user=user.uid if user else None,
                group=user.gid if user else None,
                extra_groups=[] if user else None,
            )
        except OSError as refusal:
            raise LocalProblem(f"The {name} could not be started: {refusal.strerror or refusal}.") from refusal
        finally:
            if not isinstance(target, int):
                target.close()
        self.output = self.process.stdout

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def log(self) -> str:
        """What it has written so far, when it writes to a file."""
        return self.log_path.read_text(errors="replace") if self.log_path else ""

    def children(self) -> list[psutil.Process]:
        """Everything it started, for example the pool of a worker."""
        with contextlib.suppress(psutil.NoSuchProcess):
            found: list[psutil.Process] = psutil.Process(self.pid).children(recursive=True)
            return found
        return []

    def wait_for(self, text: str, *, seconds: float = 30) -> None:
        """Wait until its log holds `text`. Raises `LocalProblem` with the end of the log when it dies or is late."""
        self.wait_until(lambda: text in self.log(), what=f"said '{text}'", seconds=seconds)

    def wait_until(self, ready: Callable[[], bool], *, what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.alive():
                raise LocalProblem(f"The {self.name} {self.ending()} before it {what}.\n{self.log()[-2000:]}")
            if time.monotonic() > deadline:
                raise LocalProblem(f"The {self.name} has not {what} within {seconds:.0f} s.\n{self.log()[-2000:]}")
            time.sleep(0.02)

    def ending(self) -> str:
        """How it ended, in words."""
        code = self.process.poll()
        if code is None:
            return "is running"
        if code < 0:
            return f"was stopped by {signal.Signals(-code).name}"
        return f"ended with code {code}"

    def ask_to_stop(self) -> None:
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(self.goodbye)

    def stop(self, *, seconds: float = 20) -> None:
        """Ask it to stop, wait, then kill it and whatever it left behind. Safe to repeat."""
        left_behind = self.children()
        self.ask_to_stop()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            left_behind += self.children()
            self.process.kill()
            self.process.wait()
        self._kill_group()
        _kill(left_behind)
        if self.output:
            self.output.close()

    def kill(self) -> None:
        """Kill -9 the program and everything it started, as a power cut would."""
        victims = self.children()
        self.process.kill()
        self.process.wait()
        self._kill_group()
        _kill(victims)

    def _kill_group(self) -> None:
        """End what is left of its session, even where the parent died first and its children are nobody's."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)

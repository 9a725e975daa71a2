"""The supervisor: what it says, who dies, and that nobody is left."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.place import ROOT, short_folder
from loyaltycrm.local.processes import Program
from loyaltycrm.local.supervisor import Supervisor

_LINGER = "import time; print('up', flush=True); time.sleep(600)"
_STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_LINGER}"
_PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_LINGER!r}]); {_LINGER}"


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def _supervisor() -> Supervisor:
    return Supervisor(dict(os.environ), out=io.StringIO())


def _said(supervisor: Supervisor) -> str:
    assert isinstance(supervisor.out, io.StringIO)
    return supervisor.out.getvalue()


def _wait_until_gone(pids: list[int], *, seconds: float = 120) -> list[int]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(_lives(pid) for pid in pids):
            return []
        time.sleep(0.05)
    return [pid for pid in pids if _lives(pid)]


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_every_line_carries_the_name_of_who_said_it() -> None:
    supervisor = _supervisor()
    supervisor.run_to_end("first", _python("print('one'); print('two'); print('three', end='')"))
    assert _said(supervisor) == "first   | one\nfirst   | two\nfirst   | three\n"


def test_the_last_words_are_printed_however_many() -> None:
    supervisor = _supervisor()
    supervisor.run_to_end("step", _python("print('y\\n' * 30_000)"))
    assert _said(supervisor).count("y") == 30_000


def test_a_step_that_fails_is_a_sentence() -> None:
    supervisor = _supervisor()
    with pytest.raises(LocalProblem, match="The step 'migrate' ended with code 3; what it said is above"):
        supervisor.run_to_end("migrate", _python("print('no table'); raise SystemExit(3)"))
    assert "migrate | no table" in _said(supervisor)
    assert supervisor.programs == []


@pytest.mark.parametrize(("code", "words"), [("raise SystemExit(2)", "ended with code 2"), (_LINGER, "SIGKILL")])
def test_when_one_dies_it_is_named_and_the_rest_is_stopped(code: str, words: str) -> None:
    supervisor = _supervisor()
    lingering = supervisor.start("web", _python(_LINGER))
    dying = supervisor.start("worker", _python(code))
    if code == _LINGER:
        dying.process.kill()
    with pytest.raises(LocalProblem, match=rf"The worker .*{words}, so the rest was stopped too"):
        supervisor.watch()
    supervisor.stop()
    assert _wait_until_gone([lingering.pid, dying.pid]) == []


def test_a_terminal_that_is_gone_does_not_keep_the_programs_from_being_stopped() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w", buffering=1) as gone:
        supervisor = Supervisor(dict(os.environ), out=gone)
        program = supervisor.start("web", _python(_LINGER))
        supervisor.pump(2)
        supervisor.say("Stopping…")
        supervisor.stop()
        assert program.process.returncode == -signal.SIGTERM
        with contextlib.suppress(OSError):
            gone.close()


def test_stopping_is_gentle_first() -> None:
    supervisor = _supervisor()
    polite = (
        "import signal, sys, time\n"
        "def finish(*_):\n    print('finished the task', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, finish)\nprint('up', flush=True)\ntime.sleep(600)"
    )
    program = supervisor.start("worker", _python(polite))
    supervisor.wait_until(lambda: "up" in _said(supervisor), what="It did not start", seconds=300)
    supervisor.stop()
    assert "worker  | finished the task" in _said(supervisor)
    assert program.process.returncode == 0


def test_who_does_not_stop_in_time_is_killed_and_the_others_are_waited_for() -> None:
    supervisor = _supervisor()
    slow = (
        "import signal, sys, time\n"
        "def finish(*_):\n    time.sleep(2)\n    print('finished', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, finish)\nprint('up', flush=True)\ntime.sleep(600)"
    )
    stubborn = supervisor.start("beat", _python(_STUBBORN), patience_seconds=0.5)
    patient = supervisor.start("worker", _python(slow))
    supervisor.wait_until(lambda: _said(supervisor).count("up") == 2, what="They did not start", seconds=300)
    supervisor.stop()
    assert (stubborn.process.returncode, patient.process.returncode) == (-signal.SIGKILL, 0)
    assert "worker  | finished" in _said(supervisor)


def test_a_second_ctrl_c_does_not_wait_for_the_stubborn() -> None:
    supervisor = _supervisor()
    program = supervisor.start("worker", _python(_STUBBORN), patience_seconds=100_000)
    supervisor.wait_until(lambda: "up" in _said(supervisor), what="It did not start", seconds=300)
    supervisor.stop(impatient=lambda: True)
    assert program.process.returncode == -signal.SIGKILL


def test_children_of_a_program_that_was_killed_go_too(tmp_path: Path) -> None:
    program = Program("parent", _python(_PARENT), log=tmp_path / "log")
    program.wait_until(lambda: len(program.children()) == 1, what="had a child", seconds=300)
    (child,) = program.children()
    program.process.kill()
    program.process.wait()
    assert child.is_running()
    program.stop()
    assert _wait_until_gone([child.pid]) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_nothing_survives_when_the_supervisor_itself_is_killed() -> None:
    script = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from loyaltycrm.local.postgres import Postgres
        from loyaltycrm.local.processes import Program
        from loyaltycrm.local.redis import Redis
        home = Path(sys.argv[1])
        servers = [Postgres(home), Redis(home / "r")]
        for server in servers:
            server.start()
        other = Program("other", [sys.executable, "-c", {_LINGER!r}], log=home / "log")
        print(*[server.program.pid for server in servers], other.pid, flush=True)
        time.sleep(600)
        """
    )
    home = short_folder("killed")
    running = subprocess.Popen(
        [sys.executable, "-c", script, str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True, stderr=subprocess.STDOUT
    )
    assert running.stdout is not None
    pids = [int(word) for word in running.stdout.readline().split()]
    assert len(pids) == 3
    assert all(map(_lives, pids))
    running.kill()
    running.wait()
    running.stdout.close()
    assert _wait_until_gone(pids) == []
    shutil.rmtree(home)

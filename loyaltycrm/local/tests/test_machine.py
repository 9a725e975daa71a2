"""Ports, disk, folders: each thing that can be in the way is one sentence that says what to do."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from loyaltycrm.local import demo, machine, place, postgres, redis
from loyaltycrm.local.__main__ import main
from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.place import ROOT
from loyaltycrm.local.postgres import Postgres
from loyaltycrm.local.servers import Servers


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def private_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`var/local` of a checkout that is not this one."""
    var = tmp_path / "var" / "local"
    for module in (place, demo):
        monkeypatch.setattr(module, "VAR", var)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return var


def test_a_port_in_use_is_named_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalProblem, match=f"Port {port} is in use.*make demo PORT={port + 1}"):
            machine.need_port(port)
    machine.need_port(port)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "eight", "8000.5", ""])
def test_a_port_that_is_none_is_refused_before_anything_starts(
    port: str, private_var: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--port", port] if not port.startswith("-") else ["demo", f"--port={port}"]) == 1
    assert f"PORT={port} is not a port" in capsys.readouterr().err
    assert not private_var.exists()


def test_a_full_disk_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: _Usage(10**9, 10**9 - 5_000_000, 5_000_000))
    with pytest.raises(LocalProblem, match=r"Only 5 MB are free in .*1000 MB are needed.*TMPDIR"):
        machine.need_disk(tmp_path, 1000)
    machine.need_disk(tmp_path, 5)


def test_a_disk_that_fills_up_while_the_database_is_made_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "initdb: error: could not write: No space left on device"
    answer = subprocess.CompletedProcess([], 1, stdout="", stderr=said)
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: answer)
    with pytest.raises(LocalProblem, match="The disk is full"):
        Postgres(Path("/tmp") / f"none-{os.getpid()}")._create(Path("/nowhere"))


@pytest.mark.parametrize(
    ("find", "words"),
    [(postgres._wheel, "Install PostgreSQL 15 or later"), (redis._binary, "Install Redis 7")],
)
def test_a_platform_without_a_wheel_is_told_what_to_install(
    find: "type[object]", words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "find_spec", lambda name: None)
    monkeypatch.setattr(redis, "find_spec", lambda name: None)
    with pytest.raises(LocalProblem, match=words):
        find()


def test_a_temporary_folder_too_deep_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalProblem, match="too long for a socket"):
        Postgres(tmp_path / ("deep" * 30))


def test_data_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--port", "8000", "--data", "/no/such folder"]) == 1
    assert "There is no folder /no/such folder" in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the peak")
def test_the_peak_of_a_process_is_not_that_of_the_one_that_started_it() -> None:
    megabytes = 200
    held = bytearray(megabytes << 20)
    told = subprocess.run(
        [sys.executable, "-c", "from loyaltycrm.local.machine import peak_megabytes; print(peak_megabytes())"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert len(held) >> 20 == megabytes
    assert 0 < float(told.stdout) < megabytes / 2


def test_a_second_demo_of_one_checkout_is_told_where_the_first_is(private_var: Path) -> None:
    with demo.only_one(8123):
        assert demo.demo_runs()
        with pytest.raises(LocalProblem, match=r"already runs at http://127\.0\.0\.1:8123/"), demo.only_one(8124):
            pass
    assert not demo.demo_runs()
    with demo.only_one(8124):
        pass


def test_a_second_start_finds_the_place_of_the_first(private_var: Path) -> None:
    first = place.resume_or_make()
    assert place.resume_or_make() == first
    assert first.folder.stat().st_mode & 0o777 == 0o700
    assert (private_var / "place.json").stat().st_mode & 0o777 == 0o600


def test_a_copied_checkout_gets_a_place_of_its_own_and_a_moved_one_keeps_it(
    private_var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tmp_path
    monkeypatch.setattr(place, "ROOT", original)
    first = place.resume_or_make()
    monkeypatch.setattr(place, "ROOT", tmp_path / "copy")
    monkeypatch.setattr(place, "VAR", tmp_path / "copy" / "var" / "local")
    shutil.copytree(private_var, place.VAR)
    assert place.resume_or_make().home != first.home
    (private_var / "place.json").rename(place.VAR / "place.json")
    assert place.resume_or_make().home == first.home


@pytest.mark.parametrize("damage", ["folder gone", "note unreadable", "folder is a link"])
def test_a_place_that_is_gone_or_strange_is_made_anew(private_var: Path, tmp_path: Path, damage: str) -> None:
    first = place.resume_or_make()
    if damage == "folder gone":
        first.folder.rmdir()
    elif damage == "note unreadable":
        (private_var / "place.json").write_text("{")
    else:
        first.folder.rmdir()
        first.folder.symlink_to(tmp_path)
    assert place.resume_or_make().home != first.home


def test_what_our_own_postgres_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = place.short_folder("seen")
    server = Postgres(home)
    try:
        server.start()
        with server.connect("postgres") as connection:
            row = connection.execute(
                "SELECT current_setting('listen_addresses'), current_setting('fsync'), lower('ĶŪЁ'), "
                "current_setting('server_version_num')::int >= 150000, current_setting('server_encoding')"
            ).fetchone()
        assert row == ("", "on", "ķūё", True, "UTF8")
        assert home.stat().st_mode & 0o007 == 0
        assert server.program is not None
        if os.geteuid() == 0:
            assert Path(f"/proc/{server.program.pid}").stat().st_uid != 0
    finally:
        server.stop()
        shutil.rmtree(home)


def test_no_folder_on_the_way_to_the_checkout_is_opened_and_no_user_is_added() -> None:
    modes = {folder: folder.stat().st_mode for folder in (ROOT, *ROOT.parents)}
    users = Path("/etc/passwd").read_bytes()
    home = place.short_folder("closed")
    server = Postgres(home)
    try:
        server.start()
    finally:
        server.stop()
        shutil.rmtree(home)
    assert {folder: folder.stat().st_mode for folder in modes} == modes
    assert Path("/etc/passwd").read_bytes() == users


def test_the_logins_stand_in_the_box(private_var: Path) -> None:
    private_var.mkdir(parents=True)
    (private_var / "logins-demo.json").write_text(
        '[{"role": "Manager", "email": "maria@demo.example", "password": "let me in"}]'
    )
    lines = demo.welcome(8123, None).strip().splitlines()
    assert any("http://127.0.0.1:8123/" in line for line in lines)
    assert any("Manager  maria@demo.example  let me in" in line for line in lines)
    assert len({len(line) for line in lines}) == 1


def test_the_mail_of_the_demo_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch, private_var: Path) -> None:
    monkeypatch.setenv("EMAIL_HOST", "smtp.example.com")
    monkeypatch.setenv("EMAIL_USE_TLS", "true")
    servers = Servers("postgres://x/y", "redis://z/0")
    env = demo.demo_environment(servers, port=8123, mail_port=2525, data=None)
    assert (env["EMAIL_HOST"], env["EMAIL_PORT"], env["EMAIL_USE_TLS"]) == ("127.0.0.1", "2525", "false")


def test_the_mailbox_program_stops_when_asked(tmp_path: Path) -> None:
    port = machine.free_port()
    command = [sys.executable, "-m", "loyaltycrm.local", "mailbox", "--port", str(port), "--folder", str(tmp_path)]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert str(port) in running.stdout.readline()
    running.terminate()
    assert running.wait(300) == 0
    running.stdout.close()

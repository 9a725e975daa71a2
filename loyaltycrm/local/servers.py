"""The database and Redis that a command works with: those the environment names, or our own."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loyaltycrm.local import place as places
from loyaltycrm.local.machine import need_disk
from loyaltycrm.local.postgres import Postgres
from loyaltycrm.local.redis import Redis

_NEEDED_MEGABYTES = 1000


@dataclass
class Servers:
    """Where the data are. A server of ours is there to be stopped; one that the environment names is None."""

    database_url: str
    redis_url: str
    postgres: Postgres | None = None
    redis: Redis | None = None

    def stop(self) -> None:
        for server in (self.redis, self.postgres):
            if server:
                server.stop()


def demo_database(data: Path | None) -> str:
    """The name of the demo's database: one for the sample shop, another for each folder of somebody's own data."""
    return f"demo_{hashlib.sha256(str(data).encode()).hexdigest()[:8]}" if data else "demo"


def _redis_number(data: Path | None) -> int:
    return int(hashlib.sha256(str(data).encode()).hexdigest(), 16) % 15 + 1 if data else 0


def running_servers(place: places.Place, data: Path | None) -> Servers:
    """The demo's servers while the demo itself runs them."""
    own_postgres = Postgres(place.folder)
    own_redis = Redis(place.folder / "redis", port=place.redis_port, password=place.redis_password)
    wanted_database, wanted_redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    return Servers(
        wanted_database or own_postgres.url(demo_database(data)),
        wanted_redis or own_redis.url(_redis_number(data)),
        None if wanted_database else own_postgres,
        None if wanted_redis else own_redis,
    )


def start_demo_servers(data: Path | None) -> Servers:
    """Start what the environment does not name, on the data of the last start."""
    wanted_database, wanted_redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if wanted_database and wanted_redis:
        return Servers(wanted_database, wanted_redis)
    need_disk(Path(tempfile.gettempdir()), _NEEDED_MEGABYTES)
    place = places.resume_or_make()
    servers = Servers(wanted_database or "", wanted_redis or "")
    try:
        if not wanted_database:
            servers.postgres = Postgres(place.folder)
            servers.postgres.start()
            servers.database_url = servers.postgres.url(demo_database(data))
        if not wanted_redis:
            servers.redis = Redis(place.folder / "redis", port=place.redis_port, password=place.redis_password)
            servers.redis.start()
            servers.redis_url = servers.redis.url(_redis_number(data))
    except BaseException:
        servers.stop()
        raise
    return servers


@contextlib.contextmanager
def test_servers() -> Iterator[Servers]:
    """Fresh servers in a folder that is removed afterwards; quick rather than safe against a power cut."""
    wanted_database, wanted_redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    servers = Servers(wanted_database or "", wanted_redis or "")
    need_disk(Path(tempfile.gettempdir()), _NEEDED_MEGABYTES)
    home = places.short_folder("test")
    try:
        if not wanted_database:
            servers.postgres = Postgres(home, durable=False)
            servers.postgres.start()
            servers.database_url = servers.postgres.url("shop")
        if not wanted_redis:
            servers.redis = Redis(home / "redis")
            servers.redis.start()
            servers.redis_url = servers.redis.url()
        yield servers
    finally:
        servers.stop()
        shutil.rmtree(home, ignore_errors=True)

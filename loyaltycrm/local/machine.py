"""What this machine offers: ports, disk, and a user that servers may run as."""

import errno
import os
import pwd
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from loyaltycrm.local.errors import LocalProblem

_UNPRIVILEGED = ("nobody", "daemon", "bin")


@dataclass(frozen=True)
class ServerUser:
    """Who the local servers run as: nobody else's business where we are a plain user."""

    uid: int
    gid: int


def server_user() -> ServerUser | None:
    """The unprivileged user for PostgreSQL and Redis when we are root, since PostgreSQL refuses root; else None.

    No user is added: initdb needs one that the system can name, and `nobody` is always there.
    """
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(found.pw_uid, found.pw_gid)
    raise LocalProblem(
        "PostgreSQL does not run as root and this system has no user 'nobody'. Run this as a plain user, "
        "or set DATABASE_URL and REDIS_URL to servers that already run."
    )


def free_port() -> int:
    """A loopback port that nothing listens on at this moment.

    It lies below those that systems give to outgoing connections, one of which could take it before it is used.
    """
    while not port_is_free(port := 10_000 + secrets.randbelow(22_000)):
        pass
    return port


def port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as refusal:
            if refusal.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def need_port(port: int) -> None:
    """Raise `LocalProblem` when the address of the site is taken."""
    if not 1 <= port <= 65535:
        raise LocalProblem(f"PORT={port} is not a port. Choose a number from 1024 to 65535.")
    if port < 1024 and os.geteuid() != 0:
        raise LocalProblem(f"Ports below 1024 are for root only. Choose another, for example: make demo PORT={8000}")
    if not port_is_free(port):
        raise LocalProblem(
            f"Port {port} is in use by another program. Stop that program, or choose another port: "
            f"make demo PORT={port + 1 if port < 65535 else 8000}"
        )


def need_disk(folder: Path, megabytes: int) -> None:
    """Raise `LocalProblem` when fewer than `megabytes` are free where `folder` lies."""
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < megabytes:
        raise LocalProblem(
            f"Only {free} MB are free in {folder}, and {megabytes} MB are needed. "
            "Free some space there, or set TMPDIR to a folder on a larger disk, and try again."
        )


def peak_megabytes() -> float:
    """The most memory that this process held at once; Linux only.

    `getrusage` would give at least what the process that started this one held at that time.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024

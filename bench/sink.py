"""A mail server in a process of its own that takes every mail and keeps none."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import time
from collections.abc import Iterator
from typing import Any

from loyaltycrm.local.machine import free_port
from loyaltycrm.local.mailserver import MailServer, Received

_READY_WITHIN_SECONDS = 60


class _Sink(MailServer):
    def keep(self, mail: Received) -> None:
        """It was taken; that is all."""


def _serve(port: int, ends: Any) -> None:
    server = _Sink(port=port)
    server.start()
    ends.wait()
    server.stop()


@contextlib.contextmanager
def sink() -> Iterator[tuple[str, int]]:
    """Its host and port, once it answers."""
    context = multiprocessing.get_context("fork")
    port, ends = free_port(), context.Event()
    process = context.Process(target=_serve, args=(port, ends), daemon=True)
    process.start()
    try:
        _wait_for(port)
        yield "127.0.0.1", port
    finally:
        ends.set()
        process.join(timeout=10)
        process.kill()


def _wait_for(port: int) -> None:
    until = time.monotonic() + _READY_WITHIN_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return

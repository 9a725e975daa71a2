"""Whether a kept connection still lives, told by its socket: the question of Django costs each request a message."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """A server that ends a connection says so on it. So where nothing waits to be read, it need not be asked."""

    def is_usable(self) -> bool:
        """Whether a statement can be sent; asks the server only in a transaction, and where it has said something."""
        if self.connection is None or self.connection.closed:
            return False
        if self.connection.info.transaction_status != TransactionStatus.IDLE:
            return bool(super().is_usable())
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN | select.POLLPRI)
        return not poll.poll(0) or bool(super().is_usable())

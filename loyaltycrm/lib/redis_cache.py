"""Django's cache in Redis, with one client for all requests and counters that count by one message."""

from __future__ import annotations

from typing import Any, Final

from django.core.cache.backends import redis as django_redis

_INCREASED: Final = """
    if redis.call('EXISTS', KEYS[1]) == 0 then return false end
    return redis.call('INCRBY', KEYS[1], ARGV[1])"""


class _Client(django_redis.RedisCacheClient):
    """Django makes a client for each call, and asks whether a counter is there before it counts."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._clients: dict[int, Any] = {}
        self._increased: Any = None

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        """The client of the server for this; safe among threads and after a fork, as its pool is."""
        own: Any = self
        pool = own._get_connection_pool(write)  # noqa: SLF001 - as the method that this one replaces
        client = self._clients.get(id(pool))
        if client is None:
            client = self._clients[id(pool)] = super().get_client(key, write=write)
        return client

    def incr(self, key: Any, delta: int) -> int:
        """Add to a counter; raises `ValueError` where there is none."""
        client = self.get_client(key, write=True)
        if self._increased is None:
            self._increased = client.register_script(_INCREASED)
        count = self._increased(keys=[key], args=[delta], client=client)
        if count is None:
            raise ValueError(f"There is no counter {key!r}.")
        return int(count)


class RedisCache(django_redis.RedisCache):
    """The cache of an installation."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client

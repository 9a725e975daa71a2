"""How often a key may ask: counted in Redis, where every process of the site sees it, in small bundles."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from loyaltycrm.core.api.errors import ApiError

logger = logging.getLogger("loyaltycrm.api")
WINDOW_SECONDS: Final = 60
WITHOUT_REDIS_SECONDS: Final = 30
# A process counts this many requests of a key at once, or a hundredth of the limit where that is less: to ask Redis for
# each costs as much as a statement. So a key can be refused a few requests early, never late.
_LARGEST_BUNDLE: Final = 10


class _Redis:
    """When Redis was last seen to be away: it is left alone for a while, so that no till waits for it."""

    away_until = 0.0


class InHand:
    """What is left of the bundle of each key, in this process and the window of time that it was counted in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[int, tuple[int, int]] = {}

    def take(self, key_id: int, window: int) -> bool:
        """Use one request of the bundle; False where none is left."""
        with self._lock:
            of_window, left = self._left.get(key_id, (window, 0))
            if of_window != window or not left:
                return False
            self._left[key_id] = (window, left - 1)
            return True

    def add(self, key_id: int, window: int, requests: int) -> None:
        """Put so many into the bundle of this window."""
        with self._lock:
            of_window, left = self._left.get(key_id, (window, 0))
            self._left[key_id] = (window, requests + (left if of_window == window else 0))


_in_hand = InHand()


def refuse_too_many(key_id: int) -> None:
    """Count a request with this key; raises `ApiError` beyond the limit. Without Redis nobody is refused."""
    limit: int = settings.API_REQUESTS_PER_MINUTE
    window, passed = divmod(int(time.time()), WINDOW_SECONDS)
    if not limit or _in_hand.take(key_id, window) or time.monotonic() < _Redis.away_until:
        return
    bundle = max(1, min(_LARGEST_BUNDLE, limit // 100))
    try:
        before = _counted(f"api:{key_id}:{window}", bundle) - bundle
    except (RedisError, OSError, ValueError):
        _Redis.away_until = time.monotonic() + WITHOUT_REDIS_SECONDS
        logger.warning("Redis is away: the API counts no requests for now.")
        return
    if before >= limit:
        raise ApiError(429, headers={"Retry-After": str(WINDOW_SECONDS - passed)})
    _in_hand.add(key_id, window, min(bundle, limit - before) - 1)


def _counted(name: str, requests: int) -> int:
    """How many requests there were in this window with these. The first of a window make the counter."""
    try:
        return int(cache.incr(name, requests))
    except ValueError:
        return requests if cache.add(name, requests, 2 * WINDOW_SECONDS) else int(cache.incr(name, requests))

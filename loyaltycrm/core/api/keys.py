"""Who asks: the key of a till, what it may do, and how often."""

from __future__ import annotations

import contextlib
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from django.conf import settings
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from ninja.security import HttpBearer
from redis.exceptions import RedisError

from loyaltycrm.core.api.errors import ApiError
from loyaltycrm.core.api.operations import refuse_unknown_query
from loyaltycrm.core.models import ApiKey, Scope
from loyaltycrm.lib.kept_queries import KeptQuery
from loyaltycrm.lib.tokens import hash_token

logger = logging.getLogger("loyaltycrm.api")
USE_NOTED_EVERY: Final = timedelta(minutes=1)
WINDOW_SECONDS: Final = 60
WITHOUT_REDIS_SECONDS: Final = 30


def _opened(secret_hash: str, at: datetime) -> QuerySet[ApiKey]:
    return ApiKey.objects.opened_by(secret_hash, at).select_related("store")


_OPENED: Final = KeptQuery(_opened, "hash of a secret", datetime.max.replace(tzinfo=UTC))


class TillKey(HttpBearer):
    """Lets a key in that is open and has the scope (None: any key). One query."""

    def __init__(self, scope: Scope | None = None) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        now = timezone.now()
        key = _OPENED.first(hash_token(token), now)
        if key is None:
            return None
        _speak(request, key)
        if not key.store.is_active:
            raise ApiError(403, "store_closed", _("This store is closed. Ask an admin."))
        if self.scope is not None and not key.may(self.scope):
            raise ApiError(403, "scope_missing", _("This till may not do this. Ask an admin."), field=self.scope)
        _refuse_too_many(key)
        refuse_unknown_query(request)
        if key.last_used_at is None or key.last_used_at < now - USE_NOTED_EVERY:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        return key


def _speak(request: HttpRequest, key: ApiKey) -> None:
    """Answer in the language that the request would rather have, where we speak one of its, else in that of the key."""
    language = key.language
    for wanted, _quality in parse_accept_lang_header(request.headers.get("Accept-Language", "").lower()):
        with contextlib.suppress(LookupError):
            language = translation.get_supported_language_variant(wanted)
            break
    translation.activate(language)


def key_of(request: HttpRequest) -> ApiKey:
    """The key that a request came with. Only for operations behind `TillKey`."""
    return cast(ApiKey, cast(Any, request).auth)


class _Redis:
    """When Redis was last seen to be away: it is left alone for a while, so that no till waits for it."""

    away_until = 0.0


def _counted(name: str) -> int:
    """How many requests there were in this window with this one. The first of a window makes the counter."""
    try:
        return int(cache.incr(name))
    except ValueError:
        return 1 if cache.add(name, 1, 2 * WINDOW_SECONDS) else int(cache.incr(name))


def _refuse_too_many(key: ApiKey) -> None:
    """Count this request; raises `ApiError` beyond the limit. Without Redis nobody is refused."""
    limit: int = settings.API_REQUESTS_PER_MINUTE
    window, left = divmod(int(time.time()), WINDOW_SECONDS)
    if not limit or time.monotonic() < _Redis.away_until:
        return
    name = f"api:{key.pk}:{window}"
    try:
        count = _counted(name)
    except (RedisError, OSError, ValueError):
        _Redis.away_until = time.monotonic() + WITHOUT_REDIS_SECONDS
        logger.warning("Redis is away: the API counts no requests for now.")
        return
    if count > limit:
        raise ApiError(429, headers={"Retry-After": str(WINDOW_SECONDS - left)})

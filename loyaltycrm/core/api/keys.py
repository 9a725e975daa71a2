"""Who asks: the key of a till, and what it may do."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from ninja.security import HttpBearer

from loyaltycrm.core.api.errors import ApiError
from loyaltycrm.core.api.limits import refuse_too_many
from loyaltycrm.core.api.operations import refuse_unknown_query
from loyaltycrm.core.models import ApiKey, Scope
from loyaltycrm.lib.kept_queries import KeptQuery
from loyaltycrm.lib.tokens import hash_token

USE_NOTED_EVERY: Final = timedelta(minutes=1)


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
        refuse_too_many(key.pk)
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

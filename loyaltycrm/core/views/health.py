"""Whether the site is well, for whoever watches over it. Neither page knows anything about people."""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission, allowed, public

ANSWER_SECONDS = 1


@require_safe
@public("a load balancer asks whether this process can work")
def health(request: HttpRequest) -> JsonResponse:
    """200 where database and Redis answer, else 503; says which, and no more."""
    parts = {"database": _database_answers(), "redis": _redis_answers()}
    words = {name: "ok" if well else "no answer" for name, well in parts.items()}
    return JsonResponse(words, status=200 if all(parts.values()) else 503, headers={"Cache-Control": "no-store"})


@require_safe
@public("a scraper with the METRICS_TOKEN, or a person who may see operations; a 404 for everybody else")
def metrics(request: HttpRequest) -> HttpResponse:
    """The counters of this process, in the format of Prometheus."""
    user = request.user
    may_see = isinstance(user, User) and allowed(user, Permission.SEE_OPERATIONS)
    expected = f"Bearer {settings.METRICS_TOKEN}"
    sent = request.headers.get("Authorization", "")
    if not may_see and not (settings.METRICS_TOKEN and constant_time_compare(sent, expected)):
        raise Http404
    response: HttpResponse = ExportToDjangoView(request)
    return response


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _redis_answers() -> bool:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
        ) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False

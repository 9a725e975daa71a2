"""System checks: a view without a declared permission stops the start."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import Error, Tags, register
from django.urls import URLPattern, URLResolver, get_resolver

from loyaltycrm.core.permissions import declaration


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every (route, view) of the project, nested ones included."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.callback


@register(Tags.security)
def every_view_declares_a_permission(app_configs: Any, **kwargs: Any) -> list[Error]:
    return [
        Error(
            f"The view of /{route} declares no permission.",
            hint="Decorate it with @permission(Permission.…) or @public('why').",
            id="loyaltycrm.E001",
        )
        for route, view in routes()
        if declaration(view) is None
    ]


@register(Tags.security, deploy=True)
def https_is_recognised_behind_a_proxy(app_configs: Any, **kwargs: Any) -> list[checks.Warning]:
    """With TLS ended by a proxy that is not trusted every request looks like http and is redirected without end."""
    if not settings.SECURE_SSL_REDIRECT or settings.SECURE_PROXY_SSL_HEADER is not None:
        return []
    return [
        checks.Warning(
            "Plain http is redirected to https, but BEHIND_PROXY is off.",
            hint=(
                "Behind a proxy that ends TLS set BEHIND_PROXY=true, else every page redirects to itself for ever. "
                "Where this process ends TLS itself set SILENCED_CHECKS=loyaltycrm.W001."
            ),
            id="loyaltycrm.W001",
        )
    ]


@register(Tags.security, deploy=True)
def second_step_is_asked_for(app_configs: Any, **kwargs: Any) -> list[checks.Warning]:
    """Whoever knows one password of a manager would be in."""
    if settings.DEMO or settings.REQUIRE_SECOND_FACTOR:
        return []
    return [
        checks.Warning(
            "Managers and admins log in with a password alone: REQUIRE_SECOND_FACTOR is off outside the demo.",
            hint="Take REQUIRE_SECOND_FACTOR=false out of the environment.",
            id="loyaltycrm.W002",
        )
    ]

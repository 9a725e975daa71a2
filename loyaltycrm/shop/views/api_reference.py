"""The description of the API, for whoever connects a till: a page that needs no other host, and the OpenAPI file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from loyaltycrm.core.api.reference import Group, groups_of
from loyaltycrm.core.models import Scope
from loyaltycrm.core.permissions import public
from loyaltycrm.lib.guides import Section, read_guide
from loyaltycrm.shop.api import PREFIX, api

_WHY_PUBLIC = "it describes the API and holds nothing of the shop; who builds a till reads it before there is a key"


@cache
def schema() -> dict[str, Any]:
    """The OpenAPI 3.1 description of `/api/v1/`."""
    return dict(api.get_openapi_schema(path_prefix=PREFIX))


@cache
def _reference() -> tuple[list[Section], list[Group]]:
    return read_guide(Path(settings.BASE_DIR, "docs", "api.md")), groups_of(schema())


@require_safe
@public(_WHY_PUBLIC)
def api_reference(request: HttpRequest) -> HttpResponse:
    """The guide, then every address with what it takes and answers. In English, as what it describes."""
    guide, groups = _reference()
    context = {"guide": guide, "groups": groups, "scopes": dict(Scope.choices)}
    return render(request, "shop/api_reference.html", context)


@require_safe
@public(_WHY_PUBLIC)
def openapi(request: HttpRequest) -> HttpResponse:
    """The same for machines."""
    return JsonResponse(schema(), json_dumps_params={"ensure_ascii": False})

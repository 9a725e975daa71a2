"""The API for tills and web shops, version 1: what the apps offer, under one address."""

from __future__ import annotations

from typing import Final, Literal

from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.urls import URLPattern
from ninja import NinjaAPI, Router
from pydantic import BaseModel

from customers.api import router as customers
from loyaltycrm.core.api.effects import answers
from loyaltycrm.core.api.errors import ApiError, use_error_shape
from loyaltycrm.core.api.keys import TillKey, key_of
from loyaltycrm.core.api.operations import watch_operations
from loyaltycrm.core.api.strict import StrictParser
from loyaltycrm.core.models import Company, Store
from rewards.api.memberships import router as memberships
from rewards.api.points import router as points
from rewards.api.visits import router as visits
from rewards.api.vouchers import router as vouchers

PREFIX: Final = "api/v1/"
place = Router(tags=["Shop"])


class StoreAnswer(BaseModel):
    """A store of the chain."""

    code: str
    name: str
    time_zone: str
    is_own: bool


class StoresAnswer(BaseModel):
    """The open stores; `currency` is that of all amounts."""

    currency: str
    items: list[StoreAnswer]


class HealthAnswer(BaseModel):
    """That the API can work for this key."""

    status: Literal["ok"]
    till: str
    store: str
    scopes: list[str]


@place.get("/stores", response=answers(StoresAnswer), auth=TillKey(), summary="Stores")
def stores(request: HttpRequest) -> StoresAnswer:
    """Every open store, the one of the key marked."""
    own = key_of(request).store_id
    items = [
        StoreAnswer(code=one.code, name=one.name, time_zone=one.time_zone, is_own=one.pk == own)
        for one in Store.objects.filter(is_active=True)
    ]
    return StoresAnswer(currency=Company.current().currency, items=items)


@place.get("/health", response=answers(HealthAnswer), auth=TillKey(), summary="Health")
def health(request: HttpRequest) -> HealthAnswer:
    """Whether key and database work, and what the key may do."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        raise ApiError(503) from error
    key = key_of(request)
    return HealthAnswer(status="ok", till=key.name, store=key.store.code, scopes=key.scopes)


api = NinjaAPI(
    title="loyaltycrm",
    version="1",
    urls_namespace="api",
    docs_url=None,
    openapi_url=None,
    parser=StrictParser(),
)
use_error_shape(api, fields={"receipt_id": "receipt", "amount": "net_cents", "external_id": "number"})
watch_operations(api)
api.add_router("/customers", customers)
api.add_router("/visits", visits)
api.add_router("/points", points)
api.add_router("/vouchers", vouchers)
api.add_router("/memberships", memberships)
api.add_router("", place)

# Without ninja's own root page, which would be an address that asks for no key.
urlpatterns: list[URLPattern] = [
    entry for entry in api.urls[0] if isinstance(entry, URLPattern) and entry.name != "api-root"
]

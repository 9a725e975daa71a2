"""Adjustments as tests need them."""

from __future__ import annotations

import itertools

from customers.models import Customer
from loyaltycrm.core.actions.staff import add_person
from loyaltycrm.core.models import Role, Store, User
from loyaltycrm.testing import PASSWORD
from rewards.actions.adjusting import adjust_points
from rewards.models import Adjustment, AdjustmentReason

_keys = itertools.count(1)


def adjust(customer: Customer, points: int, by: User, *, reason: str = "mistake", **more: str) -> Adjustment:
    """Adjust for the reason of this key, each time by a form of its own unless told otherwise."""
    row = AdjustmentReason.objects.get(key=reason)
    given = {"note": "The till counted it twice", "key": f"k{next(_keys)}", **more}
    return adjust_points(customer=customer, points=points, reason=row, by=by, **given)


def second_manager(name: str = "Ilona Balode") -> User:
    """A manager beside Dace, of every store."""
    email = f"{name.split(maxsplit=1)[0].lower()}@example.com"
    stores = Store.objects.all()
    return add_person(email=email, name=name, role=Role.MANAGER, stores=stores, password=PASSWORD, by=None)


def asked_for(customer: Customer, points: int) -> Adjustment:
    """Points that somebody asked for and nobody has decided about."""
    return adjust(customer, points, second_manager("Zane Ozola"))

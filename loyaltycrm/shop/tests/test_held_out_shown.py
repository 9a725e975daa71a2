"""Staff see on the profile that a household was drawn to get no offers, and until when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from django.test import Client

from customers.models import Customer
from customers.segments import members_of
from loyaltycrm.core.models import Company, User
from rewards.models import HoldOut, HoldOutPlace

pytestmark = pytest.mark.django_db


def test_the_profile_says_so_for_the_whole_household(
    ilze: Customer, peteris: Customer, anna: Customer, dace: User, signed_in: Callable[[User], Client]
) -> None:
    """Ilze was drawn; Pēteris shares her address."""
    today = Company.current().today()
    standing = HoldOut.objects.create(starts_on=today, through=date(2190, 12, 31), percent=5, seed=1)
    for customer, drawn in ((ilze, True), (anna, False)):
        HoldOutPlace.objects.create(
            hold_out=standing,
            customer=customer,
            household=customer.pk,
            is_held_out=drawn,
            could_get=True,
            placed_on=today,
        )
    browser = signed_in(dace)
    for customer, shown in ((ilze, True), (peteris, True), (anna, False)):
        page = browser.get(f"/customers/{customer.pk}/").content.decode()
        assert ("Held out of offers until: 31 December 2190" in page) is shown
    assert set(members_of({"held_out": {"is": True}})) == {ilze}

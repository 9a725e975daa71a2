"""Households that staff put together: one with those who share an email or phone, for offers too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from customers.actions.households import leave_household, link_household
from customers.models import Customer, HouseholdMember
from customers.queries import household_of, household_ties, households
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, User
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge

pytestmark = pytest.mark.django_db


def together(*people: Customer) -> bool:
    """Whether all of them are one household, and as the profile of each tells it."""
    by_draw = len(set(households([one.pk for one in people]).values())) == 1
    by_profile = all({*people} <= {one, *household_of(one)} for one in people)
    assert by_draw == by_profile
    return by_draw


def place_of(customer: Customer) -> HouseholdMember:
    return HouseholdMember.objects.standing().get(customer=customer)


def test_linked_customers_are_one_with_those_who_share_an_email(
    anna: Customer, ilze: Customer, peteris: Customer, olga: Customer, dace: User
) -> None:
    link_household(customer=anna, other=ilze, reason="Told us", by=dace)
    assert together(anna, ilze, peteris)
    assert not together(anna, olga)
    link_household(customer=olga, other=anna, reason="Same  flat", by=dace)
    assert together(anna, ilze, peteris, olga)
    link_household(customer=anna, other=olga, reason="Again", by=dace)
    assert HouseholdMember.objects.count() == 3
    ties = {tie.customer: tie for tie in household_ties(ilze)}
    assert [place.reason for place in ties[anna].places] == ["Told us"]
    assert [place.reason for place in ties[olga].places] == ["Same flat"]
    assert (ties[peteris].shares_email, ties[peteris].shares_phone, ties[peteris].places) == (True, False, [])
    assert {tie.customer for tie in household_ties(peteris)} == {anna, ilze, olga}
    assert AuditEvent.objects.filter(action="link household").count() == 3


def test_taking_out_leaves_what_is_shared(
    anna: Customer, ilze: Customer, peteris: Customer, olga: Customer, dace: User
) -> None:
    link_household(customer=anna, other=ilze, reason="Told us", by=dace)
    link_household(customer=anna, other=olga, reason="Told us", by=dace)
    gone = place_of(olga)
    for _again in range(2):
        leave_household(member=gone, by=dace)
    assert together(anna, ilze, peteris)
    assert not together(anna, olga)
    leave_household(member=place_of(anna), by=dace)
    assert not together(anna, ilze)
    assert together(ilze, peteris)
    assert not HouseholdMember.objects.standing().exists()
    link_household(customer=anna, other=olga, reason="Back again", by=dace)
    assert together(anna, olga)


def test_what_cannot_be_is_refused_and_nothing_changes(anna: Customer, ilze: Customer, dace: User) -> None:
    for other, reason in ((anna, "Told us"), (ilze, " "), (ilze, "x" * 201), (ilze, "a\x00b")):
        with pytest.raises(Refused):
            link_household(customer=anna, other=other, reason=reason, by=dace)
    assert not HouseholdMember.objects.exists()


def test_merging_moves_the_places_and_undoing_gives_them_back(
    anna: Customer, janis: Customer, olga: Customer, nameless: Customer, dace: User
) -> None:
    link_household(customer=anna, other=olga, reason="Told us", by=dace)
    merge = merge_customers(survivor=nameless, merged=olga, reason="One person", by=dace)
    assert together(anna, nameless)
    link_household(customer=olga, other=janis, reason="Told us", by=dace)
    assert together(anna, nameless, janis)
    undo_merge(merge=merge, by=dace)
    assert together(anna, olga)
    both = merge_customers(survivor=anna, merged=olga, reason="One person", by=dace)
    assert household_of(anna) in ([], [janis])
    undo_merge(merge=both, by=dace)
    assert together(anna, olga)


def test_who_was_merged_into_the_one_that_leaves_keeps_nobody_in_the_household(
    anna: Customer, janis: Customer, olga: Customer, nameless: Customer, dace: User
) -> None:
    for other in (janis, olga, nameless):
        link_household(customer=anna, other=other, reason="Told us", by=dace)
    merge_customers(survivor=olga, merged=nameless, reason="One person", by=dace)
    leave_household(member=place_of(olga), by=dace)
    assert together(anna, janis)
    assert household_of(olga) == []
    merge_customers(survivor=janis, merged=olga, reason="One person", by=dace)
    leave_household(member=place_of(janis), by=dace)
    assert household_of(anna) == household_of(janis) == []
    assert not HouseholdMember.objects.standing().exists()


def test_the_page_puts_together_and_takes_apart(
    anna: Customer, olga: Customer, dace: User, signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(dace)

    def post(path: str, **fields: Any) -> Any:
        return client.post(path, {"idempotency_key": str(uuid4()), **fields})

    here = f"/customers/{anna.pk}/household/"
    assert "Alone." in client.get(here).content.decode()
    assert olga.full_name in client.get(f"{here}?q=petrov").content.decode()
    assert post(f"{here}{olga.pk}/", reason="").context["form"].errors == {"reason": ["Write why, in a few words."]}
    assert post(f"{here}{anna.pk}/", reason="Me").context["form"].errors
    assert post(f"{here}{olga.pk}/", reason="Told us").status_code == 302
    page = client.get(here).content.decode()
    assert f"{dace.name}: Told us" in page
    assert olga.full_name in client.get(f"/customers/{anna.pk}/").content.decode()
    assert post(f"/households/{place_of(olga).pk}/leave/").status_code == 302
    assert not together(anna, olga)

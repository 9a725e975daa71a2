"""The link in an old mail after its reader's profile became part of another."""

from __future__ import annotations

import pytest
from django.test import Client

from customers.actions.consent import issue_unsubscribe_token
from customers.models import Channel, Customer, Purpose
from customers.queries import newest_consent
from loyaltycrm.core.models import User
from loyaltycrm.lib.tokens import new_token
from loyaltycrm.shop.actions.merging import merge_customers
from rewards.tests.audiences import say

pytestmark = pytest.mark.django_db


def test_the_link_of_a_merged_profile_stops_the_mails_of_the_one_that_stands_for_it(
    anna: Customer, janis: Customer, dace: User
) -> None:
    token = new_token()
    issue_unsubscribe_token(customer=janis, purpose=Purpose.OFFERS, channel=Channel.EMAIL, token=token)
    merge_customers(survivor=anna, merged=janis, reason="The same person", by=dace)
    say(anna, given=True, days_ago=0)
    assert Client().post(f"/u/{token}/", {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert newest_consent(anna)[(Purpose.OFFERS, Channel.EMAIL)].given is False

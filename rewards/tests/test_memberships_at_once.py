"""Two tills sell a membership to one customer at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

from django.db import connection

from customers.models import Customer, Membership
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store
from rewards.actions.memberships import sell_membership
from rewards.actions.programme_versions import add_version
from rewards.tests.rules import SHIPPED


def test_many_tills_sell_one_membership(committed_db: str, nameless: Customer, barona_iela: Store) -> None:
    terms = {"names": {"en": "Rye club"}, "price_cents": 20_00, "days": 365}
    today = barona_iela.business_date()
    add_version(rules={**deepcopy(SHIPPED), "membership": terms}, starts_on=today, note="", by=None)
    start = threading.Barrier(8)

    def one(number: int) -> bool:
        try:
            start.wait(timeout=300)
            sell_membership(customer=nameless, store=barona_iela, key=f"k{number // 2}", by=None)
        except Refused:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        sold = list(pool.map(one, range(8)))
    assert Membership.objects.count() == 1
    # The two requests of one key get the same answer.
    assert sum(sold) == 2
    assert any(sold[2 * pair] and sold[2 * pair + 1] for pair in range(4))

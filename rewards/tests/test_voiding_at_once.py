"""A void, refunds and uses of points of one customer at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from customers.models import Customer, Refund, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.redeeming import use_reward
from rewards.actions.voiding import void_visit
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Posting, Reward
from rewards.queries import balance_of


def test_a_void_among_refunds_and_uses_leaves_the_books_right(
    committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    visits = [
        record_visit(customer=nameless, store=barona_iela, net_cents=100_00, receipt_id=f"V{n}", by=None).visit
        for n in range(4)
    ]
    reward = Reward.objects.create(key="c", names={"en": "C"}, points_cost=30, benefit=FreeItem(worth_cents=1))
    start = threading.Barrier(12)

    def one(number: int) -> bool:
        visit = visits[number % 4]
        try:
            start.wait(timeout=300)
            if number < 4:
                void_visit(visit=visit, reason="Wrong card", by=None)
            elif number < 8:
                refund_visit(visit=visit, net_cents=50_00, receipt_id=f"R{number}", by=None)
            else:
                use_reward(customer=nameless, reward=reward, store=barona_iela, reference=f"k{number}", by=None)
        except Refused:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        done = list(pool.map(one, range(12)))
    assert all(done[:4])
    assert not Visit.objects.standing().exists()
    assert Refund.objects.count() == sum(done[4:8])
    earned = sum(Posting.objects.filter(kind="earn").values_list("points", flat=True))
    taken = sum(Posting.objects.filter(kind="take_back").values_list("points", flat=True))
    assert earned == taken > 0
    assert balance_of(nameless).book == -30 * sum(done[8:])
    assert list(audit()) == []

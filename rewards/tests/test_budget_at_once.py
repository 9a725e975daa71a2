"""One budget asked for at the same moment by many tills: it gives what it has and no more, and nobody is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection
from django.db.models import Sum

from customers.actions.customers import create_customer
from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit
from rewards.ledger.audit import audit
from rewards.models import Posting, RuleBudget
from rewards.tests.rules import bonus, in_force, rule, rules_of

TILLS = 8


def test_a_budget_gives_no_more_than_it_has(committed_db: str, barona_iela: Store) -> None:
    in_force(
        rules_of(
            rule("gift", bonus(10), budget_points=55),
            rule("other", bonus(1), budget_points=5),
        )
    )
    day = barona_iela.business_date()
    customers = [
        create_customer(language="en", joined_on=day, external_id=f"C{number}", by=None) for number in range(TILLS)
    ]
    start = Barrier(TILLS)

    def sell(customer: Customer) -> int:
        start.wait(timeout=300)
        try:
            return record_visit(customer=customer, store=barona_iela, net_cents=1_00, by=None).points
        finally:
            connection.close()

    with ThreadPoolExecutor(TILLS) as tills:
        earned = list(tills.map(sell, customers))
    # Five get 10 and 1, one gets the last 5, two get nothing more.
    assert sorted(earned) == [0, 0, 5, 11, 11, 11, 11, 11]
    assert Posting.objects.aggregate(points=Sum("points"))["points"] == 60
    assert dict(RuleBudget.objects.values_list("rule_key", "points_given")) == {"gift": 55, "other": 5}
    assert list(audit()) == []

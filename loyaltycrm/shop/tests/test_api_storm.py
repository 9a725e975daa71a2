"""One receipt sent by many threads of two tills at once, with and without the same key: one visit, one answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from customers.models import Customer, Visit
from loyaltycrm.core.models import Store
from loyaltycrm.shop.tests.tills import MakeTill, Till, sale, until_answered
from rewards.ledger.audit import audit
from rewards.models import Posting
from rewards.queries import balance_of

pytestmark = pytest.mark.faults
THREADS = 50


@pytest.mark.parametrize("same_key", [True, False])
def test_a_storm_is_one_visit(
    committed_db: str, barona_iela: Store, till_of: MakeTill, nameless: Customer, same_key: bool, settings: Any
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    secrets = [till_of(barona_iela).secret, till_of(barona_iela).secret]
    start = Barrier(THREADS)

    def send(number: int) -> tuple[int, bytes]:
        start.wait(timeout=300)
        try:
            key = "storm" if same_key else f"storm-{number}"
            answer = until_answered(Till(secrets[number % 2]), sale(), key)
            return answer.status_code, answer.content
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as threads:
        answered = set(threads.map(send, range(THREADS)))
    assert len(answered) == 1
    ((status, _body),) = answered
    assert status == 201
    visit = Visit.objects.get()
    assert Posting.objects.filter(visit=visit).count() == 1
    assert balance_of(nameless).available == Posting.objects.get().points
    assert list(audit()) == []
    # After the storm, as after a timeout: the same answer once more.
    assert (status, until_answered(Till(secrets[0]), sale(), "storm-0").content) in answered

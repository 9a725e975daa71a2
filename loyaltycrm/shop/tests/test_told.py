"""What receivers of webhooks are told: each kind of event from the deed that causes it, and what it costs the till."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from customers.actions.customers import create_customer
from customers.actions.telling import tell_of_erasure
from customers.models import Customer
from feedback.actions.resolving import reopen_ticket, resolve_ticket
from feedback.actions.tickets import open_ticket
from loyaltycrm.core.actions.webhooks import add_webhook
from loyaltycrm.core.event_kinds import REGISTRY, TEST
from loyaltycrm.core.models import Store, User, WebhookDelivery, WebhookEvent
from loyaltycrm.core.tests.importing import CUSTOMER, RECEIPT, receipt, write_table
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from loyaltycrm.shop.actions.night import run_night
from rewards.actions.catalogue import RewardContent, add_reward
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.joining_uses import join_uses
from rewards.actions.money_off import use_as_money
from rewards.actions.redeeming import use_code, use_reward
from rewards.actions.sending import send_batch
from rewards.actions.sweeping import sweep
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.actions.undoing_refunds import undo_refund
from rewards.benefits import FreeItem
from rewards.ledger.plain import assume
from rewards.models import Delivery, Posting, Reward
from rewards.tests.audiences import add_reader, open_shop, planned_run

pytestmark = pytest.mark.django_db
KINDS = [key for key in REGISTRY if "." in key and key != TEST]


@pytest.fixture
def listening(settings: Any) -> None:
    """Somebody wants to know everything."""
    settings.WEBHOOKS_TO_LOOPBACK = True
    add_webhook(name="Everything", url="http://127.0.0.1:9/", kinds=KINDS, by=None)


@pytest.fixture
def tuesday() -> Iterator[None]:
    """A day on which points are not doubled."""
    with time_machine.travel(datetime(2026, 7, 14, 9, tzinfo=UTC), tick=False):
        yield


def told() -> list[tuple[str, dict[str, Any]]]:
    """What was told since the last time, in order."""
    events = list(WebhookEvent.objects.order_by("pk"))
    WebhookDelivery.objects.all().delete()
    WebhookEvent.objects.all().delete()
    return [(event.kind, event.data) for event in events]


def one_of(kind: str) -> dict[str, Any]:
    (data,) = [data for found, data in told() if found == kind]
    return data


def coffee() -> Reward:
    content = RewardContent(
        names={"en": "Coffee", "lv": "Kafija", "ru": "Кофе"},
        points_cost=500,
        benefit=FreeItem(worth_cents=200),
    )
    return add_reward(content=content, by=None)


@pytest.mark.usefixtures("listening", "tuesday")
def test_a_visit_and_its_points(nameless: Customer, barona_iela: Store, liga: User) -> None:
    visit = record_visit(
        customer=nameless, store=barona_iela, net_cents=2490, discount_cents=10, receipt_id="17", by=liga
    ).visit
    visits, points = told()
    assert visits == (
        "visit.recorded",
        {
            "customer": "A-1004",
            "visit": visit.pk,
            "receipt": "17",
            "store": "BARONA",
            "occurred_at": "2026-07-14T09:00:00+00:00",
            "business_date": "2026-07-14",
            "net_cents": 2490,
            "discount_cents": 10,
            "channel": "till",
            "payment_method": visit.payment_method,
            "points": 24,
            "balance": 24,
        },
    )
    change = {"reference": f"visit:{visit.pk}", "kind": "earn", "points": 24, "business_date": "2026-07-14"}
    assert points == ("points.changed", {"customer": "A-1004", "changes": [change], "balance": 24})


@pytest.mark.usefixtures("listening")
def test_a_visit_of_nobody_is_told_without_a_customer(barona_iela: Store) -> None:
    record_visit(customer=None, store=barona_iela, net_cents=300, by=None)
    data = one_of("visit.recorded")
    assert "customer" not in data
    assert (data["net_cents"], data["points"], data["balance"]) == (300, 0, None)


@pytest.mark.usefixtures("listening")
def test_a_retry_tells_nothing(nameless: Customer, barona_iela: Store) -> None:
    for _time in range(2):
        record_visit(customer=nameless, store=barona_iela, net_cents=2400, receipt_id="17", by=None)
    assert [kind for kind, _data in told()] == ["visit.recorded", "points.changed"]


@pytest.mark.usefixtures("listening", "tuesday")
def test_a_refund_and_an_undone_visit(nameless: Customer, barona_iela: Store) -> None:
    visit = record_visit(customer=nameless, store=barona_iela, net_cents=2400, receipt_id="17", by=None).visit
    told()
    refund = refund_visit(visit=visit, net_cents=400, receipt_id="18", by=None)
    (first, given_back), (second, points) = told()
    assert (first, second) == ("visit.refunded", "points.changed")
    assert (given_back["refund"], given_back["receipt"], given_back["net_cents"]) == (refund.pk, "17", 400)
    assert (points["changes"][0]["kind"], points["changes"][0]["points"], points["balance"]) == ("take_back", -4, 20)
    undo_refund(refund_id=refund.pk, by=None)
    (first, undone), (second, points) = told()
    assert (first, undone["refund"], second) == ("visit.refund_undone", refund.pk, "points.changed")
    assert (points["changes"][0]["kind"], points["changes"][0]["points"], points["balance"]) == ("undo", 4, 24)
    undo_visit(visit=visit, by=None)
    (first, undone), (second, points) = told()
    assert (first, undone["visit"]) == ("visit.undone", visit.pk)
    assert (second, points["balance"]) == ("points.changed", 0)


@pytest.mark.usefixtures("listening")
def test_a_tier_that_rises_and_falls(nameless: Customer, barona_iela: Store) -> None:
    noon = datetime(2025, 3, 3, 12, tzinfo=UTC)
    with time_machine.travel(noon, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=100_000, by=None)
        risen = one_of("tier.changed")
        assert (risen["before"], risen["tier"], risen["since"]) == ("member", "silver", "2025-03-03")
        assert (risen["customer"], risen["qualifying"]) == ("A-1004", 100_000)
        record_visit(customer=nameless, store=barona_iela, net_cents=100, by=None)
        assert "tier.changed" not in dict(told())
        clock.shift(timedelta(days=366))
        run_night()
        events = dict(told())
        assert (events["tier.changed"]["before"], events["tier.changed"]["tier"]) == ("silver", "member")
        expired = {change["kind"] for change in events["points.changed"]["changes"]}
        assert (expired, events["points.changed"]["balance"]) == ({"expire"}, 0)


@pytest.mark.usefixtures("listening", "tuesday")
def test_a_reward_got_for_points_and_given_back(nameless: Customer, barona_iela: Store) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=60_000, by=None)
    told()
    use = use_reward(customer=nameless, reward=coffee(), store=barona_iela, reference="k", by=None).redemption
    events = dict(told())
    assert use.voucher is not None
    assert events["voucher.used"] == {
        "customer": "A-1004",
        "use": use.pk,
        "code": use.voucher.code,
        "benefit": "free_item",
        "reward": use.reward_id,
        "points": 500,
        "value_cents": 200,
        "off_cents": 0,
        "bonus_points": 0,
        "visit": None,
        "store": "BARONA",
    }
    assert events["points.changed"]["changes"][0]["points"] == -500
    undo_redemption(redemption=use, by=None)
    events = dict(told())
    assert (events["voucher.returned"]["use"], events["voucher.returned"]["good_again"]) == (use.pk, False)
    assert events["points.changed"]["balance"] == 600


@pytest.mark.usefixtures("listening", "tuesday")
def test_uses_that_become_part_of_a_visit(nameless: Customer, barona_iela: Store) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=1_000_00, by=None)
    reward = use_reward(customer=nameless, reward=coffee(), store=barona_iela, reference="k", by=None).redemption
    money = use_as_money(customer=nameless, points=500, store=barona_iela, reference="m", by=None).redemption
    before = [data for kind, data in told() if kind == "voucher.used"]
    with transaction.atomic():
        visit = record_visit(customer=nameless, store=barona_iela, net_cents=20_00, by=None).visit
        join_uses([reward.pk, money.pk], visit=visit, by=None)
    now = told()
    assert [kind for kind, _data in now] == ["visit.recorded", "points.changed", "voucher.joined", "voucher.joined"]
    assert [data for _kind, data in now[2:]] == [data | {"visit": visit.pk} for data in before]
    undo_visit(visit=visit, by=None)
    returned = [data["use"] for kind, data in told() if kind == "voucher.returned"]
    assert sorted(returned) == [reward.pk, money.pk]


@pytest.mark.usefixtures("listening")
def test_an_offer_its_code_and_its_end(mailbox: MailServer, barona_iela: Store) -> None:
    open_shop()
    reader = add_reader(1)
    told()
    run = planned_run()
    assert told() == [], "A code is good once its mail has left."
    send_batch(run_id=run.pk, budget_seconds=60)
    delivery = Delivery.objects.select_related("voucher").get()
    assert delivery.voucher is not None
    events = told()
    assert sorted(kind for kind, _data in events) == ["offer.sent", "voucher.issued"]
    for _kind, data in events:
        assert (data["customer"], data["offer"], data["run"]) == (reader.external_id, run.offer_id, run.pk)
        assert data["code"] == delivery.voucher.code
        assert data["good_through"] == delivery.voucher.good_through.isoformat()
    sweep()
    finished = one_of("offer.finished")
    assert (finished["status"], finished["customers"]) == ("done", {"sent": 1})
    use = use_code(
        code=delivery.voucher.code, customer=reader, store=barona_iela, reference="k", net_cents=100_000, by=None
    ).redemption
    assert one_of("voucher.used")["code"] == delivery.voucher.code
    undo_redemption(redemption=use, by=None)
    assert one_of("voucher.returned")["good_again"] is True


@pytest.mark.usefixtures("listening")
def test_a_ticket_without_anybodys_words(nameless: Customer, barona_iela: Store, dace: User) -> None:
    ticket = open_ticket(
        customer=nameless, store=barona_iela, kind="complaint", subject="Soup", words="Cold", source="till", by=dace
    )
    opened = one_of("ticket.opened")
    assert opened["ticket"] == ticket.pk
    assert (opened["customer"], opened["ticket_kind"], opened["store"]) == ("A-1004", "complaint", "BARONA")
    assert not {"Soup", "Cold"} & set(map(str, opened.values()))
    resolve_ticket(ticket=ticket, kind="goodwill", words="Sorry", points=50, by=dace)
    events = dict(told())
    assert (events["ticket.solved"]["resolution"], events["ticket.solved"]["points"]) == ("goodwill", 50)
    assert events["points.changed"]["changes"][0]["kind"] == "goodwill"
    reopen_ticket(ticket=ticket, by=dace)
    assert dict(told())["ticket.reopened"]["status"] == "open"


@pytest.mark.usefixtures("listening")
def test_profiles_merged_and_parted(nameless: Customer, barona_iela: Store, dace: User) -> None:
    twin = create_customer(first_name="Twin", language="en", external_id="A-9", by=None)
    record_visit(customer=twin, store=barona_iela, net_cents=5_000, by=None)
    told()
    merge = merge_customers(survivor=nameless, merged=twin, reason="The same person", by=dace)
    assert told() == [("customer.merged", {"customer": "A-1004", "merged": "A-9"})]
    undo_merge(merge=merge, by=dace)
    assert told() == [("customer.unmerged", {"customer": "A-1004", "merged": "A-9"})]


@pytest.mark.usefixtures("listening", "tuesday")
def test_points_that_return_to_whoever_used_them_are_told_of_them(
    nameless: Customer, barona_iela: Store, dace: User, coffee: Reward
) -> None:
    twin = create_customer(first_name="Twin", language="en", external_id="A-9", by=None)
    record_visit(customer=nameless, store=barona_iela, net_cents=1_000_00, by=None)
    visit = record_visit(customer=twin, store=barona_iela, net_cents=50_00, by=None).visit
    merge = merge_customers(survivor=nameless, merged=twin, reason="The same person", by=dace)
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="u1", visit=visit, by=None)
    undo_merge(merge=merge, by=dace)
    told()
    refund_visit(visit=visit, net_cents=50_00, receipt_id="18", by=None)
    points = {data["customer"]: data for kind, data in told() if kind == "points.changed"}
    assert {name: [change["kind"] for change in data["changes"]] for name, data in points.items()} == {
        "A-1004": ["give_back"],
        "A-9": ["take_back"],
    }
    assert (points["A-1004"]["balance"], points["A-9"]["balance"]) == (1_000, 0)


@pytest.mark.usefixtures("listening")
def test_an_erased_person_is_told_of_by_number_and_forgotten(nameless: Customer, barona_iela: Store) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=5_000, by=None)
    record_visit(customer=None, store=barona_iela, net_cents=700, by=None)
    tell_of_erasure(customer_id=nameless.pk, number="A-1004", former_ids=[])
    assert list(WebhookDelivery.objects.order_by("pk").values_list("status", flat=True)) == [
        "cancelled", "cancelled", "pending", "pending",
    ]  # fmt: skip
    kept = told()
    assert [data for _kind, data in kept[:2]] == [{}, {}]
    assert kept[2][1]["net_cents"] == 700
    assert kept[3] == ("customer.erased", {"customer": "A-1004"})


@pytest.mark.usefixtures("listening")
def test_every_kind_is_told_by_some_deed() -> None:
    """The stories above name them all; a new kind needs one."""
    told_above = {
        "visit.recorded", "visit.refunded", "visit.refund_undone", "visit.undone", "points.changed", "tier.changed",
        "voucher.issued", "voucher.used", "voucher.joined", "voucher.returned", "offer.sent", "offer.finished",
        "ticket.opened", "ticket.solved", "ticket.reopened", "customer.merged", "customer.unmerged", "customer.erased",
    }  # fmt: skip
    assert set(KINDS) == told_above


@pytest.mark.usefixtures("listening")
def test_an_import_tells_nothing(tmp_path: Path) -> None:
    people = write_table(tmp_path / "customers.csv", CUSTOMER, [("A", "2026-01-01")])
    call_command("import_customers", people, verbosity=0)
    sale = receipt("1", "A", "2026-06-01T10:00:00+03:00", "1500.00")
    call_command("import_visits", write_table(tmp_path / "purchases.csv", RECEIPT, [sale]), verbosity=0)
    assert Posting.objects.filter(kind="earn").count() == 1
    assert told() == []


def statements(change: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as made:
        change()
    return len(made)


def test_telling_costs_a_saved_visit_no_statement(nameless: Customer, barona_iela: Store, settings: Any) -> None:
    def save() -> object:
        return record_visit(customer=nameless, store=barona_iela, net_cents=5_000, by=None)

    save()
    assume(None)
    told_nobody = statements(save)
    settings.WEBHOOKS_TO_LOOPBACK = True
    add_webhook(name="Everything", url="http://127.0.0.1:9/", kinds=KINDS, by=None)
    save()
    assert statements(save) == told_nobody
    assert WebhookEvent.objects.count() == 4

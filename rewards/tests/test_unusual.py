"""What is raised to the manager: one card again and again, own cards, points on refunded sales, many claims."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from customers.models import Customer, Visit
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User
from loyaltycrm.shop.actions.merging import merge_customers
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.receipts import claim_visit
from rewards.actions.unusual import raise_unusual_use, settle_unusual_use
from rewards.models import UnusualKind, UnusualUse
from rewards.tests.unusual import unusual_of

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel("2026-07-14T09:00:00+00:00", tick=False) as traveller:
        yield traveller


def sale(customer: Customer | None, store: Store, by: User | None, **more: object) -> Visit:
    receipt = f"U{next(_numbers):05d}"
    given = {"net_cents": 1_000, "receipt_id": receipt, **more}
    return record_visit(customer=customer, store=store, by=by, **given).visit  # type: ignore[arg-type]


def raised() -> list[tuple[str, int, int]]:
    raise_unusual_use()
    return list(UnusualUse.objects.open().values_list("kind", "customer", "times").order_by("kind", "customer"))


def test_one_customer_again_and_again_with_one_cashier(
    olga: Customer, janis: Customer, barona_iela: Store, liga: User, dace: User
) -> None:
    for _visit in range(3):
        sale(olga, barona_iela, liga)
        sale(janis, barona_iela, liga)
    sale(janis, barona_iela, dace)
    assert raised() == []
    undo_visit(visit=sale(olga, barona_iela, liga), by=liga)
    assert raised() == [], "what was undone does not count"
    sale(olga, barona_iela, liga)
    assert raised() == [("same_card", olga.pk, 4)]
    use = UnusualUse.objects.get()
    assert (use.cashier, use.store, use.points) == (liga, barona_iela, 40)


def test_over_several_days_the_norm_of_the_week_counts(
    olga: Customer, barona_iela: Store, liga: User, clock: time_machine.Traveller
) -> None:
    for _day in range(5):
        sale(olga, barona_iela, liga)
        sale(olga, barona_iela, liga)
        clock.shift(timedelta(days=1))
    assert raised() == []
    sale(olga, barona_iela, liga)
    assert raised() == [("same_card", olga.pk, 11)]
    clock.shift(timedelta(days=30))
    UnusualUse.objects.all().delete()
    assert raised() == [], "a month later nothing of it is within seven days"


def test_a_receipt_from_a_file_or_another_system_is_nobodys_sale(
    olga: Customer, barona_iela: Store, liga: User
) -> None:
    for channel in ("import", "api", "web", "web", "api"):
        sale(olga, barona_iela, liga, channel=channel)
    assert raised() == []


def test_the_own_card_is_raised_at_once_also_a_merged_one(
    olga: Customer, janis: Customer, barona_iela: Store, liga: User, dace: User
) -> None:
    User.objects.filter(pk=liga.pk).update(customer_id=janis.pk)
    sale(janis, barona_iela, dace)
    assert raised() == [], "a colleague saved it"
    sale(janis, barona_iela, liga)
    assert raised() == [("own_card", janis.pk, 1)]
    UnusualUse.objects.all().delete()
    Customer.objects.filter(pk=janis.pk).update(merged_into=olga)
    sale(olga, barona_iela, liga)
    assert raised() == [("own_card", olga.pk, 1)]


def test_what_was_settled_is_not_raised_again_for_the_profile_that_stands_after_a_merge(
    olga: Customer, janis: Customer, barona_iela: Store, liga: User, dace: User, clock: time_machine.Traveller
) -> None:
    User.objects.filter(pk=liga.pk).update(customer_id=janis.pk)
    sale(janis, barona_iela, liga)
    assert raised() == [("own_card", janis.pk, 1)]
    clock.shift(timedelta(minutes=1))
    settle_unusual_use(use=UnusualUse.objects.get(), note="Talked about it", by=dace)
    merge_customers(survivor=olga, merged=janis, reason="One person", by=dace)
    assert raised() == []
    clock.shift(timedelta(minutes=1))
    sale(olga, barona_iela, liga)
    assert raised() == [("own_card", olga.pk, 1)], "only what happened since"


def test_points_on_refunded_sales(
    olga: Customer, barona_iela: Store, liga: User, clock: time_machine.Traveller
) -> None:
    visits = [sale(olga, barona_iela, None) for _one in range(3)]
    nobodys = sale(None, barona_iela, None)
    clock.shift(timedelta(days=3))
    refund_visit(visit=nobodys, net_cents=500, receipt_id="F0", by=liga)
    for number, visit in enumerate(visits[:2]):
        refund_visit(visit=visit, net_cents=500, receipt_id=f"FA{number}", by=liga)
    assert raised() == []
    refund_visit(visit=visits[2], net_cents=1_000, receipt_id="FB", by=liga)
    assert raised() == [("refunded", olga.pk, 3)]
    assert UnusualUse.objects.get().points == 30


def test_many_past_receipts_for_one_customer(olga: Customer, barona_iela: Store, liga: User, dace: User) -> None:
    for number in range(3):
        visit = sale(None, barona_iela, dace)
        by = liga if number else dace
        claim_visit(customer=olga, store=barona_iela, receipt_id=visit.receipt_id, by=by)
    assert raised() == []
    visit = sale(None, barona_iela, dace)
    claim_visit(customer=olga, store=barona_iela, receipt_id=visit.receipt_id, by=liga)
    kinds = {(use.kind, use.cashier_id, use.times) for use in _open()}
    assert kinds == {("claimed", liga.pk, 3), ("same_card", dace.pk, 4)}


def _open() -> list[UnusualUse]:
    raise_unusual_use()
    return list(UnusualUse.objects.open())


def test_it_is_raised_once_kept_up_to_date_and_after_settling_counts_anew(
    olga: Customer, barona_iela: Store, centrs: Store, liga: User, dace: User, clock: time_machine.Traveller
) -> None:
    for _visit in range(4):
        sale(olga, barona_iela, liga)
    assert raise_unusual_use() == 1
    assert raise_unusual_use() == 0
    clock.shift(timedelta(minutes=1))
    sale(olga, centrs, liga)
    assert raised() == [("same_card", olga.pk, 5)]
    assert UnusualUse.objects.get().store == barona_iela, "where it was raised"
    clock.shift(timedelta(minutes=1))
    use = settle_unusual_use(use=UnusualUse.objects.get(), note=" A birthday\tparty ", by=dace)
    assert (use.note, use.settled_by) == ("A birthday party", dace)
    settle_unusual_use(use=use, note="Again", by=dace)
    assert AuditEvent.objects.filter(action="settle unusual use").count() == 1
    assert raised() == []
    clock.shift(timedelta(minutes=1))
    for _visit in range(3):
        sale(olga, barona_iela, liga)
    assert raised() == []
    sale(olga, barona_iela, liga)
    assert raised() == [("same_card", olga.pk, 4)]


def test_a_manager_sets_the_norms(olga: Customer, barona_iela: Store, liga: User, admin: User) -> None:
    sale(olga, barona_iela, liga)
    sale(olga, barona_iela, liga)
    assert raised() == []
    set_knob(key="unusual_visits_day", new=1, by=admin)
    assert raised() == [("same_card", olga.pk, 2)]


def test_nobody_settles_what_is_about_them_or_without_a_note(
    olga: Customer, barona_iela: Store, dace: User, admin: User
) -> None:
    use = unusual_of(olga, dace, barona_iela)
    with pytest.raises(Refused, match="about your own sales"):
        settle_unusual_use(use=use, note="All well", by=dace)
    for note in ("", "  ", "x" * 201):
        with pytest.raises(Refused, match="Write what you found out"):
            settle_unusual_use(use=use, note=note, by=admin)
    assert UnusualUse.objects.open().count() == 1
    assert not AuditEvent.objects.filter(action="settle unusual use").exists()


def test_the_database_keeps_one_open_and_no_settling_without_a_note(
    olga: Customer, barona_iela: Store, dace: User
) -> None:
    use = unusual_of(olga, dace, barona_iela)
    with pytest.raises(IntegrityError, match="rewards_unusual_open_once"), transaction.atomic():
        unusual_of(olga, dace, barona_iela)
    with pytest.raises(IntegrityError, match="rewards_unusual_settled_with_a_note"), transaction.atomic():
        UnusualUse.objects.filter(pk=use.pk).update(settled_at=timezone.now(), settled_by=dace)


def test_the_pages(
    olga: Customer, barona_iela: Store, centrs: Store, liga: User, dace: User, signed_in: SignedIn
) -> None:
    for _visit in range(4):
        sale(olga, barona_iela, liga)
    raise_unusual_use()
    theirs = unusual_of(olga, dace, centrs)
    use = UnusualUse.objects.get(cashier=liga)
    desk = signed_in(dace)
    listed = desk.get("/unusual/").content.decode()
    assert str(UnusualKind.SAME_CARD.label) in listed
    assert listed.count("<tr") == 2, "the heading and one row"
    assert desk.get(f"/unusual/{theirs.pk}/").status_code == 404
    one = desk.get(f"/unusual/{use.pk}/").content.decode()
    for visit in Visit.objects.filter(customer=olga):
        assert visit.receipt_id in one
    assert "Write why" in desk.post(f"/unusual/{use.pk}/", {"note": " "}).content.decode()
    assert desk.post(f"/unusual/{use.pk}/", {"note": "Her choir"}).status_code == 302
    assert "Her choir" in desk.get(f"/unusual/{use.pk}/").content.decode()
    assert desk.get("/unusual/").content.decode().count("<tr") <= 1
    UnusualUse.objects.filter(pk=use.pk).update(settled_at=datetime(2026, 7, 14, 22, 30, tzinfo=UTC))
    assert "2026-07-15,Her choir" in b"".join(desk.get("/unusual/export/?state=all")).decode()

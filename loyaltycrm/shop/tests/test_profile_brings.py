"""What the profile says of a customer's group: the way to it, what it brings, and what loyal customers get."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from datetime import date, timedelta

import pytest
import time_machine
from django.test import Client

from customers.actions.classifying import classify, flag_loyalty
from customers.actions.holds import place_hold
from customers.models import Classification, Customer, Segment
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib.charts import group_path
from loyaltycrm.shop.queries.offered import gets_of, offers_of
from loyaltycrm.shop.queries.path import path_of
from loyaltycrm.shop.queries.profile import profile_of
from loyaltycrm.testing import visit
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.measuring import measure_groups
from rewards.actions.programme_versions import add_version
from rewards.actions.redeeming import use_reward
from rewards.actions.runs import send_to_one
from rewards.benefits import FreeItem
from rewards.models import GroupRewards, Reward
from rewards.programme import load_programmes
from rewards.tests.audiences import active_offer, make_loyal, open_shop
from rewards.tests.rules import SHIPPED

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]
DAY = timedelta(days=1)


def path_words(customer: Customer) -> list[tuple[str, str]]:
    standing = Classification.objects.get(customer=customer)
    return [(step.group, step.days) for step in path_of(customer, standing, Company.current().today()).steps]


def test_the_way_to_a_group_is_told_with_its_days(nameless: Customer, barona_iela: Store) -> None:
    with time_machine.travel("2026-05-04T12:00:00Z", tick=False) as clock:
        visit(nameless, barona_iela, 10_00)
        classify()
        clock.move_to("2026-06-10T12:00:00Z")
        make_loyal([nameless])
        classify()
        for _day in range(5):
            clock.shift(DAY)
            visit(nameless, barona_iela, 10_00)
        classify()
        path = path_of(nameless, Classification.objects.get(customer=nameless), date(2026, 6, 15))
    assert [(step.group, step.days) for step in path.steps] == [
        ("regular_loyal", "since 15 June 2026"),
        ("loyal", "10–14 June 2026"),
        ("unknown", "4 May – 9 June 2026"),
    ]
    assert path.chart is not None
    assert [dot.group for dot in path.chart.dots] == ["loyal", "regular_loyal"]
    assert path.small_dots == "10 June 2026"


def test_a_group_decided_anew_on_the_day_is_no_step_and_one_of_long_ago_is_none(
    nameless: Customer, barona_iela: Store
) -> None:
    with time_machine.travel("2025-01-06T12:00:00Z", tick=False) as clock:
        classify()
        clock.shift(DAY)
        make_loyal([nameless])
        classify()
        clock.move_to("2026-03-02T12:00:00Z")
        visit(nameless, barona_iela, 10_00)
        flag_loyalty(customer=nameless, loyal=True, reason="Brings friends", ends_on=date(2026, 5, 1), by=None)
        flag_loyalty(customer=nameless, loyal=False, reason="A mistake", ends_on=date(2026, 5, 1), by=None)
        classify()
        flag_loyalty(customer=nameless, loyal=True, reason="Brings friends", ends_on=date(2026, 5, 1), by=None)
        classify()
        groups = [group for group, _days in path_words(nameless)]
    assert groups[0] == "loyal"
    assert "neither" not in groups
    assert "unknown" not in groups


def test_places_stand_in_the_cell_of_their_group_and_never_outside() -> None:
    path = group_path([(False, False, 0.0, 0.0), (True, True, 9.0, -3.0), (True, False, 0.5, 1.0)])
    cells = {group: (x, y) for x, y, group in path.cells}
    assert [dot.group for dot in path.dots] == ["neither", "regular_loyal", "regular"]
    for dot in path.dots:
        left, top = cells[dot.group]
        assert left < float(dot.x) < left + path.cell
        assert top < float(dot.y) < top + path.cell
    assert cells["regular_loyal"][0] > cells["loyal"][0]
    assert cells["regular_loyal"][1] < cells["regular"][1]


def test_the_group_brings_privileges_and_the_offers_that_ask_for_it(
    anna: Customer, janis: Customer, dace: User, signed_in: SignedIn
) -> None:
    rules = deepcopy(SHIPPED)
    rules["tiers"]["levels"][1]["privileges"] = [{"kind": "gift", "names": {"en": "A loaf"}, "within_days": 30}]
    rules["tiers"]["levels"][2]["privileges"] = [{"kind": "faster_answer", "names": {"en": "No queue"}}]
    add_version(rules=rules, starts_on=date(2026, 1, 1), note="", by=None)
    open_shop()
    everyone = Segment.objects.create(name="Everybody", definition={}, is_shared=True)
    active_offer()
    active_offer(name="For all", segment=everyone)
    programme = load_programmes().at(Company.current().today())

    hers = gets_of(anna, group="regular_loyal", tier="gold", programme=programme)
    his = gets_of(janis, group="neither", tier="member", programme=programme)

    assert (hers.title, his.title) == ("Loyal customers get", "What they get")
    assert [one.name for one in hers.offers] == ["For all", "Thanks"]
    assert [one.name for one in his.offers] == ["For all"]
    assert [(one.name, one.until) for one in his.not_theirs] == [("Thanks", "Asks for: Loyal customers")]
    assert (hers.not_now, his.not_now) == ("", "Did not agree to offers by email")
    assert "€3.00 off." in hers.offers[1].until
    assert (hers.privileges, his.privileges) == (["A loaf (once, within 30 days)", "No queue"], [])
    text = signed_in(dace).get(f"/customers/{anna.pk}/").content.decode()
    panel = re.search(r'id="gets-heading".*?</section>', text, re.DOTALL)
    assert panel is not None
    assert "Loyal customers get" in panel[0]
    assert "No queue" in panel[0]


def test_an_open_complaint_stands_with_what_they_get(anna: Customer) -> None:
    open_shop()
    active_offer()
    place_hold(customer=anna, reference="ticket:1", reason="Complaint", by=None)
    gets = gets_of(anna, group="loyal", tier="gold", programme=load_programmes().at(Company.current().today()))
    assert gets.not_now == "Open complaint"
    assert [one.name for one in gets.offers] == ["Thanks"]


def test_an_offer_sent_by_hand_is_seen_before_it_leaves(anna: Customer, dace: User, signed_in: SignedIn) -> None:
    open_shop()
    send_to_one(offer=active_offer(), customer=anna, by=dace)
    shown = offers_of(anna, is_whole=True)
    assert [(one.name, one.until, one.status) for one in shown] == [("Thanks", "€3 off · Sent by hand", "Planned")]
    assert "Offer sent by hand" in signed_in(dace).get(f"/customers/{anna.pk}/?show=edits").content.decode()


def test_what_loyal_customers_get_is_counted_by_the_night(
    anna: Customer, nameless: Customer, barona_iela: Store, admin: User, signed_in: SignedIn
) -> None:
    coffee = Reward.objects.create(
        key="c", names={"en": "Free coffee"}, points_cost=120, benefit=FreeItem(worth_cents=250)
    )
    use_reward(customer=anna, reward=coffee, store=barona_iela, reference="a", by=admin)
    paid = record_visit(customer=nameless, store=barona_iela, net_cents=500_00, by=admin)
    refund_visit(visit=paid.visit, net_cents=100_00, receipt_id="back", by=admin)
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="n", by=admin)
    classify()
    assert profile_of(anna, user=admin, ticket=None).loyal_cents_per_100 is None

    tomorrow = Company.current().today() + DAY
    assert measure_groups(today=tomorrow) == 2
    assert measure_groups(today=tomorrow) == 2

    rows = dict(GroupRewards.objects.values_list("group", "net_cents"))
    assert rows.pop("regular_loyal") == 4 * 700_00
    assert list(rows.values()) == [400_00]
    shown = profile_of(nameless, user=admin, ticket=None)
    assert shown.loyal_cents_per_100 == round(250 * 10_000 / (4 * 700_00))
    assert "Loyal customers get: €0.09" in signed_in(admin).get(f"/customers/{nameless.pk}/").content.decode()

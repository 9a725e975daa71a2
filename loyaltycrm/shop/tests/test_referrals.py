"""Bringing a friend: both are thanked after the friend's first paid visit, and what is given goes back with it."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from customers.actions.customers import create_customer
from customers.actions.own_pages import make_page_link
from customers.actions.referrals import record_referral
from customers.models import Customer, Referral, Signal
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.actions.erasing import erase_customer
from loyaltycrm.shop.actions.merging import merge_customers
from loyaltycrm.shop.actions.night import run_night
from loyaltycrm.shop.actions.till import add_customer
from loyaltycrm.shop.queries.timeline import timeline
from loyaltycrm.testing import visit
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.referrals import Settled, settle_referrals, take_back_referrals
from rewards.actions.undoing_refunds import undo_refund
from rewards.knobs import REFERRAL_FRIEND_POINTS, REFERRALS_MOST, UNDO_MINUTES
from rewards.ledger.audit import audit
from rewards.models import Posting
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db
UNDO_TIME = timedelta(minutes=16)


@pytest.fixture
def code(nameless: Customer) -> str:
    """The code with which the customer without a name brings others."""
    make_page_link(customer=nameless, by=None)
    return nameless.invitation.code


@pytest.fixture
def friend() -> Customer:
    return create_customer(first_name="Rita", language="en", by=None)


def bring(friend: Customer, code: str) -> Referral:
    return record_referral(friend=friend, code=code, by=None)


def thanks(*customers: Customer) -> list[int]:
    """The points that each got for a referral, less what was taken back."""
    found = []
    for customer in customers:
        of_referral = Posting.objects.filter(reference__startswith="referral:")
        got = sum(of_referral.filter(destination__customer=customer).values_list("points", flat=True))
        found.append(got - sum(of_referral.filter(source__customer=customer).values_list("points", flat=True)))
    return found


def test_both_are_thanked_once_after_the_first_paid_visit(
    nameless: Customer, friend: Customer, code: str, barona_iela: Store
) -> None:
    bring(friend, code)
    assert settle_referrals().completed == 0
    record_visit(customer=friend, store=barona_iela, net_cents=0, by=None)
    assert settle_referrals().completed == 0
    visit = record_visit(customer=friend, store=barona_iela, net_cents=10_00, by=None).visit
    assert settle_referrals().completed == 1
    record_visit(customer=friend, store=barona_iela, net_cents=20_00, by=None)
    assert settle_referrals().completed == 0
    assert thanks(nameless, friend) == [200, 200]
    signal = Signal.objects.get(source="referral")
    assert (signal.customer, signal.kind, signal.strength) == (nameless, "brings", Decimal(1))
    assert Referral.objects.get().visit == visit
    assert list(audit()) == []


@pytest.mark.parametrize("how", ["undone", "given back"])
def test_what_was_given_goes_back_with_the_visit(
    nameless: Customer, friend: Customer, code: str, barona_iela: Store, admin: User, how: str
) -> None:
    bring(friend, code)
    visit = record_visit(customer=friend, store=barona_iela, net_cents=10_00, by=admin).visit
    settle_referrals()
    if how == "undone":
        undo_visit(visit=visit, by=admin)
    else:
        refund_visit(visit=visit, net_cents=4_00, by=admin, receipt_id="R-one")
        assert settle_referrals() == Settled()
        refund_visit(visit=visit, net_cents=6_00, by=admin, receipt_id="R-two")
        assert settle_referrals() == Settled()
    with time_machine.travel(timezone.now() + timedelta(minutes=15, seconds=1), tick=False):
        assert settle_referrals().taken_back == 1
        assert settle_referrals() == Settled()
    assert thanks(nameless, friend) == [0, 0]
    assert balance_of(nameless).available == 0
    assert Signal.objects.get(source="referral").withdrawn_at is not None
    record_visit(customer=friend, store=barona_iela, net_cents=24_90, by=admin)
    assert settle_referrals().completed == 1
    assert thanks(nameless, friend) == [200, 200]
    assert list(audit()) == []


@pytest.mark.parametrize("side", ["referrer", "friend"])
def test_a_referral_ends_with_an_erasure_and_the_others_go_on(
    nameless: Customer, friend: Customer, code: str, anna: Customer, barona_iela: Store, dace: User, side: str
) -> None:
    bring(friend, code)
    make_page_link(customer=anna, by=None)
    other = create_customer(first_name="Ieva", language="lv", by=None)
    bring(other, anna.invitation.code)
    if side == "referrer":
        erase_customer(customer=nameless, reason="in_person", by=dace)
    for buyer in (friend, other):
        record_visit(customer=buyer, store=barona_iela, net_cents=10_00, by=None)
    if side == "friend":
        erase_customer(customer=friend, reason="in_person", by=dace)

    assert settle_referrals() == Settled(completed=1, ended=1)
    assert Referral.objects.get(friend=friend).ended_because == "erased"
    assert thanks(nameless, friend, anna, other) == [0, 0, 200, 200]


def test_a_refund_undone_at_the_till_leaves_both_thanked(
    nameless: Customer, friend: Customer, code: str, barona_iela: Store, admin: User
) -> None:
    bring(friend, code)
    visit = record_visit(customer=friend, store=barona_iela, net_cents=10_00, by=admin).visit
    settle_referrals()
    refund = refund_visit(visit=visit, net_cents=10_00, by=admin, receipt_id="R-wrong")
    assert settle_referrals() == Settled()
    undo_refund(refund_id=refund.pk, by=admin)
    assert settle_referrals() == Settled()
    assert thanks(nameless, friend) == [200, 200]


def test_a_referral_taken_back_by_a_refund_that_was_undone_is_thanked_anew(
    nameless: Customer, friend: Customer, code: str, barona_iela: Store, admin: User
) -> None:
    set_knob(key=REFERRAL_FRIEND_POINTS.key, new=0, by=admin)
    bring(friend, code)
    visit = record_visit(customer=friend, store=barona_iela, net_cents=10_00, by=admin).visit
    settle_referrals()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for number in range(2):
            refund = refund_visit(visit=visit, net_cents=10_00, by=admin, receipt_id=f"R-{number}")
            clock.shift(UNDO_TIME)
            assert take_back_referrals().taken_back == 1
            assert thanks(nameless) == [0]
            set_knob(key=UNDO_MINUTES.key, new=60, by=admin)
            undo_refund(refund_id=refund.pk, by=admin)
            set_knob(key=UNDO_MINUTES.key, new=15, by=admin)
            assert settle_referrals().completed == 1
            assert thanks(nameless) == [200]
            assert Signal.objects.filter(source="referral", withdrawn_at__isnull=True).count() == 1
    titles = [entry.title for day in timeline(nameless, user=admin).days for entry in day.entries]
    assert titles.count("Thanks for bringing a friend") == 3
    assert list(audit()) == []


def test_a_visit_given_back_before_it_counted_completes_nothing(
    friend: Customer, code: str, barona_iela: Store, admin: User
) -> None:
    bring(friend, code)
    visit = record_visit(customer=friend, store=barona_iela, net_cents=10_00, by=admin).visit
    refund_visit(visit=visit, net_cents=10_00, by=admin, receipt_id="R-all")
    assert settle_referrals().completed == 0
    assert not Posting.objects.filter(reference__startswith="referral:").exists()


def test_a_friend_whose_visit_never_counts_keeps_nobody_waiting(
    friend: Customer, olga: Customer, code: str, barona_iela: Store, admin: User
) -> None:
    bring(friend, code)
    given_back = record_visit(customer=friend, store=barona_iela, net_cents=10_00, by=admin).visit
    refund_visit(visit=given_back, net_cents=10_00, by=admin, receipt_id="R-all")
    bring(olga, code)
    record_visit(customer=olga, store=barona_iela, net_cents=10_00, by=admin)
    assert settle_referrals(limit=1).completed == 1


def test_the_night_takes_back_what_was_given_back_on_a_day_long_past(
    nameless: Customer, friend: Customer, code: str, barona_iela: Store, admin: User
) -> None:
    """A refund that comes in late, as from an import, has a day that no tick looks at."""
    long_ago = timezone.now() - timedelta(days=20)
    with time_machine.travel(long_ago, tick=False):
        bring(friend, code)
        visit = record_visit(customer=friend, store=barona_iela, net_cents=10_00, by=admin).visit
        assert settle_referrals().completed == 1
    late = long_ago + timedelta(days=2)
    refund_visit(visit=visit, net_cents=10_00, occurred_at=late, by=admin, receipt_id="R-late")
    assert settle_referrals() == Settled()
    with time_machine.travel(timezone.now() + UNDO_TIME, tick=False):
        night = run_night()
        assert night is not None
        assert night["referrals_taken_back"] == 1
        assert take_back_referrals() == Settled()
    assert thanks(nameless, friend) == [0, 0]


def test_the_night_too_waits_while_a_refund_can_be_undone(
    nameless: Customer, friend: Customer, code: str, barona_iela: Store, admin: User
) -> None:
    bring(friend, code)
    visit = record_visit(customer=friend, store=barona_iela, net_cents=10_00, by=admin).visit
    settle_referrals()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        refund_visit(visit=visit, net_cents=10_00, by=admin, receipt_id="R-midnight")
        clock.shift(UNDO_TIME - timedelta(minutes=2))
        assert take_back_referrals() == Settled()
        assert thanks(nameless, friend) == [200, 200]
        clock.shift(timedelta(minutes=2))
        assert take_back_referrals() == Settled(taken_back=1)
        assert thanks(nameless, friend) == [0, 0]


def test_nobody_brings_oneself_a_household_or_an_old_customer(
    nameless: Customer, ilze: Customer, peteris: Customer, olga: Customer, code: str, barona_iela: Store
) -> None:
    make_page_link(customer=ilze, by=None)
    record_visit(customer=olga, store=barona_iela, net_cents=10_00, by=None)
    for friend, its_code, said in (
        (nameless, code, "outside one's household"),
        (peteris, ilze.invitation.code, "outside one's household"),
        (olga, code, "new customers"),
        (olga, "NOBODYS", "Nobody has this invitation code"),
        (olga, "", "Nobody has this invitation code"),
    ):
        with pytest.raises(Refused, match=said):
            bring(friend, its_code)
    assert Referral.objects.count() == 0


def test_who_proves_to_be_of_one_household_is_not_thanked(
    nameless: Customer, friend: Customer, code: str, barona_iela: Store, dace: User
) -> None:
    bring(friend, code)
    merge_customers(survivor=nameless, merged=friend, reason="The same person", by=dace)
    record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None)
    assert settle_referrals().ended == 1
    assert thanks(nameless, friend) == [0, 0]
    assert Referral.objects.get().ended_because == "household"


def test_who_proves_to_have_bought_before_is_no_new_customer(
    nameless: Customer, friend: Customer, olga: Customer, code: str, barona_iela: Store, dace: User
) -> None:
    visit(olga, barona_iela, 30_00, days_ago=20)
    bring(friend, code)
    merge_customers(survivor=olga, merged=friend, reason="The same person", by=dace)
    record_visit(customer=olga, store=barona_iela, net_cents=10_00, by=None)
    assert settle_referrals().ended == 1
    assert thanks(nameless, olga) == [0, 0]
    assert Referral.objects.get().ended_because == "known"


def test_the_code_of_a_merged_customer_leads_on(nameless: Customer, olga: Customer, code: str, dace: User) -> None:
    own = make_page_link(customer=olga, by=None)
    merge_customers(survivor=olga, merged=nameless, reason="The same person", by=dace)
    assert olga.invitation.code in Client().get(f"/i/{code}/").content.decode()
    assert olga.invitation.code in Client().get(f"/me/{own}/").content.decode()


def test_a_referral_is_written_down_once_and_for_one_inviter(friend: Customer, code: str, olga: Customer) -> None:
    assert bring(friend, code) == bring(friend, f" {code.lower()[:4]} {code.lower()[4:]} ")
    make_page_link(customer=olga, by=None)
    with pytest.raises(Refused, match="Somebody else brought this customer"):
        bring(friend, olga.invitation.code)
    assert Referral.objects.count() == 1


def test_beyond_the_years_most_only_the_friend_is_thanked(
    nameless: Customer, code: str, barona_iela: Store, admin: User
) -> None:
    set_knob(key=REFERRALS_MOST.key, new=1, by=admin)
    set_knob(key=REFERRAL_FRIEND_POINTS.key, new=50, by=admin)
    friends = [create_customer(first_name=name, language="en", by=None) for name in ("Rita", "Sofija")]
    for friend in friends:
        bring(friend, code)
        record_visit(customer=friend, store=barona_iela, net_cents=10_00, by=None)
        settle_referrals()
    assert thanks(nameless, *friends) == [200, 50, 50]


def test_the_database_refuses_a_referral_of_oneself(nameless: Customer) -> None:
    with pytest.raises(IntegrityError, match="customers_referral_of_another"), transaction.atomic():
        Referral.objects.create(referrer=nameless, friend=nameless)


def test_the_till_takes_the_code_when_somebody_joins(
    nameless: Customer, code: str, barona_iela: Store, liga: User
) -> None:
    joining: dict[str, Any] = {
        "first_name": "Rita",
        "language": "lv",
        "offers_by_email": False,
        "surveys_by_email": False,
        "wording_version": "test",
        "store": barona_iela,
        "by": liga,
    }
    before = Customer.objects.count()
    with pytest.raises(Refused) as refusal:
        add_customer(**joining, invitation="NOBODYS", key="one")
    assert (refusal.value.field, Customer.objects.count()) == ("invitation", before)
    rita = add_customer(**joining, invitation=code, key="two")
    assert rita.referral.referrer == nameless


def test_the_own_page_has_the_link_and_the_link_names_nobody(olga: Customer) -> None:
    own = Client().get(f"/me/{make_page_link(customer=olga, by=None)}/").content.decode()
    (link,) = set(re.findall(r'href="[^"]*(/i/[^"]+)"', own))
    page = Client().get(link).content.decode()
    assert olga.invitation.code in page
    assert olga.first_name not in page
    assert Client().get("/i/NOBODYS/").status_code == 404

"""Facts when two profiles are merged and parted: whose they are, consent, late tills, and two merges at once."""

from __future__ import annotations

import threading

import pytest
from django.apps import apps
from django.db import connection

from customers.actions.consent import record_consent
from customers.actions.merging import MOVED_UNLESS_THERE
from customers.actions.merging import OWNED as FACTS
from customers.actions.visits import was_theirs
from customers.models import Channel, ConsentEvent, Customer, Merge, Purpose, Visit
from customers.queries import consenting, newest_consent
from feedback.actions.merging import OWNED as SAID
from feedback.actions.tickets import open_ticket
from feedback.models import Ticket
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from loyaltycrm.testing import visit
from rewards.actions.earning import record_visit
from rewards.actions.merging import OWNED as OWED
from rewards.ledger.audit import audit
from rewards.models import TierStanding

OFFERS = (Purpose.OFFERS, Channel.EMAIL)
DERIVED = {"SearchTerm", "Classification", "CustomerValue", "VisitSums", "TierStanding", "TierChange"}
KEPT = {
    "Erasure",
    "Customer",
    "Merge",
    "GroupChange",
    "ConsentEvent",
    "Account",
    "UnusualUse",
    "DuplicatePair",
    "HoldOutPlace",
    "Invitation",
    "OneReader",
    "Referral",
}


def says(customer: Customer, given: bool) -> None:
    record_consent(
        customer=customer,
        purpose=Purpose.OFFERS,
        channel=Channel.EMAIL,
        given=given,
        source=ConsentEvent.Source.PROFILE,
        by=None,
    )


def agrees(customer: Customer) -> bool:
    return customer.pk in consenting([customer.pk], *OFFERS)


def test_every_table_about_customers_is_moved_derived_or_kept() -> None:
    named = {
        model.__name__
        for model in apps.get_models()
        for field in model._meta.fields
        if field.is_relation and field.related_model is Customer
    }
    moved = {model.__name__ for model in (*FACTS, *MOVED_UNLESS_THERE, *OWED, *SAID)}
    assert named == moved | DERIVED | KEPT


@pytest.mark.django_db
@pytest.mark.parametrize(("own", "other"), [(True, False), (True, None), (None, True), (False, True), (None, False)])
def test_consent_is_the_stricter_of_both_and_comes_back(own: bool | None, other: bool | None, dace: User) -> None:
    survivor, merged = (Customer.objects.create(external_id=n, joined_on="2025-01-01") for n in ("S", "M"))
    for customer, given in ((survivor, own), (merged, other)):
        if given is not None:
            says(customer, given)
    merge = merge_customers(survivor=survivor, merged=merged, reason="One person", by=dace)
    assert not agrees(survivor)

    undo_merge(merge=merge, by=dace)

    assert (agrees(survivor), agrees(merged)) == (own is True, other is True)


@pytest.mark.django_db
def test_a_no_said_meanwhile_holds_for_both(dace: User) -> None:
    survivor, merged = (Customer.objects.create(external_id=n, joined_on="2025-01-01") for n in ("S", "M"))
    says(survivor, True)
    says(merged, True)
    merge = merge_customers(survivor=survivor, merged=merged, reason="One person", by=dace)
    assert agrees(survivor)
    says(merged, False)
    assert not agrees(survivor)

    undo_merge(merge=merge, by=dace)

    assert not agrees(survivor)
    assert not agrees(merged)
    assert newest_consent(merged)[OFFERS].basis == f"unmerge:{merge.pk}"


@pytest.mark.django_db
def test_visits_tickets_and_tier_move_and_come_back(
    anna: Customer, janis: Customer, barona_iela: Store, dace: User
) -> None:
    ticket = open_ticket(
        customer=janis, store=barona_iela, kind="complaint", subject="Soup", words="Cold", source="till", by=dace
    )
    theirs = set(Visit.objects.filter(customer=janis).values_list("pk", flat=True))
    before = dict(TierStanding.objects.values_list("customer", "tier"))
    merge = merge_customers(survivor=janis, merged=anna, reason="One person", by=dace)
    assert TierStanding.objects.get(customer=janis).tier == before[anna.pk]
    assert not TierStanding.objects.filter(customer=anna).exists()
    since = record_visit(customer=anna, store=barona_iela, net_cents=500, receipt_id="LATE", by=None).visit
    assert since.customer == janis

    undo_merge(merge=merge, by=dace)

    assert dict(TierStanding.objects.values_list("customer", "tier")) == before
    assert set(Visit.objects.filter(customer=janis).values_list("pk", flat=True)) == theirs | {since.pk}
    assert Ticket.objects.get(pk=ticket.pk).customer == janis
    assert was_theirs(since, anna)
    again = record_visit(customer=anna, store=barona_iela, net_cents=500, receipt_id=" late", by=None)
    assert (again.visit, again.is_new) == (since, False)
    assert list(audit()) == []


@pytest.mark.django_db
def test_a_receipt_of_a_former_merge_is_known_whoever_the_number_leads_to_now(
    anna: Customer, janis: Customer, barona_iela: Store, dace: User
) -> None:
    third, stranger = (Customer.objects.create(external_id=n, joined_on="2025-01-01") for n in ("T", "X"))
    merge = merge_customers(survivor=janis, merged=anna, reason="One person", by=dace)
    since = record_visit(customer=anna, store=barona_iela, net_cents=500, receipt_id="LATE", by=None).visit
    undo_merge(merge=merge, by=dace)
    merge_customers(survivor=third, merged=Customer.objects.get(pk=anna.pk), reason="One person", by=dace)

    again = record_visit(
        customer=Customer.objects.get(pk=anna.pk), store=barona_iela, net_cents=500, receipt_id="LATE", by=None
    )

    assert (again.visit, again.visit.customer, again.is_new) == (since, janis, False)
    for other in (third, stranger):
        with pytest.raises(Conflict):
            record_visit(customer=other, store=barona_iela, net_cents=500, receipt_id="LATE", by=None)
    anonymous = record_visit(customer=None, store=barona_iela, net_cents=500, receipt_id="NOBODY", by=None).visit
    assert not was_theirs(anonymous, stranger)
    assert list(audit()) == []


def test_two_merges_in_opposite_directions_at_once(
    committed_db: None, barona_iela: Store, dace: User, anna: Customer, janis: Customer
) -> None:
    ready = threading.Barrier(2)
    outcomes: list[str] = []

    def run(survivor: int, merged: int) -> None:
        try:
            pair = Customer.objects.get(pk=survivor), Customer.objects.get(pk=merged)
            ready.wait(timeout=300)
            merge_customers(survivor=pair[0], merged=pair[1], reason="One person", by=dace)
            outcomes.append("merged")
        except Refused as refusal:
            outcomes.append(str(refusal))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in ((anna.pk, janis.pk), (janis.pk, anna.pk))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert sorted(outcome == "merged" for outcome in outcomes) == [False, True]
    merge = Merge.objects.get()
    assert list(audit()) == []
    visit(merge.merged, barona_iela, 1_000)
    assert Visit.objects.filter(customer=merge.merged).count() == 0
    undo_merge(merge=merge, by=dace)
    assert list(audit()) == []

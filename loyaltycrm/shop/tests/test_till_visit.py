"""Saving a visit: its points, its one effect, what is refused, codes used on it, and taking it back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from customers.models import Customer, Visit
from loyaltycrm.core.models import AuditEvent, IdempotencyRecord, Store, User
from loyaltycrm.shop.tests.conftest import code_for, save, text_of
from rewards.actions.earning import record_visit, refund_visit
from rewards.models import Posting, Redemption, Reward, Voucher, VoucherStatus
from rewards.queries import balance_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignedIn = Callable[[User], Client]


def books() -> tuple[int, ...]:
    """How much is written down: what a refusal must not change."""
    kinds = (Visit, Posting, Redemption, AuditEvent, IdempotencyRecord)
    return *(model.objects.count() for model in kinds), Voucher.objects.filter(status=VoucherStatus.REDEEMED).count()


def key_on(page: str) -> str:
    """The one-time key of the visit form of a page."""
    found = re.search(r'id="visit".*?name="idempotency_key" value="([^"]+)"', page, re.DOTALL)
    assert found
    return found[1]


def test_find_amount_save(at_barona: Client, olga: Customer, barona_iela: Store, liga: User) -> None:
    page = at_barona.get(f"/till/customers/{olga.pk}/").content.decode()
    response = save(at_barona, olga, "24.90", key=key_on(page), payment_method="card")
    visit = Visit.objects.get(customer=olga)
    assert response["Location"] == f"/till/visits/{visit.pk}/"
    assert (visit.net_cents, visit.payment_method, visit.store, visit.recorded_by) == (2490, "card", barona_iela, liga)
    assert balance_of(olga).available == 24
    receipt = text_of(at_barona.get(response["Location"]))
    assert "Visit saved · 14 July 2026, 14:32" in receipt
    assert "Ольга Петрова · €24.90 +24 points" in receipt
    assert "€24.90, 1 point per €1 24 Balance before 0 New balance 24 points" in receipt
    assert "Undo until 14:47" in receipt


@pytest.mark.parametrize(
    ("typed", "warns"), [({"amount": "0,00"}, True), ({"amount": "0.01"}, False), ({"amount": ""}, False)]
)
def test_a_sale_without_a_card_warns_of_nothing_paid(at_barona: Client, typed: dict[str, str], warns: bool) -> None:
    words = "Nothing was paid: saved like this, it still counts as a visit."
    shown = text_of(at_barona.get("/till/no-card/preview/", typed))
    assert shown.count(words) == (2 if warns else 0), "once to see and once to hear"
    assert "This sale earns no points." in shown
    again = text_of(at_barona.post("/till/no-card/save/", {**typed, "more": "1", "idempotency_key": str(uuid4())}))
    assert (words in again) is warns


def test_the_preview_is_the_addition_that_saving_does(
    liga: User, signed_in: SignedIn, olga: Customer, coffee: Reward, tuesday: time_machine.Traveller
) -> None:
    save(signed_in(liga), olga, "100")
    tuesday.move_to("2026-07-18T09:00:00+00:00")  # a Saturday
    till = signed_in(liga)
    preview = text_of(till.get(f"/till/customers/{olga.pk}/preview/", {"amount": "24,90"}))
    assert "48 points €24.90, 1 point per €1 24 Double points at the weekend 24" in preview
    assert "Balance now 100 Balance after 148 Unlocks: Free coffee." in preview
    assert "Save visit: +48 points" in preview
    receipt = text_of(till.get(save(till, olga, "24,90")["Location"]))
    assert "+48 points" in receipt
    assert "Balance before 100 New balance 148 points" in receipt
    assert "Can be used now: Free coffee 120 points" in receipt


def test_the_preview_changes_nothing(at_barona: Client, olga: Customer) -> None:
    before = books()
    for amount in ("24.90", "", "abc", "-1", "999999999", "NaN"):
        assert at_barona.get(f"/till/customers/{olga.pk}/preview/", {"amount": amount}).status_code == 200
    assert at_barona.post(f"/till/customers/{olga.pk}/preview/").status_code == 405
    assert books() == before


def test_without_a_script_a_button_shows_the_points(at_barona: Client, olga: Customer) -> None:
    before = books()
    key = str(uuid4())
    shown = save(at_barona, olga, "24.90", key=key, show="1", note="By the window")
    assert shown.status_code == 200
    page = shown.content.decode()
    assert "Balance after 24" in text_of(shown)
    assert 'value="24.90"' in page
    assert 'value="By the window"' in page
    assert key_on(page) == key
    assert books() == before
    assert save(at_barona, olga, "24.90", key=key, note="By the window").status_code == 302


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "Enter the amount paid, for example 24.90"),
        ("twenty", "Enter an amount, for example 24.90"),
        ("-5", "Enter an amount of 0 or more, for example 24.90"),
        ("1e3", "Enter an amount, for example 24.90"),
        ("1_000", "Enter an amount, for example 24.90"),
        ("２４", "Enter an amount, for example 24.90"),
        ("24.999", "Enter at most two digits after the decimal sign, for example 24.90"),
        ("1000000.01", "Enter an amount of at most 1000000.00"),
    ],
)
def test_an_amount_that_cannot_be_is_said_at_the_field_and_in_the_summary(
    at_barona: Client, olga: Customer, typed: str, says: str
) -> None:
    before = books()
    response = save(at_barona, olga, typed, receipt_id="R-7")
    page = response.content.decode()
    assert response.status_code == 200
    assert "<title>Error: Visit: Ольга П." in page
    assert "To save this visit, fix 1 thing" in page
    assert page.count(says) == 2
    assert 'href="#id_amount"' in page
    assert 'aria-invalid="true"' in page
    assert 'value="R-7"' in page
    assert not typed or f'value="{typed}"' in page
    assert books() == before


def test_the_same_form_sent_twice_is_one_visit(at_barona: Client, olga: Customer) -> None:
    key = str(uuid4())
    first = save(at_barona, olga, "24.90", key=key, payment_method="cash")
    written = books()
    again = save(at_barona, olga, "24,90", key=key, payment_method="cash")
    assert again["Location"] == first["Location"]
    assert books() == written
    assert balance_of(olga).available == 24


def test_a_kept_entry_sent_again_without_its_note_is_the_same_visit(at_barona: Client, olga: Customer) -> None:
    key = str(uuid4())
    first = save(at_barona, olga, "24.90", key=key, note="Came with her mother")
    written = books()
    assert save(at_barona, olga, "24.90", key=key).get("Location") == first["Location"]
    assert books() == written
    assert Visit.objects.get(customer=olga).note == "Came with her mother"


@pytest.mark.parametrize(
    ("age", "hours"),
    [("43200", 12), ("86400", 24), ("999999", 24), ("0", 0), ("-60", 0), ("NaN", 0), ("", 0), ("²", 0)],
)
def test_an_entry_sent_late_is_a_visit_of_when_it_was_typed(
    at_barona: Client, olga: Customer, barona_iela: Store, age: str, hours: int
) -> None:
    start = timezone.now()
    values = {"amount": "24.90", "idempotency_key": str(uuid4())}
    first, again = (
        at_barona.post(f"/till/customers/{olga.pk}/save/", values, headers={"X-Till-Age": sent})
        for sent in (age, "43205")
    )
    visit = Visit.objects.get(customer=olga)
    assert start <= visit.occurred_at + timedelta(hours=hours) <= visit.recorded_at
    assert visit.business_date == barona_iela.business_date(visit.occurred_at)
    assert again["Location"] == first["Location"]


def test_the_same_form_sent_with_another_amount_saves_nothing_and_says_so(at_barona: Client, olga: Customer) -> None:
    key = str(uuid4())
    first = save(at_barona, olga, "24.90", key=key)
    written = books()
    other = save(at_barona, olga, "29.40", key=key)
    page = other.content.decode()
    assert other.status_code == 200
    assert "Not saved: this form saved a visit of €24.90 before." in text_of(other)
    assert f'href="{first["Location"]}"' in page
    assert 'value="29.40"' in page
    assert books() == written
    assert key_on(page) != key
    assert save(at_barona, olga, "29.40", key=key_on(page)).status_code == 302
    assert Visit.objects.filter(customer=olga).count() == 2


@pytest.mark.parametrize("key", ["", "1", "not-a-key", "'; --"])
def test_a_form_without_its_key_is_refused(at_barona: Client, olga: Customer, key: str) -> None:
    before = books()
    response = at_barona.post(f"/till/customers/{olga.pk}/save/", {"amount": "24.90", "idempotency_key": key})
    assert response.status_code == 400
    assert books() == before


def test_a_receipt_typed_again_adds_nothing(at_barona: Client, olga: Customer) -> None:
    first = save(at_barona, olga, "24.90", receipt_id="0 115")
    again = save(at_barona, olga, "24.90", receipt_id=" 0115 ")
    assert again["Location"] == first["Location"]
    assert "This receipt was saved before. Nothing was added." in text_of(at_barona.get(again["Location"]))
    assert Visit.objects.filter(customer=olga).count() == 1


def test_a_receipt_known_with_another_amount_is_refused_at_its_field(at_barona: Client, olga: Customer) -> None:
    save(at_barona, olga, "24.90", receipt_id="0115")
    before = books()
    response = save(at_barona, olga, "25.90", receipt_id="0115")
    assert "Receipt 0115 is known already with another amount or customer." in text_of(response)
    assert 'href="#id_receipt_id"' in response.content.decode()
    assert books() == before


def test_an_undone_receipt_is_not_taken_for_a_saved_one(at_barona: Client, olga: Customer) -> None:
    first = save(at_barona, olga, "24.90", receipt_id="0115")
    at_barona.post(f"{first['Location']}undo/")
    before = books()
    response = save(at_barona, olga, "24.90", receipt_id="0115")
    assert response.status_code == 200
    assert "Receipt 0115 was undone. Leave the number out, or add a letter to it." in text_of(response)
    assert books() == before


def test_long_texts_and_unseen_characters(at_barona: Client, olga: Customer) -> None:
    before = books()
    assert save(at_barona, olga, "1", receipt_id="x" * 65).status_code == 200
    assert save(at_barona, olga, "1", receipt_id="\ufdfa" * 20).status_code == 200  # one sign, 18 letters when folded
    assert save(at_barona, olga, "1", note="x" * 201).status_code == 200
    assert save(at_barona, olga, "1", payment_method="bitcoin").status_code == 200
    assert books() == before
    assert save(at_barona, olga, "1", note="A\u2028B\u0085C").status_code == 302
    assert Visit.objects.get(customer=olga).note == "A B C"


def test_a_sale_without_a_card_earns_nothing_and_counts(at_barona: Client, barona_iela: Store) -> None:
    bad = at_barona.post("/till/no-card/save/", {"amount": "x", "idempotency_key": str(uuid4())})
    assert "To save this visit, fix 1 thing" in text_of(bad)
    key = str(uuid4())
    at_barona.post("/till/no-card/save/", {"amount": "3.10", "idempotency_key": key})
    response = at_barona.post("/till/no-card/save/", {"amount": "3.10", "idempotency_key": key})
    visit = Visit.objects.get()
    assert (visit.customer, visit.net_cents, visit.store) == (None, 310, barona_iela)
    assert Posting.objects.count() == 0
    page = text_of(at_barona.get(response["Location"]))
    assert "Without a card · €3.10" in page
    assert "Today: 1" in page


# --- Codes


def test_a_ticked_code_is_used_on_the_visit(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    voucher = code_for(olga, barona_iela)
    assert "€3 off Last day: 23 July 2026" in text_of(at_barona.get(f"/till/customers/{olga.pk}/"))
    key = str(uuid4())
    response = save(at_barona, olga, "24.90", key=key, voucher=[voucher.pk])
    used = Redemption.objects.get()
    assert (used.voucher, used.visit_id, used.store) == (voucher, Visit.objects.get().pk, barona_iela)
    page = text_of(at_barona.get(response["Location"]))
    assert "Used on this visit €3 off Code RYE2LAVE · −€3.00" in page
    assert "· €21.90" in page
    written = books()
    assert save(at_barona, olga, "24.90", key=key, voucher=[voucher.pk])["Location"] == response["Location"]
    assert books() == written


@pytest.mark.parametrize("typed", ["RYE2LAVE", "rye2-lave", " rye2 lave "])
def test_a_typed_code_is_used_on_the_visit(at_barona: Client, olga: Customer, barona_iela: Store, typed: str) -> None:
    voucher = code_for(olga, barona_iela)
    assert save(at_barona, olga, "24.90", code=typed, voucher=[voucher.pk]).status_code == 302
    assert Redemption.objects.get().voucher == voucher


@pytest.mark.parametrize(
    "refusal",
    [
        ("NOSUCHCD", "This code is not known. Check it letter by letter."),
        ("ANNASC0D", "This code belongs to another customer."),
        ("BIGVISIT", "€3 off: It needs a visit of €50.00 or more."),
    ],
)
def test_a_code_that_is_not_good_leaves_the_visit_unsaved(
    at_barona: Client, olga: Customer, anna: Customer, barona_iela: Store, refusal: tuple[str, str]
) -> None:
    code, says = refusal
    code_for(anna, barona_iela, code="ANNASC0D")
    code_for(olga, barona_iela, code="BIGVISIT", least_cents=5_000)
    before = books()
    response = save(at_barona, olga, "24.90", code=code)
    page = response.content.decode()
    assert response.status_code == 200
    assert page.count(says) == 2
    assert 'href="#id_code"' in page
    assert f'value="{code}"' in page
    assert books() == before


def test_a_code_is_used_once(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    voucher = code_for(olga, barona_iela)
    save(at_barona, olga, "24.90", voucher=[voucher.pk])
    before = books()
    assert "This code was used already." in text_of(save(at_barona, olga, "9.90", voucher=[voucher.pk]))
    assert books() == before


@pytest.mark.parametrize("ticked", [["x"], ["-1"], ["9" * 30], ["999999"], ["１"], ["1"] * 51])
def test_ticks_that_no_page_offered_save_nothing(at_barona: Client, olga: Customer, ticked: list[str]) -> None:
    before = books()
    response = save(at_barona, olga, "24.90", voucher=ticked)
    assert response.status_code == 200
    assert "An offer ticked here is not known" in text_of(response)
    assert books() == before


# --- Taking it back


def test_undo_takes_the_points_and_gives_the_code_back(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    voucher = code_for(olga, barona_iela)
    saved = save(at_barona, olga, "24.90", voucher=[voucher.pk])["Location"]
    undone = at_barona.post(f"{saved}undo/", follow=True)
    page = text_of(undone)
    assert "Visit undone · 14 July 2026, 14:32" in page
    assert "−21 points" in page
    assert "Undo visit" not in page
    assert balance_of(olga).available == 0
    voucher.refresh_from_db()
    assert voucher.status == VoucherStatus.ISSUED
    assert Visit.objects.get().voided_at is not None
    written = books()
    assert "Visit undone" in text_of(at_barona.post(f"{saved}undo/", follow=True))
    assert books() == written


def test_after_fifteen_minutes_a_manager_is_asked(
    liga: User, signed_in: SignedIn, olga: Customer, tuesday: time_machine.Traveller
) -> None:
    saved = save(signed_in(liga), olga, "24.90")["Location"]
    tuesday.shift(timedelta(minutes=15, seconds=30))
    at_barona = signed_in(liga)
    before = books()
    page = text_of(at_barona.get(saved))
    assert "Undo visit" not in page
    assert "Ask manager" in page
    late = text_of(at_barona.post(f"{saved}undo/", follow=True))
    assert "The time to undo this visit is over. Ask a manager for a correction." in late
    assert books() == before


def test_an_old_receipt_still_adds_up(at_barona: Client, olga: Customer, coffee: Reward, liga: User) -> None:
    first = save(at_barona, olga, "150")["Location"]
    at_barona.post(f"/till/customers/{olga.pk}/rewards/{coffee.pk}/use/", {"idempotency_key": str(uuid4())})
    save(at_barona, olga, "20")
    refund_visit(visit=Visit.objects.get(net_cents=15_000), net_cents=5_000, receipt_id="B-1", by=liga)
    # 150 earned, then −120 for the coffee, +20, −50 taken back: 0 + 150 − 150 = 0
    page = text_of(at_barona.get(first))
    assert "Balance before 0 Used or changed since −150 New balance 0 points" in page


def test_another_stores_receipt_is_not_found(
    at_barona: Client, olga: Customer, agenskalns: Store, dace: User, signed_in: SignedIn
) -> None:
    saved = record_visit(customer=olga, store=agenskalns, net_cents=2_490, by=None).visit
    before = books()
    assert at_barona.get(f"/till/visits/{saved.pk}/").status_code == 404
    assert at_barona.post(f"/till/visits/{saved.pk}/undo/").status_code == 404
    assert books() == before
    hers = signed_in(dace)
    hers.post("/till/store/", {"store": agenskalns.pk})
    assert hers.get(f"/till/visits/{saved.pk}/").status_code == 200


def test_undo_is_never_a_link(at_barona: Client, olga: Customer) -> None:
    saved = save(at_barona, olga, "24.90")["Location"]
    assert at_barona.get(f"{saved}undo/").status_code == 405
    assert Visit.objects.get().voided_at is None


def test_the_last_visits_here_are_those_of_this_store_today(
    at_barona: Client,
    olga: Customer,
    janis: Customer,
    agenskalns: Store,
    tuesday: time_machine.Traveller,
) -> None:
    save(at_barona, olga, "6.40")
    record_visit(customer=olga, store=agenskalns, net_cents=9_999, by=None)
    tuesday.shift(timedelta(minutes=2))
    page = text_of(at_barona.get("/till/"))
    assert "Today: 1" in page
    assert "Ольга П. €6.40 · +6 points 2 min ago" in page
    assert "99.99" not in page
    assert "Jānis" not in page  # came 15 days ago


def test_the_address_a_form_was_sent_to_leads_back_to_it(at_barona: Client, olga: Customer) -> None:
    for address, form in (
        (f"/till/customers/{olga.pk}/save/", f"/till/customers/{olga.pk}/"),
        ("/till/no-card/save/", "/till/no-card/"),
        ("/till/new/save/", "/till/new/"),
    ):
        assert at_barona.get(address)["Location"] == form
        assert at_barona.post(form).status_code == 405


def test_a_visit_of_nothing_is_warned_of_and_counts(at_barona: Client, nameless: Customer) -> None:
    """A receipt of 0.00 is a visit like those that are imported; typed by mistake it should be seen."""
    address = f"/till/customers/{nameless.pk}/preview/?amount="
    for typed, is_warned in (("0", True), ("0,00", True), ("0.01", False), ("", False)):
        assert ("Nothing was paid" in text_of(at_barona.get(address + typed))) is is_warned
    assert save(at_barona, nameless, "0.00").status_code == 302
    assert (Visit.objects.get().net_cents, balance_of(nameless).available) == (0, 0)

"""Merging two profiles from the page: find, compare, merge, find the old numbers, undo."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from uuid import uuid4

import pytest
from django.test import Client

from customers.actions.customers import create_customer, update_customer
from customers.models import Customer, Merge
from loyaltycrm.core.models import User
from rewards.models import Posting
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def text_of(response: object) -> str:
    return response.content.decode()  # type: ignore[attr-defined, no-any-return]


def test_what_tells_one_person_from_two_stands_side_by_side(
    anna: Customer, janis: Customer, dace: User, signed_in: SignIn
) -> None:
    for customer, birthday in ((anna, date(1984, 3, 9)), (janis, date(1991, 12, 24))):
        update_customer(customer=customer, birthday=birthday, by=None)
    page = text_of(signed_in(dace).get(f"/customers/{anna.pk}/merge/{janis.pk}/"))
    of_both = dict.fromkeys(("Birthday", "Last visit", "Customer since", "Language"))
    for row in re.findall(r"<tr.*?</tr>", page):
        told = re.sub(r"<[^>]+>", "|", row).strip("|").split("|")
        if told[0] in of_both:
            of_both[told[0]] = [text for text in told[1:] if text]
    assert of_both["Birthday"] == ["9 March 1984", "24 December 1991", "9 March 1984"]
    assert None not in of_both.values()


def test_the_list_of_others_says_what_tells_them_apart_and_that_there_are_more(
    anna: Customer, dace: User, signed_in: SignIn
) -> None:
    for number in range(21):
        create_customer(first_name="Anna", last_name="Bērziņa", phone=f"+371200001{number:02d}", language="lv", by=None)
    for page in (f"/customers/{anna.pk}/merge/", f"/customers/{anna.pk}/household/"):
        told = text_of(signed_in(dace).get(page, {"q": "anna berzina"}))
        assert told.count("•• ••• 01") == 20, page
        assert "Others match too" in told
        assert "Others match too" not in text_of(signed_in(dace).get(page, {"q": "anna 0119"}))


def test_a_manager_merges_and_undoes_it(anna: Customer, janis: Customer, dace: User, signed_in: SignIn) -> None:
    dace_browser = signed_in(dace)
    points = balance_of(anna).available, balance_of(janis).available
    postings = Posting.objects.count()
    found = text_of(dace_browser.get(f"/customers/{anna.pk}/merge/", {"q": "kalnins"}))
    assert f"/customers/{anna.pk}/merge/{janis.pk}/" in found

    page = f"/customers/{anna.pk}/merge/{janis.pk}/"
    preview = text_of(dace_browser.get(page))
    assert f"{sum(points):,}" in preview
    assert f"{anna.full_name} {anna.external_id} stays" in preview, "duplicates have one name"
    assert (Merge.objects.count(), Posting.objects.count()) == (0, postings)

    refused = dace_browser.post(page, {"reason": " ", "idempotency_key": str(uuid4())})
    assert "Write why" in text_of(refused)
    assert Merge.objects.count() == 0

    sent = {"reason": "Told us at the till", "idempotency_key": str(uuid4())}
    for _twice in range(2):
        assert dace_browser.post(page, sent).headers["Location"] == f"/customers/{anna.pk}/"
    merge = Merge.objects.get()
    assert balance_of(anna).available == sum(points)

    old = dace_browser.get(f"/customers/{janis.pk}/")
    assert old.headers["Location"] == f"/customers/{anna.pk}/"
    profile = text_of(dace_browser.get(f"/customers/{anna.pk}/"))
    assert "Told us at the till" in profile
    assert f"/merges/{merge.pk}/undo/" in profile
    for typed in ("A-1002", "00422210", "+371 2912 0044", "janis@example.com", "Kalniņš"):
        listed = text_of(dace_browser.get("/customers/", {"q": typed}))
        assert f"/customers/{anna.pk}/" in listed, typed
        assert f"/customers/{janis.pk}/" not in listed

    undo = f"/merges/{merge.pk}/undo/"
    shown = text_of(dace_browser.get(undo))
    assert f"{points[0]:,}" in shown
    assert re.search(r'<a[^>]*href="/customers/"[^>]*aria-current', shown)
    assert Merge.objects.standing().count() == 1
    sent = {"idempotency_key": str(uuid4())}
    for _twice in range(2):
        assert dace_browser.post(undo, sent).headers["Location"] == f"/customers/{anna.pk}/"
    assert (balance_of(anna).available, balance_of(janis).available) == points
    assert dace_browser.get(f"/customers/{janis.pk}/").status_code == 200


def test_nobody_merges_their_own_profile(anna: Customer, janis: Customer, dace: User, signed_in: SignIn) -> None:
    User.objects.filter(pk=dace.pk).update(customer_id=janis.pk)
    page = f"/customers/{anna.pk}/merge/{janis.pk}/"
    browser = signed_in(User.objects.get(pk=dace.pk))
    assert "You cannot merge your own profile" in text_of(browser.get(page))
    answer = browser.post(page, {"reason": "Mine", "idempotency_key": str(uuid4())})
    assert "You cannot merge your own profile" in text_of(answer)
    assert Merge.objects.count() == 0


def test_till_staff_may_not(anna: Customer, janis: Customer, liga: User, signed_in: SignIn) -> None:
    assert signed_in(liga).get(f"/customers/{anna.pk}/merge/{janis.pk}/").status_code == 403

"""The form of an offer: nothing typed is lost, and who would get it is counted while one chooses."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from customers.actions.classifying import classify
from customers.models import Segment
from loyaltycrm.core.models import AuditEvent, User
from rewards.actions.offer_drafts import keep_offer_draft
from rewards.actions.offers import create_offer
from rewards.benefits import BenefitKind
from rewards.models import Offer, OfferDraft
from rewards.tests.audiences import TEXTS, active_offer, add_reader, content, open_shop
from rewards.tests.test_offer_pages import typed

pytestmark = pytest.mark.django_db
NEW = "/offers/new/"


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


@pytest.fixture
def browser(signed_in: Callable[[User], Client], dace: User) -> Client:
    return signed_in(dace)


def text_of(content: bytes) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", content.decode()).split())


def test_what_cannot_be_saved_yet_is_kept_as_it_was_typed_and_gone_on_with(browser: Client, dace: User) -> None:
    wrong = typed(value_cents="three", control_percent="80", subject_ru="Скидка\u2028для Вас", stores=[])  # type: ignore[arg-type]
    kept = browser.post(NEW, wrong)
    draft = OfferDraft.objects.get()
    assert kept.url == reverse("rewards:offer_draft", args=[draft.pk])  # type: ignore[attr-defined]
    assert (draft.name, draft.offer, draft.saved_by) == ("A thank-you", None, dace)
    page = browser.get(kept.url).content.decode()  # type: ignore[attr-defined]
    assert "To save this offer, fix 2 things" in page
    assert 'value="three"' in page
    assert 'value="80"' in page
    assert "Скидка для Вас" in page
    assert TEXTS["lv"]["body"] in page
    assert "A thank-you" in browser.get("/offers/").content.decode()
    saved = browser.post(kept.url, typed(name="Thanks again"))  # type: ignore[attr-defined]
    offer = Offer.objects.get()
    assert saved.url == reverse("rewards:offer", args=[offer.pk])  # type: ignore[attr-defined]
    assert offer.name == "Thanks again"
    assert not OfferDraft.objects.exists()
    assert AuditEvent.objects.filter(action="keep offer draft", by=dace).count() == 1


def test_changes_of_an_offer_wait_beside_it_and_can_be_thrown_away(browser: Client) -> None:
    add_reader(1)
    offer = active_offer()
    address = reverse("rewards:offer_edit", args=[offer.pk])
    for name in ("", "Better"):  # an active offer may not lose the words of a language that is read
        browser.post(address, typed(name=name, subject_en=""))
    draft = OfferDraft.objects.get()
    assert (draft.offer, draft.name) == (offer, "Better")
    assert "that could not be saved yet are kept" in browser.get(f"/offers/{offer.pk}/").content.decode()
    page = browser.get(address, follow=True).content.decode()
    assert page.count("Write the English subject line. 1 customer reads English.") == 2
    assert 'value="Better"' in page
    browser.post(reverse("rewards:offer_draft_remove", args=[draft.pk]))
    assert not OfferDraft.objects.exists()
    offer.refresh_from_db()
    assert offer.name == "Thanks"
    assert 'value="Thanks"' in browser.get(address).content.decode()


def test_an_offer_that_was_saved_is_not_taken_back_by_an_older_draft(browser: Client) -> None:
    add_reader(1)
    offer = active_offer()
    address = reverse("rewards:offer_edit", args=[offer.pk])
    browser.post(address, typed(name="Older", subject_en=""))
    draft = OfferDraft.objects.get()
    saved = browser.post(address, typed(name="Newer"), follow=True)
    assert "The draft is thrown away." in saved.content.decode()
    assert not OfferDraft.objects.exists()
    assert 'value="Newer"' in browser.get(address).content.decode()
    keep = {"kind": BenefitKind.MONEY_OFF, "offer": offer, "by": None}
    first = keep_offer_draft(typed={"name": ["A"]}, **keep)  # type: ignore[arg-type]
    again = keep_offer_draft(typed={"name": ["B"]}, draft=draft, **keep)  # type: ignore[arg-type]
    assert (again.pk, again.name) == (first.pk, "B"), "The draft that was open is gone, and the offer has another one."


def test_each_person_keeps_a_draft_of_their_own_and_sees_that_a_colleague_has_one(
    browser: Client, signed_in: Callable[[User], Client], dace: User, admin: User
) -> None:
    """One cannot type over the other's; what a colleague saved meanwhile is said where a draft would take it back."""
    add_reader(1)
    offer = active_offer()
    address, colleague = reverse("rewards:offer_edit", args=[offer.pk]), signed_in(admin)
    for who, name in ((browser, "By Dace"), (colleague, "By Aivars"), (browser, "By Dace again")):
        who.post(address, typed(name=name, subject_en=""))
    mine, theirs = (OfferDraft.objects.get(offer=offer, saved_by=person) for person in (dace, admin))
    assert (mine.name, theirs.name) == ("By Dace again", "By Aivars")
    page = text_of(browser.get(reverse("rewards:offer", args=[offer.pk])).content)
    assert "Changes of this offer that could not be saved yet are kept." in page
    assert "Aivars Lācis has changes of this offer too that could not be saved yet" in page

    open_theirs = reverse("rewards:offer_draft", args=[theirs.pk])
    looked_at = browser.get(open_theirs).content.decode()
    assert "A colleague typed this." in looked_at
    assert 'value="By Aivars"' in looked_at
    kept = browser.post(open_theirs, typed(name="Both together", subject_en=""))
    assert kept.url == reverse("rewards:offer_draft", args=[mine.pk])  # type: ignore[attr-defined]
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.name, theirs.name) == ("Both together", "By Aivars")

    browser.post(address, typed(name="Saved by Dace"))
    assert list(OfferDraft.objects.all()) == [theirs]
    assert "Saving the draft takes that back." in colleague.get(open_theirs).content.decode()


def test_the_database_keeps_one_draft_of_an_offer_for_a_person(dace: User) -> None:
    offer = create_offer(content=content(), by=None)
    row = {"offer": offer, "saved_by": dace, "kind": BenefitKind.MONEY_OFF, "typed": {}}
    OfferDraft.objects.create(**row)
    with pytest.raises(IntegrityError, match="rewards_offer_draft_one_for_a_person"), transaction.atomic():
        OfferDraft.objects.create(**row)
    assert OfferDraft.objects.count() == 1


def test_a_form_sent_again_with_other_words_says_so_and_keeps_them(browser: Client) -> None:
    form = typed(name="First")
    browser.post(NEW, form)
    again = browser.post(NEW, {**form, "name": "Second"})
    page = again.content.decode()
    assert "This form was already used for something else." in page
    assert 'value="Second"' in page
    assert form["idempotency_key"] not in page
    assert [offer.name for offer in Offer.objects.all()] == ["First"]


def test_who_would_get_it_is_counted_while_one_chooses_and_nothing_is_saved(browser: Client) -> None:
    """Of 50, one did not agree and one reads what is not written yet; a fifth of 48 is control; 90.00 pays for 30."""
    for number in range(50):
        add_reader(number, consents=number != 0, language="lv" if number == 1 else "en", loyal=False)
    everyone = Segment.objects.create(name="With an address", definition={"email": {"is": True}}, is_shared=True)
    classify()
    asked = typed(
        then="show", segment=str(everyone.pk), control_percent="20", budget_cents="90", subject_lv="", name=""
    )
    whole = browser.post(NEW, asked)
    part = browser.post(NEW, asked, headers={"HX-Request": "true"})
    for answer in (whole, part):
        said = text_of(answer.content)
        assert "With an address 50" in said
        assert "Without: Did not agree to offers by email (−1) 49" in said
        assert "Without: No text in the customer&#x27;s language (−1) 48" in said
        assert "Control group, gets nothing −10" in said
        assert "Without: The offer’s budget is used up (−8) 30" in said
        assert "Will get the email 30" in said
        assert "With 38 households offered it and 10 in the control group nothing can be told." in said
        assert "Expected cost €90.00" in said
    assert b"<html" not in part.content
    assert b'aria-invalid="true"' not in whole.content
    assert TEXTS["en"]["body"] in whole.content.decode()
    assert not Offer.objects.exists()
    assert not OfferDraft.objects.exists()


def test_before_a_word_of_the_message_is_written_everybody_is_taken_to_read_it(browser: Client) -> None:
    for number in range(3):
        add_reader(number, language=("en", "lv", "ru")[number])
    classify()
    empty = {f"{field}_{code}": "" for field in ("benefit", "subject", "heading", "body") for code in TEXTS}
    said = text_of(browser.post(NEW, typed(then="show", control_percent="0", **empty)).content)
    assert "The message is complete in no language yet." in said
    assert "Will get the email 3" in said


def test_what_is_in_the_way_of_counting_is_named(browser: Client) -> None:
    said = text_of(browser.post(NEW, typed(then="show", control_percent="80")).content)
    assert "It cannot be counted before this is mended: Enter a number from 0 to 50" in said


def test_the_slider_is_there_beside_its_number_field_and_says_nothing_by_itself(browser: Client) -> None:
    page = browser.get(f"{NEW}?kind=money_off").content.decode()
    slider = re.search(r'<input class="form-range"[^>]*>', page)
    assert slider is not None
    assert 'min="0" max="50"' in slider[0]
    assert "name=" not in slider[0]

"""Points used at the till, the one band that warns, new customers and problems told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.test import Client

from customers.models import ConsentEvent, Customer, Identifier, Visit
from customers.queries import may_mail
from feedback.actions.tickets import open_ticket
from feedback.models import Ticket
from loyaltycrm.core.models import AuditEvent, Store, User
from loyaltycrm.shop.tests.conftest import save, text_of
from loyaltycrm.testing import visit
from rewards.actions.catalogue import stop_reward
from rewards.actions.earning import record_visit, refund_visit
from rewards.models import Posting, Redemption, Reward
from rewards.queries import balance_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignedIn = Callable[[User], Client]


def use(client: Client, customer: Customer, reward: Reward, *, key: str = "", next_page: str = "") -> str:
    """Press Use; what the page that follows says."""
    values = {"idempotency_key": key or str(uuid4()), "next": next_page}
    return text_of(client.post(f"/till/customers/{customer.pk}/rewards/{reward.pk}/use/", values, follow=True))


def test_the_card_says_what_can_be_used_and_what_comes_next(
    at_barona: Client, olga: Customer, coffee: Reward, breakfast: Reward
) -> None:
    save(at_barona, olga, "486")
    page = text_of(at_barona.get(f"/till/customers/{olga.pk}/"))
    assert "Ольга Петрова Prefers Russian · •• ••• 1234 Member" in page
    assert "486 points 14 to go Free breakfast, 500" in page
    assert "Can use now Free coffee 120 points Use" in page


def test_a_reward_is_used_at_once_and_can_be_undone(
    at_barona: Client, olga: Customer, coffee: Reward, liga: User
) -> None:
    save(at_barona, olga, "200")
    page = use(at_barona, olga, coffee)
    assert "Free coffee is used: −120 points." in page
    assert "80 points" in page
    assert "Used just now Free coffee −120 points · just now Used on this visit : Free coffee Undo" in page
    used = Redemption.objects.get()
    assert (used.points, used.redeemed_by) == (120, liga)
    undone = text_of(at_barona.post(f"/till/uses/{used.pk}/undo/", {"next": "/till/"}, follow=True))
    assert "Undone: Free coffee." in undone
    assert "Last visits here" in undone
    assert balance_of(olga).available == 200
    postings = Posting.objects.count()
    at_barona.post(f"/till/uses/{used.pk}/undo/")
    assert Posting.objects.count() == postings


def test_the_same_button_pressed_twice_uses_once(at_barona: Client, olga: Customer, coffee: Reward) -> None:
    save(at_barona, olga, "500")
    key = str(uuid4())
    use(at_barona, olga, coffee, key=key)
    use(at_barona, olga, coffee, key=key)
    assert balance_of(olga).available == 380
    use(at_barona, olga, coffee)
    assert balance_of(olga).available == 260


def test_too_few_points_say_how_many_are_missing(at_barona: Client, olga: Customer, coffee: Reward) -> None:
    save(at_barona, olga, "96")
    before = Posting.objects.count()
    assert "Not enough points: 120 needed, 96 left" in use(at_barona, olga, coffee)
    assert (Posting.objects.count(), Redemption.objects.count()) == (before, 0)


def test_a_reward_no_longer_offered_is_not_used(at_barona: Client, olga: Customer, coffee: Reward) -> None:
    save(at_barona, olga, "200")
    stop_reward(reward=coffee, by=None)
    assert "This reward is no longer offered." in use(at_barona, olga, coffee)
    assert Redemption.objects.count() == 0


def test_using_from_the_receipt_comes_back_to_it(at_barona: Client, olga: Customer, coffee: Reward) -> None:
    saved = save(at_barona, olga, "150")["Location"]
    page = use(at_barona, olga, coffee, next_page=saved)
    assert "Visit saved" in page
    assert "New balance 30 points" in page
    assert "Can be used now" not in page


def test_another_stores_use_is_not_undone_here(
    at_barona: Client, olga: Customer, coffee: Reward, martins: User, signed_in: SignedIn
) -> None:
    elsewhere = signed_in(martins)
    save(elsewhere, olga, "200")
    use(elsewhere, olga, coffee)
    used = Redemption.objects.get()
    assert at_barona.post(f"/till/uses/{used.pk}/undo/").status_code == 404
    used.refresh_from_db()
    assert used.undone_at is None
    assert "Used just now" not in text_of(at_barona.get(f"/till/customers/{olga.pk}/"))


# --- One band at most, saying what to do


def band(client: Client, customer: Customer) -> str:
    page = client.get(f"/till/customers/{customer.pk}/").content.decode()
    assert page.count("till-band") <= 1
    return text_of(client.get(f"/till/customers/{customer.pk}/")).split("New visit")[0]


def test_an_open_complaint_comes_before_everything(
    at_barona: Client, olga: Customer, barona_iela: Store, dace: User, signed_in: SignedIn
) -> None:
    visit(olga, barona_iela, 10_000, days_ago=355)
    assert "end soon" in band(at_barona, olga)
    ticket = open_ticket(
        customer=olga,
        store=barona_iela,
        kind="complaint",
        subject="The soup was cold",
        words="Cold",
        source="till",
        by=None,
    )
    told = band(at_barona, olga)
    assert "Open complaint, 14 July: The soup was cold" in told
    assert "Say sorry. We answer by:" in told
    assert "end soon" not in told
    assert "Read ticket" not in told
    hers = signed_in(dace)
    hers.post("/till/store/", {"store": barona_iela.pk})
    assert f"Read ticket {ticket.pk}" in band(hers, olga)


def test_a_form_that_saved_before_is_the_one_thing_to_say(
    at_barona: Client, olga: Customer, barona_iela: Store
) -> None:
    visit(olga, barona_iela, 10_000, days_ago=355)
    assert "end soon" in band(at_barona, olga)
    key = str(uuid4())
    save(at_barona, olga, "24.90", key=key)
    page = save(at_barona, olga, "29.40", key=key).content.decode()
    assert "Not saved: this form saved a visit of €24.90 before." in page
    assert page.count("till-band") == 1


def test_sorry_is_said_once_and_the_band_says_so(
    at_barona: Client, olga: Customer, agenskalns: Store, liga: User
) -> None:
    ticket = open_ticket(
        customer=olga,
        store=agenskalns,
        kind="complaint",
        subject="A hair in it",
        words="A hair",
        source="till",
        by=None,
    )
    assert "I said sorry" in band(at_barona, olga)
    for _time in range(2):
        at_barona.post(f"/till/customers/{olga.pk}/sorry/")
    told = band(at_barona, olga)
    assert "Sorry was said. We answer by:" in told
    assert "I said sorry" not in told
    ticket.refresh_from_db()
    assert ticket.sorry_said_by == liga
    note = ticket.messages.get(voice="note")
    assert note.body == "Sorry was said at the till: Barona iela"
    assert AuditEvent.objects.filter(action="say sorry", by=liga).count() == 1


def test_nobody_says_sorry_where_nobody_complains(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    question = open_ticket(
        customer=olga, store=barona_iela, kind="question", subject="Rye?", words="When?", source="till", by=None
    )
    assert "The complaint is solved already." in text_of(
        at_barona.post(f"/till/customers/{olga.pk}/sorry/", follow=True)
    )
    assert question.messages.count() == 1


def test_a_complaint_elsewhere_is_told_without_its_subject(
    at_barona: Client, olga: Customer, agenskalns: Store
) -> None:
    open_ticket(
        customer=olga,
        store=agenskalns,
        kind="complaint",
        subject="A hair in it",
        words="A hair",
        source="till",
        by=None,
    )
    told = band(at_barona, olga)
    assert "Open complaint, 14 July: Āgenskalns" in told
    assert "hair" not in told


def test_a_question_warns_of_nothing(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    open_ticket(
        customer=olga, store=barona_iela, kind="question", subject="Open on Monday", words="?", source="till", by=None
    )
    assert "Open on Monday" not in band(at_barona, olga)


def test_points_that_end_soon_are_said_with_their_last_day(
    at_barona: Client, olga: Customer, barona_iela: Store, coffee: Reward
) -> None:
    # Earned on 24 July 2025, a Thursday, they are good that day and 364 more: through 23 July 2026.
    visit(olga, barona_iela, 15_000, days_ago=355)
    told = band(at_barona, olga)
    assert "150 points end soon. Last day: 23 July 2026" in told
    assert "Say so, and offer a reward from the list." in told


def test_points_that_end_later_warn_of_nothing(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    visit(olga, barona_iela, 15_000, days_ago=340)
    assert "end soon" not in band(at_barona, olga)


def test_points_owed_are_said(at_barona: Client, olga: Customer, coffee: Reward, barona_iela: Store) -> None:
    saved = record_visit(customer=olga, store=barona_iela, net_cents=15_000, by=None).visit
    use(at_barona, olga, coffee)
    refund_visit(visit=saved, net_cents=15_000, receipt_id="B-1", by=None)
    assert "120 points to repay Say that the next points repay them first." in band(at_barona, olga)


# --- New customers


def newcomer(client: Client, **values: str) -> tuple[int, str]:
    """Send the form; the status and what the page that follows says."""
    form = {"language": "lv", "idempotency_key": str(uuid4()), **values}
    response = client.post("/till/new/save/", form)
    return response.status_code, text_of(response if response.status_code == 200 else client.get(response["Location"]))


def test_a_customer_joins_in_seconds_and_is_served(at_barona: Client, barona_iela: Store, liga: User) -> None:
    boxes = at_barona.get("/till/new/").content.decode()
    assert "checked" not in boxes.split("by_email", 1)[1]
    status, page = newcomer(
        at_barona,
        first_name="Zane",
        last_name="Auziņa",
        phone="2000 0123",
        email="zane@example.com",
        card="0042 7777",
        offers_by_email="on",
    )
    zane = Customer.objects.get(first_name="Zane")
    assert status == 302
    assert "Zane Auziņa is a customer now." in page
    assert "New visit" in page
    assert (zane.phone, zane.language, zane.home_store) == ("+37120000123", "lv", barona_iela)
    assert zane.joined_on.isoformat() == "2026-07-14"
    assert Identifier.objects.get(customer=zane).value == "00427777"
    asked = ConsentEvent.objects.get(customer=zane)
    assert (asked.purpose, asked.channel, asked.given, asked.source) == ("offers", "email", True, "till")
    assert (asked.recorded_by, bool(asked.wording_version)) == (liga, True)
    assert zane.pk in may_mail([zane.pk], "offers", "email")
    assert zane.pk not in may_mail([zane.pk], "surveys", "email")


def test_the_same_form_sent_twice_is_one_customer(at_barona: Client) -> None:
    key = str(uuid4())
    for _time in range(2):
        status, _page = newcomer(at_barona, first_name="Zane", idempotency_key=key)
        assert status == 302
    assert Customer.objects.filter(first_name="Zane").count() == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "Enter at least a name, a card, a phone or an email"),
        ({"phone": "12"}, "phone"),
        ({"email": "zane@"}, "Enter an email address, for example anna@example.com"),
        (
            {"first_name": "Zane", "offers_by_email": "on"},
            "Enter the email address, or leave the boxes for email empty",
        ),
        ({"first_name": "Zane", "language": "de"}, "Choose one of the options shown"),
        ({"first_name": "Z", "card": "0042 1187"}, "belongs to another customer"),
        ({"first_name": "Z" * 81}, "Shorten this."),
    ],
)
def test_what_cannot_be_is_said_and_nobody_is_added(
    at_barona: Client, anna: Customer, values: dict[str, str], says: str
) -> None:
    before = (Customer.objects.count(), ConsentEvent.objects.count(), Identifier.objects.count())
    status, page = newcomer(at_barona, **values)
    assert status == 200
    assert "To add this customer, fix 1 thing" in page
    assert says in page
    assert (Customer.objects.count(), ConsentEvent.objects.count(), Identifier.objects.count()) == before


def test_somebody_with_this_phone_is_shown_first(at_barona: Client, anna: Customer) -> None:
    before = Customer.objects.count()
    status, page = newcomer(at_barona, first_name="Anete", phone="+371 2612 4821")
    assert status == 200
    assert "Not added yet: somebody with this phone or email is a customer." in page
    assert "Anna Bērziņa · •• ••• 4821" in page
    assert Customer.objects.count() == before
    status, _page = newcomer(at_barona, first_name="Anete", phone="+371 2612 4821", someone_else="on")
    assert status == 302
    assert Customer.objects.filter(phone=anna.phone).count() == 2


# --- A problem told


def test_a_problem_becomes_a_ticket_of_this_store(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    values = {"kind": "complaint", "subject": "Stale bread", "words": "Bought today", "idempotency_key": str(uuid4())}
    at_barona.post(f"/till/customers/{olga.pk}/problem/", values)
    response = at_barona.post(f"/till/customers/{olga.pk}/problem/", values)
    ticket = Ticket.objects.get()
    assert (ticket.customer, ticket.store, ticket.kind, ticket.source) == (olga, barona_iela, "complaint", "till")
    page = text_of(at_barona.get(response["Location"]))
    assert f"Ticket {ticket.pk} is open. Answer by:" in page
    assert "Open complaint, 14 July: Stale bread" in page


def test_a_problem_without_words_is_not_sent(at_barona: Client, olga: Customer) -> None:
    values = {"kind": "complaint", "subject": " ", "words": "", "idempotency_key": str(uuid4())}
    page = text_of(at_barona.post(f"/till/customers/{olga.pk}/problem/", values))
    assert "To report this, fix 2 things" in page
    assert "Say in a few words what it is about" in page
    assert Ticket.objects.count() == 0


def test_visits_of_the_day_before_do_not_count_as_today(
    at_barona: Client, olga: Customer, tuesday: time_machine.Traveller
) -> None:
    tuesday.move_to("2026-07-13T20:59:00+00:00")  # 23:59 in Riga
    save(at_barona, olga, "6.40")
    tuesday.shift(timedelta(minutes=2))
    assert "No visits yet today." in text_of(at_barona.get("/till/"))
    assert Visit.objects.get().business_date.isoformat() == "2026-07-13"

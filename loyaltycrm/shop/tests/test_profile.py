"""One customer on one page: for every kind of customer, and in a constant number of queries."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from customers.actions.classifying import classify
from customers.models import Customer
from feedback.actions.resolving import reopen_ticket, resolve_ticket
from feedback.actions.surveys import answer_survey, invite_to_survey
from feedback.actions.tickets import open_ticket
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.queries.moved import is_all_seen
from loyaltycrm.shop.queries.profile import profile_of
from loyaltycrm.shop.queries.timeline import PAGE_SIZE, timeline
from loyaltycrm.testing import visit
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.models import Reward

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]


def lines(customer: Customer, user: User, kind: str = "") -> list[tuple[str, int | None, int | None]]:
    shown = timeline(customer, user=user, kind=kind)
    entries = [entry for day in shown.days for entry in day.entries if entry.mark != "edit"]
    return [(entry.title, entry.points, entry.left) for entry in entries]


def test_the_timeline_tells_what_each_entry_left(nameless: Customer, barona_iela: Store, admin: User) -> None:
    now = timezone.now()
    monday = now - timedelta(days=now.weekday() + 7)
    coffee = Reward.objects.create(
        key="c", names={"en": "Free coffee"}, points_cost=120, benefit=FreeItem(worth_cents=250)
    )
    record_visit(customer=nameless, store=barona_iela, net_cents=200_00, occurred_at=monday, receipt_id="A", by=admin)
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=admin)
    post_goodwill(customer=nameless, points=30, reference="goodwill:ticket:1", by=admin)
    assert lines(nameless, admin) == [
        ("Goodwill points", 30, 110),
        ("Free coffee used", -120, 80),
        ("Visit, €200.00", 200, 200),
    ]


def test_among_the_points_stands_all_that_changed_them(
    nameless: Customer, barona_iela: Store, centrs: Store, dace: User
) -> None:
    now = timezone.now()
    monday = now - timedelta(days=now.weekday() + 7)
    for cents, store, days in ((200_00, barona_iela, 0), (90, barona_iela, 1), (50_00, centrs, 2)):
        at = monday + timedelta(days=days)
        record_visit(customer=nameless, store=store, net_cents=cents, occurred_at=at, by=None)
    post_goodwill(customer=nameless, points=30, reference="goodwill:ticket:1", by=dace)
    assert lines(nameless, dace, kind="points") == [
        ("Goodwill points", 30, 280),
        ("Visit at another store", 50, 250),
        ("Visit, €200.00", 200, 200),
    ]
    shown = timeline(nameless, user=dace, kind="visits")
    assert (shown.counts["visits"], shown.counts["points"]) == (3, 3)
    assert shown.total == 3 + 1 + shown.counts["edits"], "a visit that earned is one entry"


def test_what_came_late_leaves_what_was_there_on_its_day(nameless: Customer, barona_iela: Store, admin: User) -> None:
    now = timezone.now()
    monday = now - timedelta(days=now.weekday() + 7)

    def bought(cents: int, days_later: int) -> None:
        at = monday + timedelta(days=days_later)
        record_visit(customer=nameless, store=barona_iela, net_cents=cents, occurred_at=at, by=admin)

    bought(200_00, 0)
    bought(50_00, 2)
    bought(12_00, 1)
    assert lines(nameless, admin) == [
        ("Visit, €50.00", 50, 262),
        ("Visit, €12.00", 12, 212),
        ("Visit, €200.00", 200, 200),
    ]


def test_a_visit_undone_shows_both_ways(nameless: Customer, barona_iela: Store, admin: User) -> None:
    saved = record_visit(customer=nameless, store=barona_iela, net_cents=50_00, by=admin)
    undo_visit(visit=saved.visit, by=admin)
    titles = [title for title, _points, _left in lines(nameless, admin)]
    assert titles[0] == "Visit undone, €50.00"
    assert titles[-1] == "Visit, €50.00, undone later"
    assert lines(nameless, admin)[1][1:] == (-saved.points, 0)


def test_a_visit_elsewhere_shows_as_date_and_points_only(
    nameless: Customer, centrs: Store, barona_iela: Store, dace: User, signed_in: SignedIn
) -> None:
    at = timezone.now() - timedelta(days=3)
    saved = record_visit(
        customer=nameless, store=centrs, net_cents=77_00, receipt_id="SECRET-7", occurred_at=at, note="hush", by=None
    )
    assert lines(nameless, dace) == [("Visit at another store", saved.points, saved.points)]
    text = signed_in(dace).get(f"/customers/{nameless.pk}/").content.decode()
    assert "SECRET-7" not in text
    assert "hush" not in text


def test_what_happened_elsewhere_shows_as_date_and_points_only(
    nameless: Customer, centrs: Store, barona_iela: Store, dace: User, admin: User, signed_in: SignedIn
) -> None:
    now = timezone.now()
    cake = Reward.objects.create(
        key="c", names={"en": "Secret cake"}, points_cost=120, benefit=FreeItem(worth_cents=250)
    )
    record_visit(
        customer=nameless, store=barona_iela, net_cents=200_00, receipt_id="OWN-1",
        occurred_at=now - timedelta(days=9), by=None,
    )  # fmt: skip
    there = record_visit(
        customer=nameless, store=centrs, net_cents=77_00, receipt_id="SECRET-7",
        occurred_at=now - timedelta(days=3), by=None,
    )  # fmt: skip
    refund_visit(visit=there.visit, net_cents=11_00, receipt_id="SECRET-8", by=admin)
    use_reward(customer=nameless, reward=cake, store=centrs, reference="k", by=admin)
    wrong = record_visit(customer=nameless, store=centrs, net_cents=33_00, receipt_id="SECRET-9", by=admin)
    undo_visit(visit=wrong.visit, by=admin)
    survey = invite_to_survey(customer=nameless, visit=there.visit, by=admin)
    answer_survey(token=survey.link.rstrip("/").rsplit("/", 1)[-1], rating=9, words="hush hush")
    complaint = open_ticket(
        customer=nameless, store=centrs, kind="complaint", subject="Cold soup", words="Cold", source="till", by=admin
    )
    resolve_ticket(ticket=complaint, kind="goodwill", points=40, words="Sorry", by=admin)
    reopen_ticket(ticket=complaint, by=admin)

    for shown in (timeline(nameless, user=dace), timeline(nameless, user=dace, kind="visits")):
        told = [(one.title, one.detail) for day in shown.days for one in day.entries if one.mark != "edit"]
        own = [text for text in told if text[0].startswith("Visit, ")]
        assert own == [("Visit, €200.00", "Barona iela · receipt OWN-1")]
        assert {detail for title, detail in told if (title, detail) not in own} <= {""}
    titles = [title for title, _points, _left in lines(nameless, dace)]
    for title in (
        "Visit at another store",
        "Visit at another store undone",
        "Money given back, another store",
        "Points used at another store",
        "Survey about another store",
        "Goodwill points",
    ):
        assert title in titles
    assert ("Points used at another store", -120) in [(title, points) for title, points, _left in lines(nameless, dace)]
    timeline_text = re.search(
        r'id="timeline-heading".*?</section>',
        signed_in(dace).get(f"/customers/{nameless.pk}/").content.decode(),
        re.DOTALL,
    )
    assert timeline_text is not None
    for secret in ("77.00", "11.00", "33.00", "SECRET", "Centrs", "Secret cake", "hush", "Aivars", "of 10"):
        assert secret not in timeline_text[0]
    everything = str([(one.title, one.detail) for day in timeline(nameless, user=admin).days for one in day.entries])
    for known in ("€77.00", "€11.00", "SECRET-7", "Centrs", "Secret cake", "hush hush", "Aivars Lācis", "9 of 10"):
        assert known in everything


def test_the_bars_of_other_stores_say_nothing_of_their_baskets(
    nameless: Customer, centrs: Store, barona_iela: Store, dace: User, admin: User
) -> None:
    visit(nameless, barona_iela, 4_00, days_ago=9)
    visit(nameless, centrs, 90_00, days_ago=6)
    visit(nameless, centrs, 1_00, days_ago=3)

    def heights(user: User) -> list[str]:
        return [bar.height for bar in profile_of(nameless, user=user, ticket=None).year.strip.visits]

    assert len(set(heights(dace))) == 1
    assert len(set(heights(admin))) > 1


def test_a_ticket_of_another_store_is_not_there(nameless: Customer, centrs: Store, dace: User, admin: User) -> None:
    open_ticket(
        customer=nameless, store=centrs, kind="complaint", subject="Cold soup", words="Cold", source="profile", by=admin
    )
    assert [title for title, _p, _l in lines(nameless, dace, "tickets")] == []
    assert len(lines(nameless, admin, "tickets")) == 1


def test_pages_and_filters(nameless: Customer, barona_iela: Store, admin: User, signed_in: SignedIn) -> None:
    for number in range(PAGE_SIZE + 5):
        visit(nameless, barona_iela, 500, days_ago=number)
    first = timeline(nameless, user=admin)
    added = ["Customer added", "Card added"]
    assert (first.pages, first.total, first.counts["visits"]) == (2, PAGE_SIZE + 5 + len(added), PAGE_SIZE + 5)
    assert first.counts["edits"] == len(added)
    assert sum(len(day.entries) for day in timeline(nameless, user=admin, page=2).days) == 5 + len(added)
    browser = signed_in(admin)
    for query in ("?page=2", "?page=99999999", "?page=-1", "?page=x", "?page=1_0", "?page=２", "?show=nonsense"):
        assert browser.get(f"/customers/{nameless.pk}/{query}").status_code == 200


@pytest.mark.parametrize("who", ["anna", "janis", "olga", "nameless", "peteris"])
def test_everyone_of_the_cast_has_a_page(
    who: str, request: pytest.FixtureRequest, dace: User, signed_in: SignedIn
) -> None:
    customer = request.getfixturevalue(who)
    classify()
    page = signed_in(dace).get(f"/customers/{customer.pk}/")
    assert page.status_code == 200
    assert customer.full_name in page.content.decode()


def test_the_open_complaint_is_what_to_do_next(
    anna: Customer, barona_iela: Store, dace: User, liga: User, signed_in: SignedIn
) -> None:
    classify()
    ticket = open_ticket(
        customer=anna, store=barona_iela, kind="complaint", subject="Cold soup", words="Cold", source="till", by=liga
    )
    text = signed_in(dace).get(f"/customers/{anna.pk}/").content.decode()
    assert f"Open ticket {ticket.pk}" in text
    assert "Cold soup" in text


def test_the_number_of_queries_does_not_grow_with_the_history(
    nameless: Customer,
    barona_iela: Store,
    admin: User,
    signed_in: SignedIn,
    django_assert_num_queries: Callable[..., object],
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    browser = signed_in(admin)

    def story(days_ago: int) -> None:
        at = timezone.now() - timedelta(days=days_ago)
        saved = record_visit(customer=nameless, store=barona_iela, net_cents=40_00, occurred_at=at, by=admin)
        refund_visit(visit=saved.visit, net_cents=100, receipt_id=f"R{days_ago}", by=admin)

    story(1)
    classify()
    browser.get(f"/customers/{nameless.pk}/")
    with CaptureQueriesContext(connection) as small:
        browser.get(f"/customers/{nameless.pk}/")
    for days_ago in range(2, 12):
        story(days_ago)
    classify()
    with CaptureQueriesContext(connection) as large:
        browser.get(f"/customers/{nameless.pk}/")
    assert len(large) <= len(small)


def test_nobody_is_a_404(admin: User, signed_in: SignedIn) -> None:
    assert signed_in(admin).get("/customers/999999/").status_code == 404
    assert signed_in(admin).get("/customers/99999999999999999999999/").status_code == 404


def test_what_moves_somebody_is_explained_to_those_who_see_all_they_did(
    nameless: Customer, barona_iela: Store, agenskalns: Store, liga: User, admin: User
) -> None:
    visit(nameless, barona_iela, 5_00)
    assert is_all_seen(nameless, liga)
    visit(nameless, agenskalns, 5_00)
    assert not is_all_seen(nameless, liga)
    assert is_all_seen(nameless, admin)

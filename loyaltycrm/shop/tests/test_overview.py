"""The overview's figures, against a shop small enough to be counted by hand."""

from __future__ import annotations

import csv
import html
import io
import itertools
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db.models import Sum
from django.test import Client

from customers.actions.classifying import classify
from customers.models import Customer, Merge, Visit
from loyaltycrm.core.actions.kept_answers import forget_old_answers
from loyaltycrm.core.models import KeptAnswer, Store, User
from loyaltycrm.shop.actions.erasing import erase_customer
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from loyaltycrm.shop.actions.overview import groups_and_plane, renew_overview, sales_of
from loyaltycrm.shop.queries import overview as figures
from loyaltycrm.shop.views.overview import MEASURES
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.receipts import claim_visit
from rewards.actions.summing import sum_postings
from rewards.actions.voiding import void_visit
from rewards.models import Account

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)  # a Wednesday
SignedIn = Callable[[User], Client]


def sell(customer: Customer | None, store: Store, cents: int, days_ago: int) -> object:
    at = NOW - timedelta(days=days_ago)
    return record_visit(customer=customer, store=store, net_cents=cents, occurred_at=at, by=None).visit


@pytest.fixture
def shop(nameless: Customer, olga: Customer, barona_iela: Store, agenskalns: Store) -> None:
    """Last seven days: olga 10 + 20 at Barona, 5 at Āgenskalns; nameless 8, 3 given back; unknown 60. Before: 40."""
    with time_machine.travel(NOW, tick=False):
        sell(olga, barona_iela, 1000, 1)
        sell(olga, barona_iela, 2000, 2)
        sell(olga, agenskalns, 500, 7)
        part = sell(nameless, barona_iela, 800, 3)
        sell(None, barona_iela, 6000, 4)
        sell(olga, barona_iela, 4000, 8)
        sell(olga, barona_iela, 99_00, 0)
        wrong = sell(olga, barona_iela, 77_00, 1)
        refund_visit(visit=part, net_cents=300, receipt_id="R", occurred_at=NOW - timedelta(days=1), by=None)  # type: ignore[arg-type]
        undo_visit(visit=wrong, by=None)  # type: ignore[arg-type]
        classify()


def week() -> figures.Period:
    return figures.Period.ending_yesterday(7, date(2026, 7, 15))


def test_the_period_is_whole_days_and_ends_yesterday() -> None:
    assert (week().first, week().last) == (date(2026, 7, 8), date(2026, 7, 14))
    assert (week().before.first, week().before.last) == (date(2026, 7, 1), date(2026, 7, 7))


def test_the_figures_of_a_week(shop: None, barona_iela: Store, agenskalns: Store) -> None:
    now, before = figures.sales_in(week(), [barona_iela.pk, agenskalns.pk])
    assert now == figures.Sales(customers=2, member_visits=4, visits=5, net_cents=100_00, member_cents=40_00)
    assert before == figures.Sales(customers=1, member_visits=1, visits=1, net_cents=40_00, member_cents=40_00)
    assert now.member_share == 0.4
    assert now.visits_per_customer == 2


def test_one_store_alone(shop: None, agenskalns: Store) -> None:
    now, before = figures.sales_in(week(), [agenskalns.pk])
    assert now == figures.Sales(customers=1, member_visits=1, visits=1, net_cents=5_00, member_cents=5_00)
    assert before == figures.Sales()


def test_points_owed_at_a_days_end(shop: None) -> None:
    # nameless came on a Sunday: 8 doubled, and 6 of 16 taken back. The visit undone on the 15th still stood.
    assert figures.points_owed(date(2026, 7, 7)).points == 40
    assert figures.points_owed(date(2026, 7, 14)).points == 40 + 5 + (16 - 6) + 20 + 10 + 77
    assert figures.points_owed(date(2026, 7, 14)).value_cents == 162
    assert figures.points_owed(date(2026, 7, 15)).points == 85 + 99


def test_the_course_adds_up_to_the_period(shop: None, barona_iela: Store, agenskalns: Store) -> None:
    course = figures.course_of(week(), [barona_iela.pk, agenskalns.pk])
    assert course.net_cents == [5_00, 0, 0, 60_00, 8_00, 20_00, 7_00]


def test_a_manager_sees_the_page_for_the_own_stores(shop: None, dace: User, signed_in: SignedIn) -> None:
    with time_machine.travel(NOW, tick=False):
        page = signed_in(dace).get("/overview/?days=7")
    text = page.content.decode()
    assert page.status_code == 200
    for shown in ("€100.00", "40%", "Customers who came", "Barona iela", "Āgenskalns"):
        assert shown in text
    assert "Centrs" not in text


def test_every_figure_stands_in_a_table(shop: None, dace: User, signed_in: SignedIn) -> None:
    with time_machine.travel(NOW, tick=False):
        page = signed_in(dace).get("/overview/?days=7").content.decode()
    (table,) = re.findall(r'<table[^>]*id="figures-table".*?</table>', page, re.DOTALL)
    rows = [
        [
            html.unescape(re.sub(r"<[^>]+>", " ", cell)).strip()
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    ]
    assert [row[0] for row in rows] == [
        "Figure",
        "Customers who came",
        "Visits per customer",
        "Sales",
        "Share of sales by members",
        "Points not yet used",
        "Complaints open",
    ]
    told = {row[0]: row[1:4] for row in rows[1:]}
    assert told["Customers who came"] == ["2", "1", "+100.0%"]
    assert told["Sales"] == ["€100.00", "€40.00", "+150.0%"]
    assert told["Share of sales by members"][:2] == ["40%", "100%"]
    assert told["Complaints open"] == ["0", "–", "–"]
    assert [row[4] for row in rows[1:]] == [str(measure) for measure in MEASURES.values()]


@pytest.mark.parametrize("query", ["?days=abc", "?days=-1", "?store=999999", "?store=' OR 1=1", "?view=x&days=365"])
def test_an_odd_choice_is_the_usual_page(query: str, dace: User, signed_in: SignedIn) -> None:
    assert signed_in(dace).get(f"/overview/{query}").status_code == 200


def test_an_empty_shop_has_an_overview(admin: User, signed_in: SignedIn) -> None:
    page = signed_in(admin).get("/overview/")
    assert page.status_code == 200
    assert "No customers yet" in page.content.decode()


def test_the_export_holds_the_same_figures(shop: None, admin: User, signed_in: SignedIn) -> None:
    with time_machine.travel(NOW, tick=False):
        body = signed_in(admin).get("/overview/export/?days=7").getvalue().decode()
    rows = {row[0]: row[1:3] for row in csv.reader(io.StringIO(body.lstrip("\ufeff")))}
    assert rows["Customers who came"] == ["2", "1"]
    assert rows["Sales"] == ["100.0", "40.0"]
    assert rows["Share of sales by members"] == ["0.4", "1.0"]


def test_the_number_of_queries_does_not_grow(
    shop: None, admin: User, signed_in: SignedIn, django_assert_max_num_queries: Callable[..., object]
) -> None:
    browser = signed_in(admin)
    browser.get("/overview/?days=365")
    with django_assert_max_num_queries(22):  # type: ignore[attr-defined]
        browser.get("/overview/?days=365")


def by_recomputation(stores: list[int]) -> object:
    groups = figures.groups_of(*figures.group_sizes(week().before.last))
    return (*figures.sales_in(week(), stores), figures.course_of(week(), stores)), (groups, figures.plane())


def as_shown(stores: list[int], *, renew: bool = False) -> object:
    return sales_of(week(), stores, renew=renew)[:3], groups_and_plane(week().before.last, renew=renew)[:2]


def test_kept_figures_are_those_of_recomputation_whatever_changes(
    shop: None, olga: Customer, nameless: Customer, barona_iela: Store, agenskalns: Store, dace: User
) -> None:
    stores = [barona_iela.pk, agenskalns.pk]
    with time_machine.travel(NOW, tick=False) as clock:
        merges: list[Merge] = []
        steps: list[Callable[[], object]] = [
            lambda: sell(olga, agenskalns, 700, 2),
            lambda: sell(None, barona_iela, 300, 3),
            lambda: claim_visit(
                customer=nameless, store=barona_iela, receipt_id=Visit.objects.latest("pk").receipt_id, by=None
            ),
            lambda: void_visit(visit=Visit.objects.filter(customer=nameless).latest("pk"), reason="Twice", by=dace),
            lambda: merges.append(merge_customers(survivor=olga, merged=nameless, reason="One person", by=dace)),
            lambda: undo_merge(merge=merges[0], by=dace),
            lambda: erase_customer(customer=nameless, reason="in_person", by=dace),
            lambda: classify(as_of=date(2026, 7, 15)),
        ]
        seen = [as_shown(stores)]
        for step in steps:
            step()
            assert as_shown(stores) == by_recomputation(stores)
            clock.shift(timedelta(minutes=5))
            assert as_shown(stores, renew=True) == by_recomputation(stores)
            seen.append(as_shown(stores))
        assert sum(now != before for before, now in itertools.pairwise(seen)) >= 6


def test_what_changes_nothing_in_the_period_leaves_the_kept_figures(
    shop: None, olga: Customer, barona_iela: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with time_machine.travel(NOW, tick=False):
        renew_overview()
        before = as_shown([barona_iela.pk])
        for name in ("sales_in", "course_of", "group_sizes", "plane"):
            monkeypatch.delattr(figures, name)
        sell(olga, barona_iela, 700, 0)
        assert as_shown([barona_iela.pk]) == before
    with time_machine.travel(NOW + timedelta(days=3), tick=False):
        kept = KeptAnswer.objects.count()
        assert forget_old_answers() == kept > 0


def test_nobody_waits_for_figures_that_take_long(
    shop: None, olga: Customer, barona_iela: Store, admin: User, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay as they were, with their time, until they are counted anew: by the worker, or after 15 minutes."""
    monkeypatch.setattr("loyaltycrm.core.actions.kept_answers.LONG_SECONDS", -1.0)
    with time_machine.travel(NOW, tick=False) as clock:
        browser = signed_in(admin)

        def shown() -> tuple[str, bool]:
            page = browser.get("/overview/?days=7")
            (sales,) = [one.value for one in page.context["figures"] if one.key == "sales"]
            return sales, "Counted at 15:00" in page.content.decode()

        before, is_old = shown()
        assert not is_old
        clock.shift(timedelta(minutes=1))
        sell(olga, barona_iela, 70_000, 2)
        assert shown() == (before, True)
        renew_overview()
        after, is_old = shown()
        assert (after != before, is_old) == (True, False)
        sell(olga, barona_iela, 70_000, 2)
        clock.shift(timedelta(minutes=14))
        assert shown()[0] == after
        clock.shift(timedelta(minutes=2))
        assert shown()[0] not in {before, after}


def test_points_owed_are_the_postings_added_up(shop: None, olga: Customer, nameless: Customer, dace: User) -> None:
    last = date(2026, 7, 15)
    before = figures.points_owed(last).points
    sum_postings()
    assert figures.points_owed(last).points == before
    with time_machine.travel(NOW, tick=False):
        merge_customers(survivor=olga, merged=nameless, reason="One person", by=dace)
    held = Account.objects.filter(customer__isnull=False).aggregate(points=Sum("book_balance"))["points"]
    assert figures.points_owed(last).points == before == held


class TestBeforeTheFirstVisit:
    def test_it_says_what_to_do_to_whoever_may_do_it(
        self, admin: User, dace: User, signed_in: SignedIn, barona_iela: Store
    ) -> None:
        steps = {person.email: self.steps(signed_in(person)) for person in (admin, dace)}
        assert list(steps[admin.email]) == [
            "/settings/company/",
            "/settings/stores/new/",
            "/programme/",
            "/imports/",
            "/staff/",
            "/till/",
        ]
        assert steps[admin.email].keys() - steps[dace.email].keys() == {"/staff/"}
        assert steps[admin.email]["/settings/stores/new/"], "there is a store"
        assert steps[admin.email]["/staff/"], "there is somebody else"
        assert not steps[admin.email]["/till/"]

    def test_it_is_gone_with_the_first_visit(
        self, admin: User, nameless: Customer, barona_iela: Store, signed_in: SignedIn
    ) -> None:
        assert self.steps(signed_in(admin))
        record_visit(customer=nameless, store=barona_iela, net_cents=100, by=None)
        assert not self.steps(signed_in(admin))

    @staticmethod
    def steps(browser: Client) -> dict[str, bool]:
        """Of each step where it leads, and whether it is told as done."""
        page = browser.get("/overview/").content.decode()
        panel = re.search(r'id="first-steps-heading".*?</section>', page, re.DOTALL)
        rows = re.findall(r'<li>.*?<a href="([^"]+)">(.*?)</li>', panel[0], re.DOTALL) if panel else []
        return {where: "Done" in rest for where, rest in rows}

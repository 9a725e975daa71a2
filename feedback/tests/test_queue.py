"""The queue of tickets: lists, counts, search, sorting, pages, export, and who may see it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import Customer
from feedback.actions.resolving import resolve_ticket
from feedback.actions.tickets import assign_ticket, pause_ticket
from feedback.models import ResolutionKind, Severity, Ticket, TicketKind
from feedback.queries import in_queue
from feedback.tests.stories import complain
from loyaltycrm.core.models import Store, User

pytestmark = pytest.mark.django_db
Browser = Callable[[User], Client]


def page(client: Client, query: str = "") -> str:
    response = client.get(f"/tickets/{query}")
    assert response.status_code == 200, response.status_code
    return unescape(response.content.decode())


def listed(client: Client, query: str = "") -> list[str]:
    """The subjects in the table, in their order."""
    return re.findall(r'<a href="/tickets/\d+/">([^<]+)</a>', page(client, query))


@pytest.fixture
def shelf(olga: Customer, janis: Customer, barona_iela: Store, dace: User, admin: User) -> dict[str, Ticket]:
    """One ticket in each state, at one store."""
    now = timezone.now()
    tickets = {
        "late": complain(janis, barona_iela, subject="Late soup", at=now - timedelta(hours=50)),
        "soon": complain(olga, barona_iela, subject="Soup by noon", at=now - timedelta(hours=47, minutes=50)),
        "idea": complain(None, barona_iela, subject="A smaller cake", kind=TicketKind.SUGGESTION),
        "paused": complain(janis, barona_iela, subject="Waiting soup"),
        "solved": complain(olga, barona_iela, subject="Solved soup"),
        "old": complain(olga, barona_iela, subject="Old soup", at=now - timedelta(days=60)),
    }
    assign_ticket(ticket=tickets["soon"], owner=dace, by=dace)
    assign_ticket(ticket=tickets["paused"], owner=admin, by=dace)
    pause_ticket(ticket=tickets["paused"], reason="Waiting for a photo", by=dace)
    for name, at in (("solved", now), ("old", now - timedelta(days=45))):
        resolve_ticket(ticket=tickets[name], kind=ResolutionKind.WORDS, words="Sorry.", by=dace, at=at)
    return tickets


def test_the_next_deadline_comes_first_with_words_before_the_time(
    shelf: dict[str, Ticket], signed_in: Browser, dace: User
) -> None:
    shown = page(signed_in(dace))

    assert re.findall(r'<a href="/tickets/\d+/">([^<]+)</a>', shown) == ["Late soup", "Soup by noon", "A smaller cake"]
    assert re.search(r"2\xa0h late.*Answer was due.*\d+\xa0min left.*Answer by", shown, re.DOTALL)
    assert len(re.findall(r'<tr class="[^"]*is-late', shown)) == 1


def test_each_list_holds_what_it_says_and_its_count_is_true(
    shelf: dict[str, Ticket], signed_in: Browser, dace: User
) -> None:
    client = signed_in(dace)
    expected = {
        "to_answer": ["Late soup", "Soup by noon", "A smaller cake"],
        "mine": ["Soup by noon"],
        "no_owner": ["Late soup", "A smaller cake"],
        "late": ["Late soup"],
        "paused": ["Waiting soup"],
        "solved": ["Solved soup"],
    }
    first = page(client)
    for queue, subjects in expected.items():
        assert listed(client, f"?queue={queue}") == subjects, queue
        count = re.search(rf'href="\?queue={queue}"[^>]*><span>[^<]*</span> <strong>(\d+)</strong>', first)
        assert count is not None
        assert int(count[1]) == len(subjects), queue
    assert "Waiting for a photo" in page(client, "?queue=paused")
    assert "Solved in time" in page(client, "?queue=solved")
    assert "<strong>100%</strong> solved in time this month, goal 90%" in first


def test_due_today_is_the_companys_day(nameless: Customer, barona_iela: Store, dace: User) -> None:
    midnight = timezone.now().astimezone(barona_iela.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    now = midnight + timedelta(hours=12)
    for name, due in {
        "yesterday": midnight - timedelta(seconds=1),
        "first second": midnight,
        "last second": midnight + timedelta(hours=23, minutes=59, seconds=59),
        "tomorrow": midnight + timedelta(days=1),
    }.items():
        ticket = complain(nameless, barona_iela, subject=name)
        Ticket.objects.filter(pk=ticket.pk).update(due_from=due - timedelta(hours=1), due_at=due)

    found = in_queue(Ticket.objects.all(), "due_today", user=dace, now=now).order_by("due_at")

    assert [ticket.subject for ticket in found] == ["first second", "last second"]


def test_the_list_is_searched_filtered_sorted_and_paged(
    shelf: dict[str, Ticket], signed_in: Browser, dace: User
) -> None:
    client = signed_in(dace)
    everything = ["Late soup", "Soup by noon", "A smaller cake"]
    cases = {
        "?q=cake": ["A smaller cake"],
        "?q=SOUP": ["Late soup", "Soup by noon"],
        "?q=Petrova": ["Soup by noon"],
        "?q=petr+olg": ["Soup by noon"],
        "?q=Kalnins": ["Late soup"],
        "?q=nobody": [],
        "?kind=suggestion": ["A smaller cake"],
        "?severity=high": [],
        "?kind=nonsense": everything,
        "?store=99999999": everything,
        "?queue=nonsense": everything,
        "?sort=-due_at": ["A smaller cake", "Soup by noon", "Late soup"],
        "?sort=subject": ["A smaller cake", "Late soup", "Soup by noon"],
        "?sort=nonsense": everything,
        "?page=-3": everything,
        "?page=99999999999999999999": everything,
        "?q=" + "9" * 40: [],
        "?q=%25": [],
        "?q=1234": ["Soup by noon"],
        "?q=%F0%9F%8D%9E": [],
    }

    assert {query: listed(client, query) for query in cases} == cases


def test_a_ticket_is_found_by_its_number(shelf: dict[str, Ticket], signed_in: Browser, dace: User) -> None:
    assert listed(signed_in(dace), f"?q={shelf['idea'].pk}") == ["A smaller cake"]


def test_an_empty_list_says_why(signed_in: Browser, dace: User) -> None:
    client = signed_in(dace)

    assert "All answered." in page(client)
    assert "Nothing matches." in page(client, "?q=soup")


@pytest.mark.parametrize("address", ["/tickets/", "/tickets/?sort=customer", "/tickets/?queue=mine"])
def test_more_tickets_cost_no_more_queries(
    *, nameless: Customer, olga: Customer, barona_iela: Store, dace: User, signed_in: Browser, address: str
) -> None:
    client = signed_in(dace)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            client.get(address)
        return len(captured)

    def ticket_of(customer: Customer | None) -> None:
        assign_ticket(ticket=complain(customer, barona_iela), owner=dace, by=dace)

    ticket_of(nameless)
    ticket_of(olga)
    queries()
    few = queries()
    for customer in (nameless, olga, None) * 4:
        ticket_of(customer)

    assert queries() == few


def test_pages_hold_25(nameless: Customer, barona_iela: Store, signed_in: Browser, dace: User) -> None:
    for number in range(27):
        complain(nameless, barona_iela, subject=f"Soup {number:02}", kind=TicketKind.QUESTION)
    client = signed_in(dace)

    assert len(listed(client)) == 25
    assert listed(client, "?page=2") == ["Soup 25", "Soup 26"]


class TestExport:
    def rows(self, client: Client, query: str = "") -> list[dict[str, str]]:
        response = client.get(f"/tickets/export/{query}")
        assert response.status_code == 200
        assert response["Content-Disposition"] == 'attachment; filename="tickets.csv"'
        return list(csv.DictReader(response.getvalue().decode().splitlines()))

    def test_it_holds_the_list_as_filtered(self, shelf: dict[str, Ticket], signed_in: Browser, dace: User) -> None:
        client = signed_in(dace)

        assert [row["subject"] for row in self.rows(client)] == ["Late soup", "Soup by noon", "A smaller cake"]
        (row,) = self.rows(client, "?q=Petrova")
        ticket = shelf["soon"]
        assert (row["ticket"], row["customer_id"], row["owner"], row["store"], row["kind"], row["status"]) == (
            str(ticket.pk), "A-1003", "Dace Krūmiņa", "BARONA", "complaint", "open",
        )  # fmt: skip
        assert row["due_at"] == ticket.due_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (row["missed_at"], row["resolved_at"]) == ("", "")

    def test_formulas_are_neutralised(self, barona_iela: Store, signed_in: Browser, dace: User) -> None:
        complain(None, barona_iela, subject='=HYPERLINK("http://evil")')

        assert self.rows(signed_in(dace))[0]["subject"] == '\'=HYPERLINK("http://evil")'

    def test_it_asks_for_the_password_again(self, shelf: dict[str, Ticket], client: Client, dace: User) -> None:
        client.force_login(dace)

        response = client.get("/tickets/export/")

        assert response.status_code == 302
        assert "reauthenticate" in response["Location"]


def test_a_till_sees_no_queue_and_a_stranger_logs_in(signed_in: Browser, client: Client, liga: User) -> None:
    till = signed_in(liga)

    assert till.get("/tickets/").status_code == 403
    assert till.get("/tickets/export/").status_code == 403
    assert client.get("/tickets/").status_code == 302


def test_another_stores_tickets_are_not_listed_counted_or_exported(
    nameless: Customer, centrs: Store, signed_in: Browser, dace: User, admin: User
) -> None:
    complain(nameless, centrs, subject="Soup in Centrs", at=timezone.now() - timedelta(days=9), severity=Severity.HIGH)

    assert listed(signed_in(dace)) == []
    assert TestExport().rows(signed_in(dace)) == []
    assert "1 late" not in page(signed_in(dace))
    assert "Centrs" not in page(signed_in(dace))
    theirs = page(signed_in(admin))
    assert "Soup in Centrs" in theirs
    assert '<span class="chip chip-danger">1 late</span>' in theirs

"""Finding one customer among many: search as you type at the till, and the list of customers."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client
from django.urls import reverse

from bench import people, standings
from bench.bare import search as bare
from bench.place import connect
from bench.results import Goal, Result, Sizes, row
from customers import search
from customers.models import Customer
from loyaltycrm.core.models import Company, Role, Store, User
from loyaltycrm.lib.garbage import set_aside_what_is_loaded

_QUERIES: Final = 400
_WARM_UP: Final = 200
_FRAGMENT_GOAL_MS: Final = 20.0
_PAGE_GOAL_MS: Final = 150.0
_LISTS: Final = (
    ("first page", ""),
    ("page 200", "page=200"),
    ("by day of joining", "sort=-since"),
    ("a name", "q=kalni"),
    ("two words", "q=ozols+an"),
    ("one letter", "q=k"),
    ("two letters", "q=an"),
)
_NARROWED: Final = (
    ("best score", "sort=-score"),
    ("a group", "group=regular"),
    ("a tier", "tier=gold"),
    ("offers by email", "consent=yes"),
    ("who came last", "sort=-last_visit"),
    ("who came last, page 200", "sort=-last_visit&page=200"),
    ("who came first", "sort=last_visit"),
    ("two visits in 12 months", "visits_least=2"),
    ("spent 10.00 in 12 months", "spent_least=10"),
    ("away for 300 days", "away_least=300"),
)
_VISITS_EACH: Final = 3


def _browser(role: Role) -> Client:
    """Somebody signed in who works in one store."""
    store = Store.objects.create(code="B1", name="Store 1", time_zone=Company.current().time_zone)
    person = User.objects.create(email=f"{role}@example.com", name="Bench", role=role)
    person.stores.add(store)
    browser = Client(SERVER_NAME=settings.ALLOWED_HOSTS[0] if settings.ALLOWED_HOSTS[:1] != ["*"] else "localhost")
    browser.force_login(person)
    browser.get("/")
    set_aside_what_is_loaded()  # as loyaltycrm.wsgi does
    return browser


def _opened(browser: Client, address: str) -> Callable[[], None]:
    def open_it() -> None:
        answer = browser.get(address, secure=settings.SECURE_SSL_REDIRECT)
        if answer.status_code != 200:
            raise RuntimeError(f"{address}: {answer.status_code}")

    return open_it


def _spent_ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _p95(spent: Sequence[float]) -> float:
    return statistics.quantiles(spent, n=20)[-1] if len(spent) > 1 else spent[0]


@row("search", "Search as you type, 95th percentile in milliseconds")
def measure_search(sizes: Sizes) -> Iterator[Result]:
    """What is typed at a till, by `customers.search.find` and by one index query in turn; then the fragment shown."""
    people.fill(sizes.customers)
    browser, chance = _browser(Role.TILL), random.Random(5)
    queries = [people.typed(chance) for _turn in range(sizes.operations or _QUERIES)]
    ours, by_hand, shown = [], [], []
    with connect() as plain:
        warm_up = [people.typed(chance) for _turn in range(min(_WARM_UP, len(queries)))]
        for place, query in enumerate([*warm_up, *queries]):
            forms = sorted((one[0] for one in search.prefixes_of(query)), key=len, reverse=True)
            fragment = _opened(browser, f"{reverse('shop:till_find')}?{urlencode({'q': query})}")
            spent = (
                _spent_ms(lambda query=query: search.find(query)),  # type: ignore[misc]
                _spent_ms(lambda forms=forms: bare.find(plain, forms)),  # type: ignore[misc]
                _spent_ms(fragment),
            )
            if place >= len(warm_up):
                for found, one in zip((ours, by_hand, shown), spent, strict=True):
                    found.append(one)
    what = f"search, {sizes.customers:,} customers"
    medians = f"medians {statistics.median(ours):.2f} and {statistics.median(by_hand):.2f} ms"
    yield Result(
        row="search",
        what=f"{what}, against one index query",
        ours=_p95(ours),
        bare=_p95(by_hand),
        unit="ms",
        ratio=_p95(ours) / _p95(by_hand),
        goal=Goal(3, at_least=False),
        note=medians,
    )
    yield _against_goal("search", f"{what}, with the page's fragment", shown, _FRAGMENT_GOAL_MS)


@row("people", "The list of customers, 95th percentile in milliseconds")
def measure_people(sizes: Sizes) -> Iterator[Result]:
    """Pages of the list as a manager opens them."""
    people.fill(sizes.customers)
    browser = _browser(Role.MANAGER)
    for words, query in _LISTS:
        page = _opened(browser, f"{reverse('shop:customers')}?{query}")
        page()
        spent = [_spent_ms(page) for _turn in range(_turns(sizes))]
        yield _against_goal("people", f"list of {sizes.customers:,} customers, {words}", spent, _PAGE_GOAL_MS)


@row("pages", "Pages over many customers with visits, groups, tiers and points, 95th percentile in milliseconds")
def measure_pages(sizes: Sizes) -> Iterator[Result]:
    """Each page against its goal; the note says how that stands to one query by the index of names, taken in turn."""
    browser = _browser(Role.MANAGER)
    people.fill(sizes.customers)
    standings.fill(min(sizes.visits, _VISITS_EACH))
    listed = reverse("shop:customers")
    customer = Customer.objects.order_by("pk")[sizes.customers // 2]
    pages = {words: f"{listed}?{query}" for words, query in (*_LISTS, *_NARROWED)}
    pages |= {
        "at risk": reverse("shop:at_risk"),
        "at risk, three times": f"{reverse('shop:at_risk')}?late=3",
        "segments": reverse("customers:segments"),
        "a profile": reverse("shop:profile", args=[customer.pk]),
        "overview": reverse("shop:overview"),
    }
    with connect() as plain:
        for words, address in pages.items():
            page = _opened(browser, address)
            page()
            turns = [(_spent_ms(page), _spent_ms(lambda: bare.first_page(plain))) for _turn in range(_turns(sizes))]
            spent, by_hand = zip(*turns, strict=True)
            yield _against_goal(
                "pages",
                f"{words}, {sizes.customers:,} customers",
                spent,
                _PAGE_GOAL_MS,
                note=f"; one index query {_p95(by_hand):.1f} ms, {_p95(spent) / _p95(by_hand):.0f} times that",
            )


def _turns(sizes: Sizes) -> int:
    return sizes.operations or 40


def _against_goal(name: str, what: str, spent: Sequence[float], goal_ms: float, *, note: str = "") -> Result:
    return Result(
        row=name,
        what=f"{what}, against the goal",
        ours=_p95(spent),
        bare=goal_ms,
        unit="ms",
        ratio=_p95(spent) / goal_ms,
        goal=Goal(1, at_least=False),
        note=f"median {statistics.median(spent):.1f} ms{note}",
    )

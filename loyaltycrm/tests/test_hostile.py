"""The corpus of hostile input over every form and every address: refused or kept as text, never half, never broken."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client
from django.urls import path, resolve

from customers.models import Customer, Segment
from loyaltycrm.core.checks import routes
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.permissions import public
from loyaltycrm.tests.hostile import (
    DISGUISED,
    FILES,
    MARKUP,
    REQUESTS,
    TEXTS,
    UNSEEN,
    Hostile,
    HostileRequest,
    corpus,
)
from loyaltycrm.tests.page_forms import Field, PageForm, forms_of, multipart, urlencoded
from loyaltycrm.tests.siege import Siege, quiet
from loyaltycrm.tests.test_every_page import PAGES, all_routes, people, session_of, things, who_sees
from loyaltycrm.tests.whole_shop import People
from loyaltycrm.tests.world import World, make_world

__all__ = ["people", "things"]  # fixtures
SignIn = Callable[[User], Client]
Fields = dict[str, list[str]]

# What a page or a form may answer to anything at all.
DECLARED = frozenset({200, 204, 301, 302, 304, 400, 401, 403, 404, 405, 413, 415, 429})
# In the place of what the form finds empty, where something of its kind will not do.
KNOWN: dict[str, str] = {
    "birthday": "1990-05-05",
    "code": "RIGA",
    "kind": "refund",
    "refund": "1.00",
}
# What is wrong in these is kept as it was typed and asked for again (rewards/tests/test_offer_editor.py).
KEEPS_DRAFTS = re.compile(r"/offers/(new|drafts/\d+|\d+/edit)/")
EACH_FIELD = 1
FORM = "application/x-www-form-urlencoded"
SHARDS = 2


def test_the_corpus_is_large_and_without_doubles() -> None:
    inputs = corpus()
    assert len(inputs) >= 300
    assert [line for line, count in Counter(inputs).items() if count > 1] == []


def echoes(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.GET["q"])


def runs(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(request.GET["q"]).render(Context()))


def breaks(request: HttpRequest) -> HttpResponse:
    raise ValueError


def teapot(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=418)


def keeps_half(request: HttpRequest) -> HttpResponse:
    Segment.objects.create(name="Half", definition={}, is_shared=True)
    return HttpResponse(status=400)


def keeps_all(request: HttpRequest) -> HttpResponse:
    Segment.objects.create(name=request.POST["q"], definition={}, is_shared=True)
    return HttpResponse(status=302, headers={"X-Injected": "1"})


urlpatterns = [
    path(f"{view.__name__}/", public("the test of this test")(view))
    for view in (echoes, runs, breaks, teapot, keeps_half, keeps_all)
]


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("view", "text", "said"),
    [
        ("echoes", "plain", []),
        ("echoes", '"><xss a=1>', ["shows ['<xss'] as it came"]),
        ("runs", "{{ 1234567|add:7654321 }}", ["shows ['8888888'] as it came"]),
        ("breaks", "", ["ValueError"]),
        ("teapot", "", ["answers 418"]),
        ("keeps_half", "", ["is refused (400) and changes customers_segment"]),
        ("keeps_all", "a\u2028b", ["made a header", "stores what cannot be seen in customers_segment"]),
    ],
)
def test_a_siege_sees_what_is_wrong(view: str, text: str, said: list[str]) -> None:
    siege, method = Siege(DECLARED), "POST" if "keeps" in view else "GET"
    fields = urlencoded([("q", text)])
    asked: dict[str, Any] = {"data": fields, "content_type": FORM} if method == "POST" else {}
    siege.send(Client(), "it", method, f"/{view}/", QUERY_STRING=fields.decode(), **asked)
    assert len(siege.wrong) == len(said), siege.wrong
    assert all(words in line for words, line in zip(said, siege.wrong, strict=True)), siege.wrong
    assert not Segment.objects.filter(key="").exists()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield


@pytest.fixture
def clients(people: People, signed_in: SignIn) -> dict[str, Client]:
    found = {
        name: session_of(getattr(people, name), people.barona_iela, signed_in) for name in ("liga", "dace", "admin")
    }
    return {"": Client(), **found}


def every_form(
    clients: dict[str, Client], things: dict[str, Any], shard: int, *, states: int | None = None
) -> list[tuple[str, PageForm]]:
    """Each different form of a part of the pages in all states, or the first few, with the least of the cast who
    sees it."""
    found: dict[tuple[Any, ...], tuple[str, PageForm]] = {}
    pages = [(route, view) for route, view in all_routes() if route in PAGES and not route.startswith("mailbox/")]
    for route, view in pages[shard::SHARDS]:
        name = who_sees(route, view)
        for address in PAGES[route][:states]:
            page = "/" + address.format(**things)
            with transaction.atomic():
                answer = clients[name].get(page)
                transaction.set_rollback(True)
            if answer.status_code != 200:
                continue
            for form in forms_of(page, answer.content.decode()):
                key = (form.method, resolve(form.action.split("?")[0]).route, tuple(form.fields))
                found.setdefault(key, (name, form))
    return list(found.values())


def send_form(siege: Siege, client: Client, what: str, form: PageForm, fields: Iterable[tuple[str, str]]) -> int:
    if form.method == "GET":
        return siege.send(client, what, "GET", form.action, QUERY_STRING=urlencoded(fields).decode())
    kind, body = FORM, urlencoded(fields)
    if form.is_multipart:
        kind, body = multipart(fields)
    return siege.send(client, what, "POST", form.action, data=body, content_type=kind)


def pairs(fields: Fields) -> list[tuple[str, str]]:
    return [(name, given) for name, several in fields.items() for given in several]


def texts_for(one: Field, turns: dict[str, Iterator[Hostile]]) -> list[Hostile]:
    """A few texts of the corpus in turn, and always those that this kind of field has to tell apart."""
    found = [next(turns[""]) for _each in range(EACH_FIELD)]
    if one.is_number:
        found += [next(turns[DISGUISED])]
    elif one.kind in ("text", "textarea"):
        found += [next(turns[MARKUP])]
    return found


def in_turn(start: int) -> dict[str, Iterator[Hostile]]:
    """Endless: all texts, and those of a family."""
    of = {family: [one for one in TEXTS if one.family == family] for family in (DISGUISED, MARKUP, UNSEEN)}
    everything = [*TEXTS[start:], *TEXTS[:start]]
    return {"": itertools.cycle(everything), **{family: itertools.cycle(texts) for family, texts in of.items()}}


@pytest.mark.faults
@pytest.mark.django_db
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_form_with_all_of_its_fields_hostile_at_once(
    clients: dict[str, Client], things: dict[str, Any], shard: int
) -> None:
    found = every_form(clients, things, shard, states=1)
    assert len(found) > 50
    siege, turns = Siege(DECLARED), in_turn(shard * len(TEXTS) // SHARDS)
    for name, form in found:
        texts = {one.name: [texts_for(one, turns)[-1].given] for one in form.own_fields if one.kind != "file"}
        send_form(siege, clients[name], f"all at once: {texts}"[:200], form, pairs(form.filled(KNOWN) | texts))
    assert siege.wrong == [], f"{len(siege.wrong)} wrong\n" + "\n".join(siege.wrong)


@pytest.mark.long
@pytest.mark.soak
@pytest.mark.django_db
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_field_of_every_form(clients: dict[str, Client], things: dict[str, Any], shard: int) -> None:
    found = every_form(clients, things, shard)
    assert len(found) > 50
    siege, turns = Siege(DECLARED), in_turn(shard * len(TEXTS) // SHARDS)
    accepted, sent, untaken = 0, 0, []
    for name, form in found:
        client, filled = clients[name], form.filled(KNOWN)
        status = send_form(siege, client, "nothing hostile", form, pairs(filled))
        sent += form.method == "POST"
        accepted += form.method == "POST" and status in (204, 302)
        untaken += [(form.action, status)] if form.method == "POST" and status not in (204, 302) else []
        for one in form.own_fields:
            for text in texts_for(one, turns):
                what = f"{one.name} = {text}"
                status = send_form(siege, client, what, form, pairs(filled | {one.name: [text.given]}))
                if form.method == "POST" and status == 302 and _has_to_refuse(form, one, text):
                    siege.wrong.append(f"{what}: POST {form.action}: is taken")
        for what, fields in _other_shapes(form, filled):
            send_form(siege, client, what, form, fields)
        for field in (one for one in form.own_fields if one.kind == "file"):
            for family, file, content in FILES:
                kind, body = multipart(pairs(filled | {field.name: []}), [(field.name, file, content)])
                siege.send(client, f"{family}: {file[:40]}", "POST", form.action, data=body, content_type=kind)
    assert siege.wrong == [], f"{len(siege.wrong)} wrong\n" + "\n".join(siege.wrong)
    assert accepted > sent // 2, f"Say in KNOWN what these forms are filled in with: {untaken}"


def _has_to_refuse(form: PageForm, one: Field, text: Hostile) -> bool:
    if one.name == "refund" and form.action.endswith("/answer/"):
        return False  # read only where the answer is a refund, which it is not here
    if KEEPS_DRAFTS.match(form.action):
        return text.family == UNSEEN
    return text.family == UNSEEN or (text.family == DISGUISED and one.is_number)


def _other_shapes(form: PageForm, filled: Fields) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    yield "nothing at all", []
    yield "every field twice", pairs(filled) * 2
    yield "every name a list", [(f"{name}[]", given) for name, given in pairs(filled)]
    yield "a name that hides", [*pairs(filled), ("a\x00b", "1")]
    yield "names of others", [*pairs(filled), ("by", "1"), ("is_superuser", "on"), ("role", "admin"), ("pk", "1")]


@pytest.fixture
def world(anna: Customer, barona_iela: Store, centrs: Store, liga: User, dace: User) -> World:
    return make_world(anna, barona_iela, centrs, liga, dace)


@pytest.mark.faults
@pytest.mark.django_db
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_address_asked_in_one_odd_way(
    world: World, barona_iela: Store, admin: User, signed_in: SignIn, shard: int
) -> None:
    ask_every_address(world, session_of(admin, barona_iela, signed_in), shard, ways=1, texts_apart=40)


@pytest.mark.long
@pytest.mark.soak
@pytest.mark.django_db
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_address_asked_in_odd_ways(
    world: World, barona_iela: Store, admin: User, signed_in: SignIn, shard: int
) -> None:
    ask_every_address(world, session_of(admin, barona_iela, signed_in), shard, ways=3, texts_apart=8)


def ask_every_address(world: World, client: Client, shard: int, *, ways: int, texts_apart: int) -> None:
    """Each address in so many odd ways; where it holds a word, with every so-many-th text in its place."""
    addresses = [route for route, _view in routes() if "(?P<" not in route]
    assert len(addresses) > 200
    siege = Siege(DECLARED)
    turn = itertools.cycle([*REQUESTS[shard * len(REQUESTS) // SHARDS :], *REQUESTS[: shard * len(REQUESTS) // SHARDS]])
    for number, route in enumerate(addresses[shard::SHARDS]):
        for _each in range(ways):
            ask(siege, client, world.path(route), next(turn))
        if re.search(r"<(str|slug):", route):
            for text in TEXTS[number % texts_apart :: texts_apart]:
                part = quote_from_bytes(text.given.encode("utf-8", "surrogatepass")[:2_000], safe="")
                odd = "/" + re.sub(r"<(str|slug):[^>]+>", part, route)
                siege.send(client, str(text), "GET", re.sub(r"<[^>]+>", "1", odd))
    assert siege.wrong == [], f"{len(siege.wrong)} wrong\n" + "\n".join(siege.wrong)


def ask(siege: Siege, client: Client, path: str, odd: HostileRequest) -> None:
    who = client if odd.keeps_session else Client()
    if not odd.keeps_session:
        for name, given in odd.cookies.items():
            who.cookies[name] = given
    asked: dict[str, Any] = {"QUERY_STRING": quote_from_bytes(odd.query.encode(), safe="%&=+;[]:/<>\"'-_.~")}
    asked |= {f"HTTP_{name.upper().replace('-', '_')}": given for name, given in odd.headers.items()}
    if odd.body or odd.content_type or odd.method == "POST":
        asked |= {"data": odd.body, "content_type": odd.content_type}
    status = siege.send(who, str(odd), odd.method, path, **asked)
    if odd.family == "methods" and odd.method in ("PUT", "PATCH", "DELETE") and status == 200:
        siege.wrong.append(f"{odd}: {path}: is answered like a question")

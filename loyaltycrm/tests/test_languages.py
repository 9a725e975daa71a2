"""Every page asked for in Latvian and in Russian: nothing on it is still in English, or ends twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext

from customers.models import Customer
from loyaltycrm.core.checks import routes
from loyaltycrm.core.models import Store, User
from loyaltycrm.tests.test_routes import LOGIN_PAGES, SignIn, ask, browser_of, ours
from loyaltycrm.tests.world import World, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.faults]

SPOKEN: Final = ("alt", "aria-label", "placeholder", "title")
VOID: Final = {"br", "circle", "hr", "img", "input", "line", "link", "meta", "path", "polyline", "rect", "use"}
WRITTEN_BY_PEOPLE: Final = {"Tells everyone about us", "The till counted it twice"}
# Words of one language that happen to be written like other words of English.
ALIKE: Final = {("lv", "Segments"), ("lv", "Imports")}
# What is shown to staff as the customer reads it, whatever staff read.
AS_THE_CUSTOMER: Final = {"customers/<int:pk>/own/", "offers/<int:pk>/preview/<slug:language>/"}
OWN_PAGES: Final = (
    "me/<str:token>/",
    "me/<str:token>/history/",
    "me/<str:token>/settings/",
    "me/<str:token>/data/",
    "me/<str:token>/all/",
    "i/<str:code>/",
)
# A Latvian day ends with a full stop of its own, which ends the sentence too.
TWO_STOPS = re.compile(r"\d\.\.(?!\.)")
TWO_WORDS = re.compile(r"(?:^|\s)[a-z]{3,}\s(?:.*\s)?[a-z]{3,}")


class Words(HTMLParser):
    """What a page says in its own language: its texts and the attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()
        self.inside: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.said |= {" ".join((given.get(name) or "").split()) for name in SPOKEN}
        if tag not in VOID:
            foreign = tag in ("script", "style", "code", "kbd", "textarea") or (tag != "html" and "lang" in given)
            self.inside.append((tag, foreign))

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not any(foreign for _tag, foreign in self.inside):
            self.said.add(" ".join(data.split()))


def words_of(client: Client, path: str) -> set[str]:
    answer = ask(client, "get", path)
    if answer.streaming or "html" not in answer.headers.get("Content-Type", ""):
        return set()
    words = Words()
    words.feed(answer.content.decode())
    return words.said - {""}


def speak(client: Client, person: User | None, code: str) -> None:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = code
    if person is not None:
        User.objects.filter(pk=person.pk).update(language=code)


def pages(world: World, liga: Client, admin: Client) -> Iterator[tuple[str, Client]]:
    for route in (route for route, _needed in ours() if route not in AS_THE_CUSTOMER):
        yield world.path(route), liga if route.startswith("till/") else admin
    for route, _view in routes():
        if LOGIN_PAGES.match(route) and "<" not in route and "logout" not in route:
            yield f"/{route}", admin
            yield f"/{route}", Client()
    for route in ("u/<str:token>/", "s/<str:token>/", "s/<str:token>/stop/", "nowhere/", *OWN_PAGES):
        yield world.path(route), Client()


@pytest.mark.long
def test_no_page_speaks_english_to_someone_who_reads_something_else(
    anna: Customer,
    janis: Customer,
    nameless: Customer,
    classified: None,
    liga: User,
    dace: User,
    admin: User,
    barona_iela: Store,
    centrs: Store,
    signed_in: SignIn,
) -> None:
    world = make_world(anna, barona_iela, centrs, liga, dace)
    at_the_till, at_the_desk = (browser_of(person, barona_iela, signed_in) for person in (liga, admin))
    people = {id(at_the_till): liga, id(at_the_desk): admin}
    left: set[tuple[str, str, str]] = set()
    read = 0
    for path, client in pages(world, at_the_till, at_the_desk):
        person = people.get(id(client))
        speak(client, person, "en")
        english = words_of(client, path)
        read += bool(english)
        for code in ("lv", "ru"):
            speak(client, person, code)
            said = words_of(client, path)
            left |= {(code, path, text) for text in said if TWO_STOPS.search(text)}
            for text in said & english - WRITTEN_BY_PEOPLE:
                with translation.override(code):
                    known = gettext(text) != text
                if (known and (code, text) not in ALIKE) or TWO_WORDS.search(text):
                    left.add((code, path, text))
    assert left == set()
    assert read > 60

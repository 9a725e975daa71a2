"""Every page in every state that matters, in a real browser: light and dark, three languages, at a desk and a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.db import transaction
from django.template.loader import render_to_string
from django.test import Client
from playwright.sync_api import BrowserContext, Page

from customers.models import Customer
from loyaltycrm.core.checks import routes
from loyaltycrm.core.models import Role, Store, User
from loyaltycrm.core.permissions import GRANTS, Permission, declaration
from loyaltycrm.core.tills import COOKIE
from loyaltycrm.local.fixtures.services import Site
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.local.urls import urlpatterns as mailbox_urls
from loyaltycrm.shop.views.till.place import SESSION_KEY
from loyaltycrm.testing import PASSWORD
from loyaltycrm.tests.looks import cut_off, longer_texts, out_of_order, wider_than_the_screen
from loyaltycrm.tests.whole_shop import People, open_whole_shop

pytestmark = pytest.mark.faults
SignIn = Callable[[User], Client]
Axe = Callable[..., list[str]]

# A folder in which to keep a picture of every page.
PICTURES = os.environ.get("PICTURES", "")
RESET = r"accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"
# The pages whose address is all there is to say about them.
PLAIN_PAGES = (
    "accounts/logout/ accounts/inactive/ accounts/signup/ "
    "accounts/reauthenticate/ accounts/password/change/ accounts/password/reset/ accounts/password/reset/done/ "
    "accounts/password/reset/key/done/ accounts/2fa/ accounts/2fa/reauthenticate/ accounts/2fa/totp/activate/ "
    "accounts/2fa/totp/deactivate/ accounts/2fa/recovery-codes/ accounts/2fa/recovery-codes/generate/ "
    "settings/ settings/tills/ settings/tills/enrol/ till/pin/ settings/webhooks/new/ settings/webhooks/resend/ "
    "settings/ settings/company/ settings/stores/new/ settings/keys/new/ staff/new/ customers/new/ "
    "docs/api/ till/store/ till/new/ till/no-card/ "
    "reports/ reports/partners/ reports/partners/add/ "
    "imports/new/ rewards/ programme/ programme/drafts/import/ offers/ tickets/deadlines/"
)
DRAFTS = "programme/drafts/<int:pk>/"
PARTS_OF_DRAFT = (
    "plan/ base/ expiry/ redemption/ refunds/ tiers/ tiers/add/ rules/add/amount/ rules/add/times/ rules/add/bonus/ "
    "membership/ discount/"
)
PAGES: dict[str, list[str]] = {
    **{route: [route] for route in PLAIN_PAGES.split()},
    "accounts/login/": ["accounts/login/", "accounts/login/?next=/till/"],
    RESET: ["accounts/password/reset/key/{reset_user}-{reset_key}/", "accounts/password/reset/key/zz-no-such-key/"],
    "rewards/add/": ["rewards/add/", "rewards/add/?kind=free_item", "rewards/add/?kind=volume_off"],
    "offers/new/": ["offers/new/", "offers/new/?kind=percent_off"],
    "settings/stores/<int:pk>/": ["settings/stores/{store}/"],
    "settings/keys/": ["settings/keys/", "settings/keys/?q=nothing-of-this-name"],
    "settings/keys/<int:pk>/": ["settings/keys/{api_key}/"],
    "settings/keys/<int:pk>/edit/": ["settings/keys/{api_key}/edit/"],
    "imports/": ["imports/", "imports/?q=nothing-of-this-name"],
    "imports/<int:pk>/": [f"imports/{{{one}_import}}/" for one in ("ready", "running", "done", "failed", "removed")],
    "imports/<int:pk>/columns/": ["imports/{sent_import}/columns/"],
    "settings/webhooks/": ["settings/webhooks/", "settings/webhooks/?q=nobody-of-this-name"],
    "settings/webhooks/<int:pk>/": ["settings/webhooks/{webhook}/", "settings/webhooks/{off_webhook}/"],
    "settings/webhooks/<int:pk>/edit/": ["settings/webhooks/{webhook}/edit/"],
    "settings/webhooks/<int:pk>/renew/": ["settings/webhooks/{webhook}/renew/"],
    "settings/webhooks/<int:pk>/remove/": ["settings/webhooks/{webhook}/remove/"],
    "settings/webhooks/log/": ["settings/webhooks/log/", "settings/webhooks/log/?status=cancelled"],
    "settings/webhooks/log/<int:pk>/": [
        f"settings/webhooks/log/{{{one}_event}}/" for one in ("arrived", "refused", "dead")
    ],
    "settings/webhooks/resends/<int:pk>/": ["settings/webhooks/resends/{webhook_resend}/"],
    "settings/values/<str:key>/": ["settings/values/customers.repeat_threshold/"],
    "staff/": ["staff/", "staff/?q=nobody-of-this-name"],
    "staff/<int:pk>/": ["staff/{liga}/", "staff/{admin}/"],
    "overview/": ["overview/", "overview/?view=table"],
    "customers/": ["customers/", "customers/?q=nobody-of-this-name", "customers/?score_least=x"],
    "customers/duplicates/": ["customers/duplicates/", "customers/duplicates/?state=different"],
    "customers/at-risk/": ["customers/at-risk/", "customers/at-risk/?late=10"],
    "customers/<int:pk>/notes/": ["customers/{anna}/notes/", "customers/{janis}/notes/"],
    "customers/<int:pk>/notes/till/": ["customers/{anna}/notes/till/"],
    "customers/<int:pk>/household/": [f"customers/{{anna}}/household/{q}" for q in ("", "?q=liepa", "?q=nobody-there")],
    "customers/<int:pk>/household/<int:other>/": ["customers/{anna}/household/{janis}/"],
    "notes/<int:pk>/": ["notes/{note}/"],
    "segments/": ["segments/", "segments/?q=nothing-of-this-name"],
    "segments/new/": ["segments/new/", "segments/new/?group=loyal&points_least=100"],
    "segments/<int:pk>/edit/": ["segments/{segment}/edit/"],
    "segments/<int:pk>/remove/": ["segments/{segment}/remove/"],
    "customers/<int:pk>/": [f"customers/{{{name}}}/" for name in ("anna", "janis", "olga", "nameless", "ilze")],
    "customers/value/": ["customers/value/"],
    "customers/<int:pk>/merge/": [f"customers/{{anna}}/merge/{q}" for q in ("", "?q=liepa", "?q=nobody-of-this-name")],
    "customers/<int:pk>/merge/<int:other>/": ["customers/{anna}/merge/{janis}/"],
    "customers/<int:pk>/erase/": ["customers/{anna}/erase/"],
    "merges/<int:pk>/undo/": ["merges/{newer_merge}/undo/", "merges/{older_merge}/undo/"],
    "customers/<int:pk>/edit/": ["customers/{anna}/edit/"],
    "customers/<int:pk>/card/": ["customers/{anna}/card/"],
    "customers/<int:pk>/consent/": ["customers/{anna}/consent/"],
    "customers/<int:pk>/flag/": ["customers/{anna}/flag/", "customers/{janis}/flag/"],
    "memberships/": ["memberships/", "memberships/?state=all", "memberships/?state=ends_soon"],
    "memberships/<int:pk>/cancel/": ["memberships/{membership}/cancel/"],
    "till/lock/": ["till/lock/"],
    "till/": ["till/", "till/?q=liepa", "till/?q=nobody-of-this-name"],
    "till/customers/<int:pk>/": [f"till/customers/{{{name}}}/" for name in ("anna", "janis", "olga", "nameless")],
    "till/customers/<int:pk>/problem/": ["till/customers/{anna}/problem/"],
    "till/customers/<int:pk>/claim/": ["till/customers/{anna}/claim/"],
    "till/receipts/": ["till/receipts/", "till/receipts/?q=nothing-of-this-number"],
    "till/visits/<int:pk>/customer/": [
        *(f"till/visits/{{no_card_visit}}/customer/{q}" for q in ("", "?q=liepa", "?q=nobody-of-this-name")),
        "till/visits/{undone_visit}/customer/",
    ],
    "till/visits/<int:pk>/refund/": [
        f"till/visits/{{{one}}}/refund/" for one in ("visit", "no_card_visit", "undone_visit")
    ],
    "till/visits/<int:pk>/": ["till/visits/{visit}/", "till/visits/{undone_visit}/", "till/visits/{no_card_visit}/"],
    **{f"{DRAFTS}{part}": [f"programme/drafts/{{draft}}/{part}"] for part in PARTS_OF_DRAFT.split()},
    "programme/versions/<int:pk>/": ["programme/versions/{version}/", "programme/versions/{next_version}/"],
    DRAFTS: [f"programme/drafts/{{{one}}}/" for one in ("draft", "waiting_draft", "signed_draft")],
    f"{DRAFTS}try/": ["programme/drafts/{draft}/try/", "programme/drafts/{draft}/try/?amount=24.90&day=2026-07-11"],
    f"{DRAFTS}decline/": ["programme/drafts/{waiting_draft}/decline/"],
    f"{DRAFTS}rules/<slug:key>/": ["programme/drafts/{draft}/rules/weekend/"],
    f"{DRAFTS}tiers/<slug:key>/": ["programme/drafts/{draft}/tiers/gold/"],
    "rewards/<int:pk>/": ["rewards/{coffee}/", "rewards/{stopped_reward}/"],
    "customers/<int:pk>/adjust/": ["customers/{anna}/adjust/"],
    "customers/<int:pk>/offer/": [f"customers/{{{name}}}/offer/" for name in ("anna", "unmailed", "janis")],
    "visits/<int:pk>/void/": ["visits/{visit}/void/", "visits/{no_card_visit}/void/"],
    "unusual/": ["unusual/", "unusual/?state=all", "unusual/?kind=own_card"],
    "unusual/<int:pk>/": ["unusual/{unusual_use}/", "unusual/{settled_use}/"],
    "promises/": ["promises/", "promises/?state=all", "promises/?state=late&kind=gift"],
    "approvals/": ["approvals/", "approvals/?status=all", "approvals/?status=waiting&does=takes"],
    "approvals/<int:pk>/": [
        f"approvals/{{{one}_adjustment}}/" for one in ("waiting", "declined", "posted", "reversed")
    ],
    "settings/reasons/": ["settings/reasons/"],
    "settings/reasons/add/": ["settings/reasons/add/"],
    "settings/reasons/<int:pk>/": ["settings/reasons/{reason}/"],
    "reports/points/": ["reports/points/", "reports/points/?day=2020-01-31"],
    "reports/movement/": ["reports/movement/", "reports/movement/?month=2020-01"],
    "reports/breakage/": ["reports/breakage/", "reports/breakage/?day=2020-01-31"],
    "reports/partners/<int:pk>/": ["reports/partners/{partner}/", "reports/partners/{partner}/?month=2020-01"],
    "reports/partners/<int:pk>/edit/": ["reports/partners/{partner}/edit/"],
    "offers/<int:pk>/": [
        *(f"offers/{{offer}}/{look}" for look in ("", "?look=text", "?look=phone", "?look=dark&reader=liepa")),
        "offers/{draft_offer}/",
    ],
    "offers/drafts/<int:pk>/": ["offers/drafts/{new_offer_draft}/", "offers/drafts/{changed_offer_draft}/"],
    "offers/<int:pk>/results/": [f"offers/{{offer}}/results/{view}" for view in ("", "?view=table")],
    "reports/hold-out/": ["reports/hold-out/", "reports/hold-out/?view=table"],
    "offers/<int:pk>/edit/": ["offers/{offer}/edit/", "offers/{draft_offer}/edit/"],
    "offers/<int:pk>/choices/": ["offers/{offer}/choices/", "offers/{draft_offer}/choices/"],
    "offers/<int:pk>/choices/add/": [
        "offers/{draft_offer}/choices/add/",
        "offers/{draft_offer}/choices/add/?kind=percent_off",
    ],
    "offers/<int:pk>/choices/<int:choice>/": ["offers/{draft_offer}/choices/{choice}/"],
    "offers/<int:pk>/choices/<int:choice>/remove/": ["offers/{draft_offer}/choices/{choice}/remove/"],
    "offers/<int:pk>/activate/": ["offers/{draft_offer}/activate/"],
    "offers/<int:pk>/end/": ["offers/{offer}/end/"],
    "offers/<int:pk>/send/": ["offers/{offer}/send/"],
    "offers/runs/<int:pk>/": [
        f"offers/runs/{{{run}}}/" for run in ("mailed_run", "paused_run", "personal_run", "run_of_all_kinds")
    ],
    "offers/runs/<int:pk>/cancel/": ["offers/runs/{paused_run}/cancel/"],
    "offers/runs/<int:pk>/resend/": ["offers/runs/{run_of_all_kinds}/resend/"],
    "offers/runs/<int:pk>/deliveries/<int:delivery>/resend/": [
        "offers/runs/{run_of_all_kinds}/deliveries/{unknown_place}/resend/"
    ],
    "tickets/": ["tickets/", "tickets/?queue=solved", "tickets/?queue=paused"],
    "tickets/new/": ["tickets/new/", "tickets/new/?customer={anna}"],
    "tickets/<int:pk>/": [f"tickets/{{{one}_ticket}}/" for one in ("open", "late", "paused", "solved", "nobodys")],
    "u/<str:token>/": ["u/{unsubscribe}/", "u/no-such-link/"],
    "customers/<int:pk>/own/": ["customers/{olga}/own/"],
    "i/<str:code>/": ["i/{invitation}/", "i/no-such-code/"],
    "me/<str:token>/": ["me/{own}/", "me/no-such-link/"],
    "me/<str:token>/history/": ["me/{own}/history/"],
    "me/<str:token>/settings/": ["me/{own}/settings/"],
    "me/<str:token>/data/": ["me/{own}/data/"],
    "me/<str:token>/all/": ["me/{fresh}/all/"],
    "s/<str:token>/": ["s/{survey}/", "s/{answered_survey}/", "s/no-such-link/"],
    "s/<str:token>/stop/": ["s/{survey}/stop/"],
    "mailbox/": ["mailbox/", "mailbox/?q=nobody-of-this-name"],
    "mailbox/<str:name>/": ["mailbox/{mail}/"],
}
# Addresses that show no page, each with what they do instead.
ONLY_FORMS = re.compile(
    r"preferences/|staff/<int:pk>/.|till/(visits|uses|memberships|refunds)/<int:pk>/undo/|till/visits/<int:pk>/mail/"
    r"|till/customers/<int:pk>/(rewards|membership|promises|sorry)/"
    r"|customers/<int:pk>/(contact|flag/end)/|rewards/<int:pk>/(stop|again)/|offers/<int:pk>/(copy|pause|test)/|offers/drafts/<int:pk>/remove/"
    r"|customers/duplicates/(search|<int:pk>/judge)/|notes/<int:pk>/remove/|households/<int:pk>/leave/"
    r"|promises/<int:pk>/.|approvals/<int:pk>/.|offers/runs/<int:pk>/(pause|resume)/|tickets/<int:pk>/.|surveys/invite/"
    r"|programme/versions/<int:pk>/draft/|programme/drafts/<int:pk>/(hand-in|take-back|sign|withdraw)/"
    r"|programme/drafts/<int:pk>/(rules|tiers)/<slug:key>/(up|down|remove)/|settings/(keys|tills)/<int:pk>/revoke/"
    r"|imports/<int:pk>/(start|stop|go-on|remove)/"
    r"|settings/webhooks/<int:pk>/(pause|resume|test)/|settings/webhooks/log/<int:pk>/resend/"
)
FILES = re.compile(
    r".*/export/|imports/<int:pk>/refused/|programme/.*/file/|accounts/2fa/recovery-codes/download/|mailbox/<str:name>/source/"
    r"|me/<str:token>/all/file/"
)
PARTS_OF_PAGES = {"till/find/", "till/here/", "till/customers/<int:pk>/preview/", "till/no-card/preview/"}
SEND_ON = {
    "": "to the place of the role",
    "accounts/login/code/confirm/": "there are no codes at login",
    "accounts/password/set/": "everyone has a password",
    "accounts/2fa/authenticate/": "opened in the middle of a login, below",
    "till/new/save/": "to the form that is sent here",
    "till/no-card/save/": "to the form that is sent here",
    "till/customers/<int:pk>/save/": "to the form that is sent here",
    "till/customers/<int:pk>/rewards/<int:reward_pk>/use/": "to the form beside which it is pressed",
}
FOR_MACHINES = {"mail/events/<slug:provider>/", "health/", "metrics"}
FOR_TILLS = re.compile(r"api/v1/.+")
THE_MAIL_ITSELF = {
    "mailbox/<str:name>/html/",
    "offers/<int:pk>/preview/<slug:language>/",
}  # the tests of each mail judge it
THE_SAME_PAGE = {"u/<str:token>"}
# Shown as the customer sees it, so in the customer's language.
IN_THE_CUSTOMERS_LANGUAGE = {"customers/<int:pk>/own/": "ru"}

FORMS_SENT_EMPTY = [
    ("", "accounts/login/"),
    ("liga", "till/new/"),
    ("liga", "till/customers/{nameless}/"),
    ("liga", "till/customers/{anna}/problem/"),
    ("dace", "customers/new/"),
    ("dace", "customers/{anna}/card/"),
    ("dace", "segments/new/"),
    ("dace", "customers/{anna}/notes/"),
    ("dace", "customers/{anna}/household/{janis}/"),
    ("dace", "rewards/add/?kind=free_item"),
    ("dace", "customers/{anna}/adjust/"),
    ("dace", "customers/{unmailed}/offer/"),
    ("dace", "customers/{anna}/merge/{janis}/"),
    ("dace", "settings/reasons/add/"),
    ("dace", "offers/new/?kind=money_off"),
    ("dace", "offers/{draft_offer}/choices/add/?kind=percent_off"),
    ("dace", "programme/drafts/import/"),
    ("dace", "programme/drafts/{draft}/rules/add/amount/"),
    ("admin", "programme/drafts/{waiting_draft}/decline/"),
    ("dace", "reports/partners/add/"),
    ("dace", "imports/new/"),
    ("dace", "tickets/new/"),
    ("admin", "settings/stores/new/"),
    ("admin", "staff/new/"),
    ("admin", "settings/keys/new/"),
    ("admin", "settings/webhooks/new/"),
]
STRANGERS_PAGES = re.compile(r"accounts/(login|signup|inactive|password/reset|\^password)")
# All that differs from the light to the dark, and no colour knows a language.
ABOUT_COLOURS = ["color-contrast", "link-in-text-block"]
ZOOMED = 683  # what is left of 1366 at a zoom of 200 %
# The pages with the most in them are looked at with longer texts in Russian too, whose own are the longest already.
LONGER_TOO = re.compile(r"/(customers/\d+/(offer/)?|offers/\d+/|overview/)")
SIZES = {"en": (1366, 768), "lv": (390, 844), "ru": (1366, 768)}

HEAD = """() => ({
  lang: document.documentElement.lang,
  headings: document.querySelectorAll('h1').length,
  title: document.title,
})"""


def all_routes() -> Iterator[tuple[str, Any]]:
    """Every address of the site, with those of the mailbox, which only a demo has."""
    yield from routes()
    for entry in mailbox_urls:
        yield f"mailbox/{entry.pattern}", entry.callback


def shows_no_page(route: str) -> bool:
    others = {*PARTS_OF_PAGES, *SEND_ON, *FOR_MACHINES, *THE_MAIL_ITSELF, *THE_SAME_PAGE}
    return route in others or any(kind.match(route) for kind in (ONLY_FORMS, FOR_TILLS)) or bool(FILES.fullmatch(route))


def who_sees(route: str, view: Any) -> str:
    """The least of the cast who may open it: a stranger, the till, the manager, the admin."""
    needed = declaration(view)
    if not isinstance(needed, Permission):
        with_second_step = route.startswith("accounts/2fa/") and route != "accounts/2fa/totp/activate/"
        is_staffs = route.startswith("accounts/") and not STRANGERS_PAGES.match(route)
        return "admin" if with_second_step else "dace" if is_staffs else ""
    roles = {"liga": Role.TILL, "dace": Role.MANAGER, "admin": Role.ADMIN}
    return next(name for name, role in roles.items() if needed in GRANTS[role])


@pytest.fixture(autouse=True)
def _passwords_as_the_site_reads_them(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]


@pytest.fixture
def people(
    anna: Customer,
    janis: Customer,
    olga: Customer,
    nameless: Customer,
    ilze: Customer,
    peteris: Customer,
    liga: User,
    dace: User,
    admin: User,
    barona_iela: Store,
) -> People:
    return People(anna, janis, olga, nameless, ilze, peteris, liga, dace, admin, barona_iela)


@pytest.fixture
def things(people: People, mailbox: MailServer) -> dict[str, Any]:
    assert mailbox.folder
    return open_whole_shop(people, mailbox.folder)


def session_of(person: User, store: Store, signed_in: SignIn) -> Client:
    client = signed_in(person)
    session = client.session
    session[SESSION_KEY] = store.pk
    session.save()
    return client


class Walk:
    """One person after the other opens pages; whatever is wrong with them is kept for the end."""

    def __init__(
        self,
        url: str,
        new_context: Callable[..., BrowserContext],
        axe: Axe,
        language: str,
        *,
        till_token: str,
    ):
        self.url = url
        self.till_token = till_token
        self.new_context = new_context
        self.axe = axe
        self.language = language
        self.width, self.height = SIZES[language]
        self.looked_at = 0
        self.problems: list[str] = []
        self.page: Page

    def become(self, client: Client | None) -> None:
        """Open a fresh browser, in which the person of this client is logged in."""
        size = {"width": self.width, "height": self.height}
        context = self.new_context(viewport=size, reduced_motion="reduce", base_url=self.url)
        cookies = {project.LANGUAGE_COOKIE_NAME: self.language}
        if client is not None:
            cookies[project.SESSION_COOKIE_NAME] = client.cookies[project.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": name, "value": value, "url": self.url} for name, value in cookies.items()])
        self.page = context.new_page()

    def open(self, path: str, *, status: int = 200, language: str = "") -> None:
        answer = self.page.goto(f"/{path}")
        assert answer is not None
        if answer.status != status:
            self.problems.append(f"/{path}: {answer.status} instead of {status}")
        self.look(f"/{path}", language=language)

    def send_empty(self, path: str) -> None:
        """Press the button of the page's form without having typed anything."""
        self.page.goto(f"/{path}")
        button = self.page.locator("main .btn-primary[type=submit]:visible, main .btn-save:visible").last
        with self.page.expect_navigation():
            button.click()
        if not self.page.locator("[aria-invalid=true]").count():
            self.problems.append(f"/{path} sent empty: no field says what it lacks")
        self.look(f"/{path} sent empty")

    def look(self, name: str, *, language: str = "") -> None:
        self.looked_at += 1
        head = self.page.evaluate(HEAD)
        found = [f"accessibility: {violation}" for violation in self.axe(self.page)]
        self.picture(name, "light")
        if self.language == "en":
            self.page.emulate_media(color_scheme="dark")
            found += [f"accessibility in the dark: {one}" for one in self.axe(self.page, rules=ABOUT_COLOURS)]
            self.picture(name, "dark")
            self.page.emulate_media(color_scheme="light")
        if head["lang"] != (language or self.language):
            found.append(f"lang is {head['lang']}")
        if head["headings"] != 1:
            found.append(f"{head['headings']} main headings")
        if not head["title"].split("·")[0].strip():
            found.append(f"the title says nothing: {head['title']}")
        found += [*cut_off(self.page), *out_of_order(self.page)]
        for width in (ZOOMED, 390, 320):
            self.page.set_viewport_size({"width": width, "height": self.height})
            found += [f"at {width} {one}" for one in (*wider_than_the_screen(self.page), *cut_off(self.page))]
        if self.language == "en" or (self.language == "ru" and LONGER_TOO.fullmatch(name)):
            with longer_texts(self.page):
                for width in (320, self.width):
                    self.page.set_viewport_size({"width": width, "height": self.height})
                    wrong = (*wider_than_the_screen(self.page), *cut_off(self.page))
                    found += [f"at {width} with longer texts {one}" for one in wrong]
        self.page.set_viewport_size({"width": self.width, "height": self.height})
        self.problems += [f"{name}: {problem}" for problem in found]

    def picture(self, name: str, theme: str) -> None:
        if PICTURES:
            file = re.sub(r"[^a-z0-9]+", "-", f"{self.looked_at:03} {name[:40]} {theme} {self.language}".lower())
            self.page.screenshot(path=Path(PICTURES) / f"{file}.png", full_page=True)


def test_every_address_is_a_page_to_look_at_or_known_to_be_none() -> None:
    unknown = [route for route, _view in all_routes() if route not in PAGES and not shows_no_page(route)]
    assert unknown == [], "Add them to PAGES, or say above what they are."
    gone = (set(PAGES) | set(SEND_ON) | PARTS_OF_PAGES) - {route for route, _view in all_routes()}
    assert gone == set()
    assert [route for route in PAGES if shows_no_page(route)] == []


@pytest.mark.django_db
def test_what_is_said_to_be_no_page_is_none(
    things: dict[str, Any], people: People, signed_in: SignIn, settings: Any
) -> None:
    client = session_of(people.admin, people.barona_iela, signed_in)
    named = {
        "pk": people.anna.pk,
        "reward_pk": things["coffee"],
        "promise_pk": things["coffee"],
        "token": things["survey"],
        "key": "weekend",
        "language": "en",
    }
    pages = []
    for route, _view in routes():
        if not shows_no_page(route) or route in THE_SAME_PAGE | FOR_MACHINES | THE_MAIL_ITSELF:
            continue
        path = "/" + re.sub(r"<\w+:(\w+)>", lambda found: str(named[found[1]]), route)
        with transaction.atomic():
            answer: Any = client.get(path)
            transaction.set_rollback(True)
        is_file = answer.headers.get("Content-Disposition", "").startswith("attachment")
        is_whole = not answer.streaming and b"<html" in answer.content
        if answer.status_code == 200 and is_whole and not is_file:
            pages.append(route)
    assert pages == []


@pytest.mark.long
@pytest.mark.parametrize("language", ["en", "lv", "ru"])
def test_every_page_and_state(
    committed_db: str,
    people: People,
    things: dict[str, Any],
    live_site: Site,
    new_context: Callable[..., BrowserContext],
    axe: Axe,
    signed_in: SignIn,
    language: str,
) -> None:
    User.objects.update(language=language)
    walk = Walk(live_site.url, new_context, axe, language, till_token=things["till_token"])
    for name in ("", "liga", "dace", "admin"):
        walk.become(session_of(getattr(people, name), people.barona_iela, signed_in) if name else None)
        for route, view in all_routes():
            if route in PAGES and who_sees(route, view) == name:
                for path in PAGES[route]:
                    is_none = "no-such" in path and not path.startswith("accounts/")
                    walk.open(
                        path.format(**things),
                        status=404 if is_none else 200,
                        language=IN_THE_CUSTOMERS_LANGUAGE.get(route, ""),
                    )
        for _name, path in (one for one in FORMS_SENT_EMPTY if one[0] == name):
            walk.send_empty(path.format(**things))
        {"": strangers_errors, "liga": tills_errors}.get(name, lambda _walk, _admin: None)(walk, people.admin)
    assert walk.problems == [], "\n".join(walk.problems)
    assert walk.looked_at > 100


def strangers_errors(walk: Walk, admin: User) -> None:
    """What goes wrong, and the second step, which is asked for in the middle of a login."""
    walk.open("no/such/page/", status=404)
    walk.open("accounts/login/?next=%00", status=400)
    walk.page.goto("/accounts/login/")
    walk.page.evaluate("document.querySelectorAll('main [name=csrfmiddlewaretoken]').forEach(one => one.remove())")
    with walk.page.expect_navigation():
        walk.page.locator("main .btn-primary").click()
    walk.look("a form without its token")
    broken = render_to_string("500.html")
    walk.page.route("**/broken/", lambda route: route.fulfill(status=500, content_type="text/html", body=broken))
    walk.page.goto("/broken/")
    walk.look("a page that broke", language="en")
    walk.page.context.add_cookies([{"name": COOKIE, "value": walk.till_token, "url": walk.url}])
    walk.open("till/lock/")
    walk.send_empty("till/lock/")
    walk.page.context.clear_cookies(name=COOKIE)
    walk.page.goto("/accounts/login/")
    walk.page.locator("[name=login]").fill(admin.email)
    walk.page.locator("[name=password]").fill(PASSWORD)
    walk.page.keyboard.press("Enter")
    walk.page.wait_for_url("**/accounts/2fa/authenticate/**")
    walk.look("/accounts/2fa/authenticate/")


def tills_errors(walk: Walk, admin: User) -> None:
    """What the till's role may not open."""
    walk.open("overview/", status=403)
    walk.open("no/such/page/", status=404)

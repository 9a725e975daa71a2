"""The main places of the desk, in the order in which they are shown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the navigation: shown to whom it is allowed, once its page exists.

    `also` are the beginnings of addresses that lie in it without beginning with its own.
    """

    key: str
    label: Any
    icon: str
    view_name: str
    needed: Permission
    also: tuple[str, ...] = ()


Badges = Callable[[User], dict[str, str]]
_badges: list[Badges] = []


def add_badges(badges: Badges) -> Badges:
    """Let an app say something beside its places, such as {"tickets": "2 late"}; asked by pages with the side bar."""
    _badges.append(badges)
    return badges


def badges_for(user: User) -> dict[str, str]:
    """What stands beside the places for this person."""
    return {place: words for badges in _badges for place, words in badges(user).items()}


@dataclass(frozen=True, slots=True)
class NavigationItem:
    label: str
    icon: str
    url: str
    current: bool
    exact: bool
    badge: str


PLACES = (
    Place("till", _("Till"), "till", "shop:till", Permission.LOG_VISITS),
    Place("overview", _("Overview"), "overview", "shop:overview", Permission.SEE_REPORTS),
    Place(
        "customers",
        _("Customers"),
        "customers",
        "shop:customers",
        Permission.SEE_CUSTOMERS,
        also=("/merges/", "/visits/", "/segments/", "/notes/"),
    ),
    Place("programme", _("Programme"), "points", "rewards:programme", Permission.MANAGE_PROGRAMME),
    Place("rewards", _("Rewards"), "rewards", "rewards:catalogue", Permission.MANAGE_REWARDS),
    Place("offers", _("Offers"), "offers", "rewards:offers", Permission.MANAGE_OFFERS),
    Place("tickets", _("Tickets"), "tickets", "feedback:tickets", Permission.ANSWER_TICKETS),
    Place("approvals", _("Approvals"), "done", "rewards:approvals", Permission.APPROVE),
    Place("unusual", _("Unusual use"), "warning", "rewards:unusual", Permission.CORRECT_POINTS),
    Place(
        "reports", _("Reports"), "reports", "shop:reports", Permission.SEE_REPORTS, also=("/promises/", "/memberships/")
    ),
    Place("imports", _("Import"), "import", "shop:imports", Permission.IMPORT),
    Place("settings", _("Settings"), "settings", "core:settings", Permission.CHANGE_SETTINGS),
)


def navigation_items(*, may: dict[str, bool], path: str, badges: dict[str, str]) -> list[NavigationItem]:
    """The places this person may open, the one that `path` lies in marked as current."""
    shown: list[tuple[Place, str]] = []
    for place in PLACES:
        if may.get(place.needed.name.lower()):
            try:
                shown.append((place, reverse(place.view_name)))
            except NoReverseMatch:
                continue
    beginnings = [(start, url) for place, url in shown for start in (url, *place.also)]
    _start, here = max(
        ((start, url) for start, url in beginnings if path.startswith(start)),
        key=lambda one: len(one[0]),
        default=("", ""),
    )
    return [
        NavigationItem(
            label=str(place.label),
            icon=place.icon,
            url=url,
            current=url == here,
            exact=url == path,
            badge=badges.get(place.key, ""),
        )
        for place, url in shown
    ]

"""The points of a customer's timeline, those of profiles merged into it with them, each line on its own account."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.models import Customer
from feedback.models import Resolution
from rewards.models import Account, Adjustment, Posting, PostingKind

REFERRAL_REFERENCE = re.compile(r"referral:\d+:\d+(:\d+)?:(?P<side>friend|referrer)(?P<back>:back)?")
Accounts = dict[int, str | None]
"""The accounts whose postings a customer is shown: the own one (None), and by its number each merged into it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. `points` is its change of the balance, `left` what it left; None where none.

    `void_url` is the page on which this person may void the visit. `team_only` says that the customer never sees it.
    """

    at: datetime
    symbol: str
    mark: str
    title: str
    detail: str = ""
    points: int | None = None
    left: int | None = None
    url: str = ""
    void_url: str = ""
    team_only: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands in the timeline: the row that it tells of, and when."""

    row_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """What a posting did to an account: the change of its balance and what it left."""

    account: int
    points: int
    left: int


def accounts_of(customer: Customer) -> Accounts:
    """The customer's account and those of profiles that are merged into it now."""
    shown = "pk", "customer", "customer__external_id"
    former = Account.objects.filter(merged_into__customer=customer).values_list(*shown)
    # Asked as one condition with OR, all accounts would be read.
    rows = Account.objects.filter(customer=customer).values_list(*shown).union(former)
    return {pk: None if owner == customer.pk else number for pk, owner, number in rows}


def moves_of(accounts: Accounts, posting_ids: list[int]) -> dict[int, Move]:
    """What each posting did, in the order of the timeline: one that came late stands where it belongs, and the newest
    line leaves what is there now. Between two of the accounts: to the own one, else to the destination."""
    own = [pk for pk, number in accounts.items() if number is None]
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, account, change, left_over FROM (
                 SELECT m.id, m.account, m.change,
                   sum(m.change) OVER (PARTITION BY m.account ORDER BY m.at, NOT m.is_visit, m.id)::bigint AS left_over
                 FROM (SELECT id, occurred_at, kind = 'earn' AND visit_id IS NOT NULL, destination_id, points
                       FROM rewards_posting WHERE destination_id = ANY(%s::bigint[])
                       UNION ALL
                       SELECT id, occurred_at, false, source_id, -points
                       FROM rewards_posting WHERE source_id = ANY(%s::bigint[])
                 ) m(id, at, is_visit, account, change)
               ) moves WHERE id = ANY(%s::bigint[]) ORDER BY account = ANY(%s::bigint[]), change""",
            [list(accounts), list(accounts), posting_ids, own],
        )
        return {row_id: Move(account, change, left) for row_id, account, change, left in cursor.fetchall()}


def as_number(number: str | None) -> str:
    """Under which number something happened, in words; blank for the customer's own (None)."""
    return _("as number %(number)s") % {"number": number} if number else ""


_POSTING_LOOK = {
    PostingKind.EARN: ("plus", "visit"),
    PostingKind.GOODWILL: ("gift", "gift"),
    PostingKind.REDEEM: ("gift", "gift"),
    PostingKind.GIVE_BACK: ("undo", "undo"),
    PostingKind.TAKE_BACK: ("undo", "undo"),
    PostingKind.UNDO: ("undo", "undo"),
    PostingKind.EXPIRE: ("clock", "undo"),
    PostingKind.ADJUST: ("adjust", "gift"),
    PostingKind.OPENING: ("import", "visit"),
    PostingKind.CLOSE: ("erase", "undo"),
    PostingKind.MOVE: ("customers", "gift"),
    PostingKind.MOVE_DEBT: ("customers", "gift"),
}
_MOVES = {PostingKind.MOVE, PostingKind.MOVE_DEBT}
_TITLES: dict[str, Any] = {
    PostingKind.GOODWILL: gettext_lazy("Goodwill points"),
    PostingKind.EXPIRE: gettext_lazy("Points expired"),
    PostingKind.GIVE_BACK: gettext_lazy("Used points given back"),
    PostingKind.TAKE_BACK: gettext_lazy("Points taken back"),
    PostingKind.ADJUST: gettext_lazy("Points adjusted by hand"),
    PostingKind.OPENING: gettext_lazy("Points brought in from before"),
    PostingKind.CLOSE: gettext_lazy("Closed, customer erased"),
}
_AT_PARTNER = {
    PostingKind.EARN: gettext_lazy("Points earned at a partner"),
    PostingKind.REDEEM: gettext_lazy("Points used at a partner"),
}


def referral_title(posting: Posting) -> str:
    """What points for a referral, or their return, are called; blank for other postings."""
    of_referral = REFERRAL_REFERENCE.fullmatch(posting.reference)
    if of_referral is None:
        return ""
    if of_referral["back"]:
        return _("Points for a friend taken back") if of_referral["side"] == "referrer" else _("Welcome taken back")
    return _("Thanks for bringing a friend") if of_referral["side"] == "referrer" else _("Welcome from a friend")


def read_postings(
    ids: list[int], accounts: Accounts, stores: set[int], *, may_adjust: bool
) -> Iterable[tuple[int, Entry]]:
    """(posting, its line) of each. Of what happened at other stores than these only date and points are told."""
    moves = moves_of(accounts, ids)
    rows = list(
        Posting.objects.filter(id__in=ids).select_related(
            "redemption__reward",
            "redemption__store",
            "visit",
            "posted_by",
            "reverses__redemption",
            "source__partner",
            "destination__partner",
            "source__customer",
            "destination__customer",
        )
    )
    ticket_stores = _stores_of_goodwill(rows)
    by_hands = _by_hand(ids)
    for posting in rows:
        symbol, mark = _POSTING_LOOK.get(PostingKind(posting.kind), ("points", "gift"))
        redemption = getattr(posting, "redemption", None)
        partner = posting.source.partner or posting.destination.partner
        detail = partner.name if partner else ""
        if partner is not None and posting.kind in _AT_PARTNER:
            title = str(_AT_PARTNER[PostingKind(posting.kind)])
        elif posting.kind == PostingKind.REDEEM:
            reward = redemption.reward if redemption else None
            title = _("%(reward)s used") % {"reward": reward.name} if reward else _("Points used as money off")
            detail = redemption.store.name if redemption and redemption.store else ""
        else:
            title = referral_title(posting) or str(_TITLES.get(posting.kind) or posting.get_kind_display())
        url = ""
        if (by_hand := by_hands.get(posting.pk)) is not None:
            title = title if by_hand.posting_id == posting.pk else _("Adjustment of points reversed")
            detail = by_hand.reason.name
            url = reverse("rewards:adjustment", args=[by_hand.pk]) if may_adjust else ""
        if posting.visit is not None and posting.kind != PostingKind.REDEEM:
            detail = _("receipt %(number)s") % {"number": posting.visit.receipt_id}
        move = moves[posting.pk]
        if posting.kind in _MOVES:
            detail = _between(posting, move)
        who = posting.posted_by.name if posting.posted_by else ""
        if not _places(posting, ticket_stores) <= stores:
            detail = who = ""
            title = _("Points used at another store") if posting.kind == PostingKind.REDEEM else title
        text = " · ".join(filter(None, [detail, who, as_number(accounts[move.account])]))
        yield posting.pk, Entry(posting.occurred_at, symbol, mark, title, text, move.points, move.left, url)


def _between(posting: Posting, move: Move) -> str:
    """From or to whose number a merge moved points, as seen from the account that the line is about."""
    is_source = posting.source_id == move.account
    other = (posting.destination if is_source else posting.source).customer
    assert other is not None
    words = _("to number %(number)s") if is_source else _("from number %(number)s")
    return words % {"number": other.external_id}


def _by_hand(posting_ids: list[int]) -> dict[int, Adjustment]:
    """The adjustment that each of the postings is, or is the reversal of."""
    named = Q(posting__in=posting_ids) | Q(reversal__in=posting_ids)
    rows = Adjustment.objects.filter(named).select_related("reason")
    return {pk: row for row in rows for pk in (row.posting_id, row.reversal_id) if pk is not None}


def _stores_of_goodwill(postings: list[Posting]) -> dict[int, int]:
    """The store of the ticket that each posting of goodwill, or what it reverses, was given for."""
    ids = {posting.pk for posting in postings} | {posting.reverses_id for posting in postings if posting.reverses_id}
    return dict(Resolution.objects.filter(posting__in=ids).values_list("posting", "ticket__store"))


def _places(posting: Posting, ticket_stores: dict[int, int]) -> set[int]:
    """The stores that a posting, or what it reverses, happened at; none for one of the company as a whole."""
    found: set[int | None] = {posting.visit.store_id} if posting.visit is not None else set()
    for one in filter(None, (posting, posting.reverses)):
        redemption = getattr(one, "redemption", None)
        found |= {redemption.store_id if redemption else None, ticket_stores.get(one.pk)}
    return {store for store in found if store is not None}

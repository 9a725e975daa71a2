"""What a customer's own page shows: points, what they can do with them, what is owed, and every visit and use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil
from statistics import median
from typing import Any, Final

import segno
from django.db import connection
from django.utils.translation import gettext as _

from customers.models import Customer, Identifier, Visit
from loyaltycrm.core.models import Company
from loyaltycrm.lib import formats
from loyaltycrm.shop.queries.inviting import Inviting, inviting_of
from loyaltycrm.shop.queries.memberships import MembershipState, membership_of
from loyaltycrm.shop.queries.promises import lasting_privileges, owed_to
from loyaltycrm.shop.queries.standing import ends_soon, tier_in_words
from loyaltycrm.shop.queries.timeline_points import accounts_of, moves_of, referral_title
from rewards.audience import HAS_LEFT
from rewards.benefits.words import conditions_in_words
from rewards.choices.words import why_you
from rewards.models import Posting, PostingKind, Promise, Redemption, Reward, Voucher, VoucherStatus
from rewards.programme import load_programmes
from rewards.queries import (
    Balance,
    ExpiringPoints,
    NextReward,
    balance_of,
    catalogue,
    next_reward,
    tier_name,
    tier_progress,
)

FIRST_LINES: Final = 5
PAGE_SIZE: Final = 25
USUAL_OF: Final = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, in words. `points` is its change of the balance, None where it changed nothing."""

    at: datetime
    title: str
    place: str
    points: int | None


@dataclass(frozen=True, slots=True)
class History:
    """One page of what happened, newest first."""

    lines: list[Line]
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Near:
    """The next reward, and in how many of their usual visits it is reached (None: not known)."""

    next: NextReward
    visits: int | None


@dataclass(frozen=True, slots=True)
class OwnVoucher:
    """A code with what it asks for and why they got it, in words, and as a picture that a till scans."""

    voucher: Voucher
    terms: list[str]
    qr: str
    why: str


@dataclass(frozen=True, slots=True)
class OwnPage:
    """Everything on the first page.

    `worth_cents` is what a till takes off for the points today (0: too few), `ends_soon` which of them end within the
    days of the setting.
    """

    balance: Balance
    worth_cents: int
    code: str
    tier: str
    tier_ahead: list[str]
    privileges: list[str]
    promises: Sequence[Promise]
    membership: MembershipState
    near: Near | None
    usable: list[Reward]
    vouchers: list[OwnVoucher]
    history: History
    ends_soon: ExpiringPoints | None
    inviting: Inviting | None


def own_page_of(customer: Customer) -> OwnPage:
    """The page of one customer on the company's day, in a constant number of queries."""
    today = Company.current().today()
    balance = balance_of(customer, today)
    programme = load_programmes().at(today)
    rewards = catalogue()
    tier = tier_progress(customer)
    return OwnPage(
        balance=balance,
        worth_cents=programme.money_off_cents(balance.available),
        code=till_code(customer),
        tier=tier_name(tier.tier),
        tier_ahead=tier_in_words(tier, currency=Company.current().currency),
        privileges=lasting_privileges(tier.tier, programme),
        promises=owed_to(customer),
        membership=membership_of(customer, on=today),
        near=_near(customer, balance.available, rewards),
        usable=[reward for reward in rewards if reward.points_cost <= balance.available],
        vouchers=usable_vouchers(customer, on=today),
        history=history_of(customer, size=FIRST_LINES),
        ends_soon=ends_soon(balance, today),
        inviting=inviting_of(customer),
    )


def till_code(customer: Customer) -> str:
    """What a till scans or types to find the customer: the newest card, else the customer's number."""
    cards = Identifier.objects.filter(customer=customer, kind=Identifier.Kind.CARD, is_active=True)
    return cards.order_by("-pk").values_list("value", flat=True).first() or customer.external_id


def qr_of(text: str) -> str:
    """The text as a QR code: an SVG without a style of its own, black on white for every scanner."""
    return segno.make(text, micro=False, error="m").svg_inline(
        scale=4, border=3, light="#fff", svgclass="qr", lineclass=None
    )


def usable_vouchers(customer: Customer, *, on: date) -> list[OwnVoucher]:
    """The codes that a till takes on a day or later, those ending soonest first; an offer's once its mail has left."""
    issued = Voucher.objects.filter(customer=customer, status=VoucherStatus.ISSUED, good_through__gte=on)
    currency = Company.current().currency
    return [
        OwnVoucher(row, conditions_in_words(row.benefit, currency), qr_of(row.code), _why(row))
        for row in issued.prefetch_related("delivery__chosen").order_by("good_through", "pk")
        if _may_be_known(row)
    ]


def _may_be_known(voucher: Voucher) -> bool:
    delivery = getattr(voucher, "delivery", None)
    return delivery is None or delivery.status in HAS_LEFT or delivery.may_have_arrived


def _why(voucher: Voucher) -> str:
    chosen = getattr(getattr(voucher, "delivery", None), "chosen", None)
    return why_you(chosen.reasons, chosen.drawn) if chosen is not None else ""


def _near(customer: Customer, points: int, rewards: Sequence[Reward]) -> Near | None:
    following = next_reward(points, rewards)
    if following is None:
        return None
    earned = Posting.objects.filter(destination__customer=customer, kind=PostingKind.EARN, visit__isnull=False)
    usual = list(earned.order_by("-id").values_list("points", flat=True)[:USUAL_OF])
    return Near(following, ceil(following.missing / median(usual)) if usual else None)


_EVENTS: Final = """
    SELECT 'visit' AS what, v.id, v.occurred_at AS at, 1 AS rank
      FROM customers_visit v WHERE v.customer_id = %(customer)s::bigint AND v.voided_at IS NULL
    UNION ALL SELECT 'code', r.id, r.redeemed_at, 0
      FROM rewards_redemption r
      WHERE r.customer_id = %(customer)s::bigint AND r.posting_id IS NULL AND r.undone_at IS NULL
    UNION ALL SELECT 'posting', p.id, p.occurred_at, 2
      FROM rewards_posting p LEFT JOIN customers_visit v ON v.id = p.visit_id
      WHERE (p.source_id = ANY(%(accounts)s::bigint[]) OR p.destination_id = ANY(%(accounts)s::bigint[]))
        AND NOT (p.kind = 'earn' AND p.visit_id IS NOT NULL AND v.voided_at IS NULL)
"""


def history_of(customer: Customer, *, page: int = 1, size: int = PAGE_SIZE) -> History:
    """A page of the customer's visits, points and used codes, those of profiles merged into this one included."""
    accounts = accounts_of(customer)
    asked: dict[str, Any] = {"customer": customer.pk, "accounts": list(accounts)}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({_EVENTS}) events", asked)  # noqa: S608 - constants only
        pages = max(-(-cursor.fetchone()[0] // size), 1)
        page = min(max(page, 1), pages)
        cursor.execute(
            f"""SELECT what, id FROM ({_EVENTS}) events
                ORDER BY at DESC, rank DESC, id DESC LIMIT %(size)s::int OFFSET %(skip)s::int""",  # noqa: S608
            {**asked, "size": size, "skip": (page - 1) * size},
        )
        places = cursor.fetchall()
    ids = {what: [pk for kind, pk in places if kind == what] for what in ("visit", "code", "posting")}
    lines: dict[tuple[str, int], Line] = {}
    earned = dict(
        Posting.objects.filter(visit__in=ids["visit"], kind=PostingKind.EARN).order_by("id").values_list("visit", "id")
    )
    moves = moves_of(accounts, [*earned.values(), *ids["posting"]])
    currency = Company.current().currency
    for visit in Visit.objects.filter(pk__in=ids["visit"]).select_related("store"):
        move = moves.get(earned.get(visit.pk, 0))
        title = _("Visit, %(amount)s") % {"amount": formats.money(visit.net_cents, currency)}
        lines["visit", visit.pk] = Line(visit.occurred_at, title, visit.store.name, move.points if move else None)
    for used in Redemption.objects.filter(pk__in=ids["code"]).select_related("voucher", "store"):
        name = used.voucher.name if used.voucher else _("Code used")
        lines["code", used.pk] = Line(used.redeemed_at, name, used.store.name if used.store else "", None)
    related = "redemption__reward", "redemption__store", "visit__store", "source__partner", "destination__partner"
    for posting in Posting.objects.filter(pk__in=ids["posting"]).select_related(*related):
        lines["posting", posting.pk] = _posted(posting, moves[posting.pk].points)
    return History([lines[place] for place in places], page, pages)


def _posted(posting: Posting, points: int) -> Line:
    redemption = getattr(posting, "redemption", None)
    store = (redemption.store if redemption else None) or (posting.visit.store if posting.visit else None)
    partner = posting.source.partner or posting.destination.partner
    place = partner.name if partner else store.name if store else ""
    if redemption is not None and redemption.reward is not None:
        return Line(posting.occurred_at, redemption.reward.name, place, points)
    if title := referral_title(posting):
        return Line(posting.occurred_at, title, place, points)
    titles = {
        PostingKind.EARN: _("Points earned"),
        PostingKind.REDEEM: _("Points used as money off"),
        PostingKind.GOODWILL: _("A present of points"),
        PostingKind.EXPIRE: _("Points that ended"),
        PostingKind.GIVE_BACK: _("Used points given back"),
        PostingKind.TAKE_BACK: _("Points taken back"),
        PostingKind.ADJUST: _("Points corrected"),
        PostingKind.OPENING: _("Points brought in from before"),
        PostingKind.CLOSE: _("Closed, customer erased"),
        PostingKind.MOVE: _("Points moved from one number to another"),
        PostingKind.MOVE_DEBT: _("Points moved from one number to another"),
    }
    return Line(posting.occurred_at, titles.get(PostingKind(posting.kind), _("Points")), place, points)

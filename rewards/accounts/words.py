"""What the figures and lines of the books mean, in plain words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.utils.translation import gettext_lazy as _

from rewards.models import AccountKind, PostingKind

Kind = tuple[str, str]

DEFINITIONS: Final = {
    "outstanding": _(
        "Points that customers hold at the end of the day and can use then or later: all lots that have not ended,"
        " of all customers, in all stores. What customers owe is not subtracted."
    ),
    "usable": _("Points of lots that can be used on the day."),
    "pending": _("Points of lots that open after the return period, later than the day."),
    "lapsed": _(
        "Points of lots that were last good before the day and that the nightly sweep has not posted yet. They cannot"
        " be used, so they are not outstanding; they leave the books with the posting."
    ),
    "arrears": _(
        "Points that customers owe because more was taken back after a refund than was there. What they earn next"
        " repays it first."
    ),
    "book": _(
        "The sum of all postings to customers less all postings from them, up to the day. It equals points outstanding"
        " plus points that ended and are not posted, less what customers owe."
    ),
    "value": _("Points outstanding at the rate of the programme of the day, as money off. Rounded down to a cent."),
    "breakage": _(
        "The share of the points outstanding that is expected never to be used, from what became of this shop's earlier"
        " points at each age in months. Points that never end are expected to be used."
    ),
    "expected": _("Value of the points outstanding × (1 − the share expected never to be used), to the nearest cent."),
}

# In the order of the table: what comes in, what goes out, what is corrected.
_LINES: Final[dict[Kind, tuple[object, object]]] = {
    (PostingKind.OPENING, AccountKind.OPENING): (
        _("Opening balances"),
        _("Points that customers had under earlier books."),
    ),
    (PostingKind.EARN, AccountKind.ISSUED): (_("Earned by visits"), _("What visits earned by the programme.")),
    (PostingKind.EARN, AccountKind.PARTNER): (_("Earned at partners"), _("What purchases at partners earned.")),
    (PostingKind.GOODWILL, AccountKind.GOODWILL): (_("Goodwill"), _("Given beyond what was owed.")),
    (PostingKind.GIVE_BACK, AccountKind.REDEEMED): (
        _("Given back after use"),
        _("Used points that returned to customers, because a visit was refunded or undone."),
    ),
    (PostingKind.GIVE_BACK, AccountKind.PARTNER): (
        _("Given back after use at partners"),
        _("Points used at partners that returned to customers."),
    ),
    (PostingKind.REDEEM, AccountKind.REDEEMED): (_("Used"), _("Used at a till for money off or a reward.")),
    (PostingKind.REDEEM, AccountKind.PARTNER): (_("Used at partners"), _("Used at partners' tills.")),
    (PostingKind.EXPIRE, AccountKind.LAPSED): (_("Ended"), _("Lots that ended, posted on the day after the last one.")),
    (PostingKind.TAKE_BACK, AccountKind.ISSUED): (
        _("Taken back after refunds"),
        _("What refunded and undone visits had earned."),
    ),
    (PostingKind.UNDO, AccountKind.ISSUED): (
        _("Refunds undone, points returned"),
        _("Points that a refund had taken back and that returned to customers, because the refund was undone."),
    ),
    (PostingKind.UNDO, AccountKind.REDEEMED): (
        _("Refunds undone, points used again"),
        _("Used points that a refund had given back and that are used again, because the refund was undone."),
    ),
    (PostingKind.TAKE_BACK, AccountKind.PARTNER): (
        _("Taken back for partners"),
        _("What refunded purchases at partners had earned."),
    ),
    (PostingKind.TAKE_BACK, AccountKind.GOODWILL): (_("Goodwill taken back"), _("Goodwill that was reversed.")),
    ("move", AccountKind.CUSTOMER): (
        _("Moved by merging customers"),
        _("Points from one account of a person to the other: the sum stays."),
    ),
    ("move_debt", AccountKind.CUSTOMER): (
        _("Arrears moved by merging customers"),
        _("What one account of a person owed, now owed by the other: the sum stays."),
    ),
    (PostingKind.CLOSE, AccountKind.CLOSED): (
        _("Closed accounts"),
        _("What customers held or owed when they were erased, and what late refunds brought after that."),
    ),
    (PostingKind.ADJUST, AccountKind.ADJUSTED): (
        _("Adjusted by hand"),
        _("Given and taken by staff with a reason, above a limit by two people."),
    ),
    (PostingKind.TAKE_BACK, AccountKind.ADJUSTED): (
        _("Adjustments reversed, taken back"),
        _("Points given by hand that were taken back."),
    ),
    (PostingKind.GIVE_BACK, AccountKind.ADJUSTED): (
        _("Adjustments reversed, given back"),
        _("Points taken by hand that were given back."),
    ),
}


def sorted_kinds(kinds: Iterable[Kind]) -> list[Kind]:
    """Kinds of postings in the order of the table; one without words of its own comes last."""
    order = [*_LINES]
    return sorted(kinds, key=lambda kind: (order.index(kind) if kind in _LINES else len(order), kind))


def kind_label(kind: Kind) -> str:
    """What a line of the movement is called."""
    if kind in _LINES:
        return str(_LINES[kind][0])
    return f"{PostingKind(kind[0]).label} · {AccountKind(kind[1]).label}"


def kind_definition(kind: Kind) -> str:
    """What a line of the movement counts; blank for one without words of its own."""
    return str(_LINES[kind][1]) if kind in _LINES else ""

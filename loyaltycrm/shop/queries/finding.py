"""Whom a text typed or scanned at the till leads to, and what a row about them shows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from django.db.models import Max

from customers import search
from customers.models import Customer, Visit
from feedback.models import Ticket, TicketKind
from rewards.models import TierStanding, Voucher
from rewards.programme import Programme, load_programmes
from rewards.queries import Balance, balances, tier_name

MOST_MATCHES = search.MOST_MATCHES


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text and whether it is what the query asked for."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class TierBadge:
    """A tier as it is shown: its name in the reader's language and its rank, 1 being the lowest."""

    name: str
    rank: int


@dataclass(frozen=True, slots=True)
class Match:
    """One row of the answer: nothing in it that the customer on the other side of the screen may not see."""

    customer: Customer
    name: list[Part]
    phone: list[Part]
    tier: TierBadge
    points: int
    last_visit_on: date | None
    has_open_complaint: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a query. `opens` is the one customer whom the whole text names, `voucher` the code that it is."""

    query: str
    matches: list[Match]
    opens: Customer | None = None
    voucher: Voucher | None = None

    @property
    def looks_like_a_number(self) -> bool:
        """Whether somebody scanned or typed a card, a phone or a code rather than a name."""
        return any(sign.isdecimal() for sign in self.query)


def whom(query: str, *, today: date) -> Found:
    """Whom the text leads to, at most `MOST_MATCHES`; the number of queries does not grow with them."""
    query = search.cleaned(query)
    if not query:
        return Found(query, [])
    named = search.exact(query)
    voucher = None if named else voucher_of(query)
    customers = [voucher.customer] if voucher else search.find(query, MOST_MATCHES)
    opens = voucher.customer if voucher else named[0] if len(named) == 1 else None
    return Found(query, _rows(query, customers, today), opens, voucher)


def voucher_of(text: str) -> Voucher | None:
    """The voucher whose code the text is, as people write codes: blanks, dashes and small letters do not count."""
    code = "".join(sign for sign in text if sign.isalnum()).upper()
    if not 6 <= len(code) <= 16:
        return None
    return Voucher.objects.filter(code=code).select_related("customer").first()


def badge(key: str, programme: Programme) -> TierBadge:
    """The badge of a tier; a tier that the programme no longer has ranks lowest."""
    keys = programme.tier_keys
    return TierBadge(tier_name(key), keys.index(key) + 1 if key in keys else 1)


def _rows(query: str, customers: list[Customer], today: date) -> list[Match]:
    if not customers:
        return []
    ids = [customer.pk for customer in customers]
    programme = load_programmes().at(today)
    balance = balances(ids, today)
    tiers = dict(TierStanding.objects.filter(customer__in=ids).values_list("customer", "tier"))
    visited = _last_visits(ids)
    complaining = set(
        Ticket.objects.standing().filter(customer__in=ids, kind=TicketKind.COMPLAINT).values_list("customer", flat=True)
    )
    words = search.prefixes_of(query)
    return [
        Match(
            customer=customer,
            name=marked_name(customer.full_name, words),
            phone=marked_phone(customer.masked_phone, words),
            tier=badge(tiers.get(customer.pk, programme.tier_keys[0]), programme),
            points=balance.get(customer.pk, Balance()).available,
            last_visit_on=visited.get(customer.pk),
            has_open_complaint=customer.pk in complaining,
        )
        for customer in customers
    ]


def _last_visits(customer_ids: Collection[int]) -> dict[int, date]:
    rows = Visit.objects.standing().filter(customer__in=list(customer_ids)).order_by().values("customer")
    return {row["customer"]: row["last"] for row in rows.annotate(last=Max("business_date"))}


def marked_name(name: str, words: list[list[str]]) -> list[Part]:
    """The name in pieces, the beginning of each word that a word of the query stands for being marked."""
    parts: list[Part] = []
    for number, word in enumerate(name.split()):
        length = _marked_length(word, words)
        lead = " " if number else ""
        if length:
            if lead:
                parts.append(Part(lead, marked=False))
            parts.append(Part(word[:length], marked=True))
            rest = word[length:]
        else:
            rest = lead + word
        if rest:
            parts.append(Part(rest, marked=False))
    return parts


def _marked_length(word: str, words: list[list[str]]) -> int:
    for length in range(1, len(word) + 1):
        beginnings = search.folded(word[:length])
        if any(beginning.startswith(asked) for forms in words for asked in forms for beginning in beginnings):
            return length
    return 0


def marked_phone(masked: str, words: list[list[str]]) -> list[Part]:
    """The masked phone in pieces, the asked-for beginning of its last four digits being marked."""
    if not masked:
        return []
    hidden, last = masked[:-4], masked[-4:]
    asked = max((form for forms in words for form in forms if last.startswith(form)), key=len, default="")
    parts = [Part(hidden, marked=False), Part(asked, marked=True), Part(last[len(asked) :], marked=False)]
    return [part for part in parts if part.text]

"""Whom a text typed or scanned at the till leads to, and what a row about them shows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from django.db.models import Max

from customers import search
from customers.models import Customer, Identifier, Visit
from feedback.models import Ticket, TicketKind
from rewards.models import TierStanding, Voucher
from rewards.programme import Programme, load_programmes
from rewards.queries import Balance, balances, tier_name

_SHOWN_OF_CARD = 4


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
    """One row of the answer: nothing in it that the customer on the other side of the screen may not see.

    `number` tells people of one name apart where no phone does: the end of their card, else the customer number.
    """

    customer: Customer
    name: list[Part]
    phone: list[Part]
    number: str
    tier: TierBadge
    points: int
    last_visit_on: date | None
    has_open_complaint: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a query. `opens` is the one customer whom the whole text names, `voucher` the code that it is;
    `has_more` says that others match too, whom a longer text shows."""

    query: str
    matches: list[Match]
    opens: Customer | None = None
    voucher: Voucher | None = None
    has_more: bool = False

    @property
    def looks_like_a_number(self) -> bool:
        """Whether somebody scanned or typed a card, a phone or a code rather than a name."""
        return any(sign.isdecimal() for sign in self.query)


def whom(query: str, *, today: date, but: Collection[int] = ()) -> Found:
    """Whom the text leads to, at most `search.MOST_MATCHES` and nobody whose id is in `but`; the number of queries
    does not grow with them."""
    query = search.cleaned(query)
    if not query:
        return Found(query, [])
    named = search.exact(query)
    voucher = None if named else voucher_of(query)
    matched = search.Matched([voucher.customer], has_more=False) if voucher else search.first(query, but=but)
    opens = voucher.customer if voucher else named[0] if len(named) == 1 else None
    return Found(query, _rows(query, matched.customers, today), opens, voucher, matched.has_more)


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
    numbers = _numbers([customer for customer in customers if not customer.phone])
    words = search.prefixes_of(query)
    return [
        Match(
            customer=customer,
            name=marked_name(customer.full_name, words),
            phone=marked_phone(customer.masked_phone, words),
            number=numbers.get(customer.pk, ""),
            tier=badge(tiers.get(customer.pk, programme.tier_keys[0]), programme),
            points=balance.get(customer.pk, Balance()).available,
            last_visit_on=visited.get(customer.pk),
            has_open_complaint=customer.pk in complaining,
        )
        for customer in customers
    ]


def _numbers(customers: list[Customer]) -> dict[int, str]:
    """By customer: the end of the newest card, else the customer number."""
    if not customers:
        return {}
    cards = Identifier.objects.filter(customer__in=customers, kind=Identifier.Kind.CARD, is_active=True)
    ends = {pk: f"•••• {card[-_SHOWN_OF_CARD:]}" for pk, card in cards.order_by("pk").values_list("customer", "value")}
    return {customer.pk: customer.external_id for customer in customers} | ends


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

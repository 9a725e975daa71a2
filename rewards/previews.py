"""What an offer's mail would look like to a real customer, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import make_msgid
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from customers.models import Channel, Customer, Purpose
from customers.queries import newest_consent
from customers.search import find
from customers.segments import Definition
from loyaltycrm.core.models import Company
from loyaltycrm.lib.letters import Letter, clean_line
from rewards.audience import complete_languages, named_by
from rewards.choices import Option, frozen_choices, options_of
from rewards.choices.showing import ShownOption
from rewards.emails import LinkTokens, NearReward, OfferMail, Reader, sender
from rewards.models import OWN, Drawn, Offer, Run
from rewards.queries import balance_of, catalogue, next_reward
from rewards.schedule import Timetable, next_occurrence

SAMPLE_CODE = "ABCD2345"
SAMPLE_ADDRESS = "customer@example.com"


@dataclass(frozen=True, slots=True)
class Preview:
    """One language's mail as text: `text` is None where words are missing in it."""

    language: str
    readers: int
    subject: str
    text: str | None
    size_bytes: int


def preview_reader(audience: Definition) -> Customer | None:
    """Through whose eyes a preview is seen when nobody was chosen: somebody of the audience with a name."""
    named = named_by(audience).filter(~Q(first_name=""))
    return named.order_by("pk").first() or Customer.objects.unmerged().filter(~Q(first_name="")).order_by("pk").first()


def readers_called(text: str) -> list[Customer]:
    """The customers that a typed text leads to: the one of this number, else by name, phone, card or email."""
    if not text:
        return []
    numbered = Customer.objects.unmerged().filter(external_id__iexact=text).first()
    return [numbered] if numbered is not None else find(text)


def options_to_be(offer: Offer) -> dict[int, Option]:
    """{number: option} among which the next run would choose, the offer's own benefit first."""
    return options_of(_run_to_be(offer))


def letters_of(
    offer: Offer, customer: Customer | None, *, shown: ShownOption, address: str = SAMPLE_ADDRESS
) -> dict[str, Letter]:
    """{language: the mail} as this customer would get it with this choice, in every language whose words are there."""
    mail, reader = OfferMail(_run_to_be(offer)), _given(_reader(customer), shown)
    return {
        code: mail.letter_to(
            reader,
            language=code,
            address=address,
            message_id=make_msgid(domain=sender().domain),
            tokens=LinkTokens("preview", "preview"),
            at=timezone.now(),
        )
        for code in complete_languages(offer.texts, offer.benefit_names)
    }


def previews(offer: Offer, customer: Customer | None, readers: dict[str, int], *, shown: ShownOption) -> list[Preview]:
    """The mail in every language, as this customer would get it with this choice. Writes nothing."""
    letters = letters_of(offer, customer, shown=shown)
    found = []
    for code, _name in settings.LANGUAGES:
        count = readers.get(code, 0)
        if code in letters:
            letter = letters[code]
            found.append(Preview(code, count, letter.subject, letter.text.strip(), len(letter.html.encode())))
        else:
            found.append(Preview(code, count, _subject(offer, code), None, 0))
    return found


def as_seen_in_the_dark(html: str) -> str:
    """The mail as a reader sees it whose device is set to dark."""
    return html.replace("(prefers-color-scheme: dark)", "all")


def _subject(offer: Offer, code: str) -> str:
    return clean_line(str((offer.texts.get(code) or {}).get("subject", "")))


def _reader(customer: Customer | None) -> Reader:
    today = Company.current().today()
    if customer is None:
        return Reader(first_name="", points=0, expiring_points=0, expiring_on=None, agreed_on=today, code=SAMPLE_CODE)
    balance = balance_of(customer, today)
    consent = newest_consent(customer).get((Purpose.OFFERS, Channel.EMAIL))
    ending, near = balance.next_expiry, next_reward(balance.available, catalogue())
    return Reader(
        first_name=customer.first_name,
        points=balance.available,
        expiring_points=ending.points if ending else 0,
        expiring_on=ending.good_through if ending else None,
        agreed_on=Company.current().today(consent.occurred_at) if consent and consent.given else today,
        code=SAMPLE_CODE,
        near=NearReward(near.reward.names, near.reward.points_cost, near.missing) if near else None,
    )


def _given(reader: Reader, shown: ShownOption) -> Reader:
    """The reader with a choice that speaks to them: how it would be drawn is known only when a run is planned."""
    drawn = Drawn.ONLY if shown.number == OWN else Drawn.FITS
    return replace(reader, number=shown.number, product=shown.product, drawn=drawn, reasons=shown.reasons)


def _run_to_be(offer: Offer) -> Run:
    """The next run as it would be frozen, not stored."""
    company = Company.current()
    due = next_occurrence(Timetable.of(offer), zone=company.zone, now=timezone.now())
    day = due.day if due else company.today()
    frozen: dict[str, Any] = {
        "benefit_names": offer.benefit_names,
        "texts": offer.texts,
        "benefit": offer.benefit,
        "choices": frozen_choices(offer),
    }
    return Run(offer=offer, valid_from=day, good_through=day + timedelta(days=offer.valid_days - 1), **frozen)

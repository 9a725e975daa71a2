"""What an offer's mail would look like to a real customer, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from customers.models import Channel, Customer, Purpose
from customers.queries import newest_consent
from customers.segments import Definition
from loyaltycrm.core.models import Company
from loyaltycrm.lib.letters import clean_line
from rewards.audience import complete_languages, named_by
from rewards.emails import OfferMail, Reader, sender
from rewards.models import Offer, Run
from rewards.queries import balance_of
from rewards.schedule import next_occurrence

SAMPLE_CODE = "ABCD2345"


@dataclass(frozen=True, slots=True)
class Preview:
    """One language's mail as text: `text` is None where words are missing in it."""

    language: str
    readers: int
    subject: str
    text: str | None
    size_bytes: int


def preview_reader(number: str, audience: Definition) -> Customer | None:
    """Whose eyes a preview is seen through: the customer of this number, else one of the audience with a name."""
    if number:
        return Customer.objects.unmerged().filter(external_id__iexact=number.strip()).first()
    named = named_by(audience).filter(~Q(first_name=""))
    return named.order_by("pk").first() or Customer.objects.unmerged().filter(~Q(first_name="")).order_by("pk").first()


def previews(offer: Offer, customer: Customer | None, readers: dict[str, int]) -> list[Preview]:
    """The mail in every language, as this customer would get it. Writes nothing."""
    mail = OfferMail(_run_to_be(offer))
    complete = set(complete_languages(offer.texts, offer.benefit_names))
    reader = _reader(customer)
    found = []
    for code, _name in settings.LANGUAGES:
        if code not in complete:
            found.append(Preview(code, readers.get(code, 0), _subject(offer, code), None, 0))
            continue
        letter = mail.letter_to(
            reader,
            language=code,
            address="customer@example.com",
            message_id=f"<preview@{sender().domain}>",
            unsubscribe_token="preview",  # noqa: S106 - a link that leads nowhere
            at=timezone.now(),
        )
        found.append(
            Preview(code, readers.get(code, 0), letter.subject, letter.text.strip(), len(letter.html.encode()))
        )
    return found


def _subject(offer: Offer, code: str) -> str:
    return clean_line(str((offer.texts.get(code) or {}).get("subject", "")))


def _reader(customer: Customer | None) -> Reader:
    today = Company.current().today()
    if customer is None:
        return Reader(first_name="", points=0, expiring_points=0, expiring_on=None, agreed_on=today, code=SAMPLE_CODE)
    balance = balance_of(customer, today)
    consent = newest_consent(customer).get((Purpose.OFFERS, Channel.EMAIL))
    ending = balance.next_expiry
    return Reader(
        first_name=customer.first_name,
        points=balance.available,
        expiring_points=ending.points if ending else 0,
        expiring_on=ending.good_through if ending else None,
        agreed_on=Company.current().today(consent.occurred_at) if consent and consent.given else today,
        code=SAMPLE_CODE,
    )


def _run_to_be(offer: Offer) -> Run:
    """The next run as it would be frozen, not stored."""
    company = Company.current()
    due = next_occurrence(
        schedule=offer.schedule, day_number=offer.day, at=offer.send_at, zone=company.zone, now=timezone.now()
    )
    frozen: dict[str, Any] = {
        "benefit_names": offer.benefit_names,
        "texts": offer.texts,
        "minimum_spend_cents": offer.minimum_spend_cents,
    }
    return Run(offer=offer, valid_from=due.day, good_through=due.day + timedelta(days=offer.valid_days - 1), **frozen)

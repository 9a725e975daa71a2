"""The offer mail: one letter in the reader's language, with what RFC 8058 and honesty ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parseaddr
from typing import Any, Final

import mrml
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from loyaltycrm.core.models import Company
from loyaltycrm.lib import formats
from loyaltycrm.lib.letters import Letter, Stencil, clean_line
from loyaltycrm.lib.mail import refusal_to_send
from rewards.models import Delivery, Run
from rewards.wording import filled_in

_TOKEN_STAND_IN: Final = "0" * 43


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a mail says it is from."""

    name: str
    address: str
    postal_address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def sender() -> Sender:
    """The company as the sender of offers."""
    company = Company.current()
    address = company.from_email or parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return Sender(company.name, address, company.postal_address)


def why_not_to_send() -> Any:
    """What keeps offer mail from leaving at all, as a sentence that says what to do; None where nothing does."""
    refusal = refusal_to_send(settings.BASE_URL)
    if refusal:
        return refusal
    if not sender().postal_address.strip():
        return _("Enter the company's postal address in the settings: every offer mail shows it.")
    return None


@dataclass(frozen=True, slots=True)
class Reader:
    """What a letter says about the one who reads it."""

    first_name: str
    points: int
    expiring_points: int
    expiring_on: date | None
    agreed_on: date | None
    code: str

    @classmethod
    def of(cls, values: dict[str, Any]) -> Reader:
        """From the values frozen with a delivery."""
        return cls(
            first_name=str(values["first_name"]),
            points=int(values["points"]),
            expiring_points=int(values["expiring_points"]),
            expiring_on=_day(values["expiring_on"]),
            agreed_on=_day(values["agreed_on"]),
            code=str(values["code"]),
        )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


class NotComposed(Exception):
    """The mail of a run cannot be written for anybody in that language."""


class OfferMail:
    """The mail of one run. Composed once per language and shape, filled in for each reader."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._currency = Company.current().currency
        self._sender = sender()
        self._stencils: dict[tuple[str, bool, bool], Stencil] = {}
        self._unsubscribe = settings.BASE_URL + reverse("customers:unsubscribe", args=[_TOKEN_STAND_IN])

    def letter(self, delivery: Delivery, *, unsubscribe_token: str, at: datetime) -> Letter:
        """The letter to one customer of the frozen audience, from the values, words and address frozen with it.

        Raises `NotComposed` where no reader could get one; any other error is about this customer's values.
        """
        reader = Reader.of(delivery.values)
        return self.letter_to(
            reader,
            language=delivery.language,
            address=delivery.address,
            message_id=delivery.message_id,
            unsubscribe_token=unsubscribe_token,
            at=at,
        )

    def letter_to(
        self, reader: Reader, *, language: str, address: str, message_id: str, unsubscribe_token: str, at: datetime
    ) -> Letter:
        """The letter that this reader gets. `at` is its date."""
        stencil = self._stencil(language, bool(reader.first_name), reader.expiring_points > 0)
        link = self._unsubscribe.replace(_TOKEN_STAND_IN, unsubscribe_token)
        return stencil.fill(
            recipient=address,
            message_id=message_id,
            at=at,
            values={
                "first_name": clean_line(reader.first_name),
                "points": formats.points(reader.points, language),
                "expiring": _expiring(reader, language),
                "agreed_on": formats.short_date(reader.agreed_on, language) if reader.agreed_on else "",
                "code": reader.code,
                "unsubscribe_token": unsubscribe_token,
            },
            headers={"List-Unsubscribe": f"<{link}>"},
        )

    def _stencil(self, language: str, named: bool, expiring: bool) -> Stencil:
        key = (language, named, expiring)
        if key not in self._stencils:
            try:
                self._stencils[key] = self._compose(language, named, expiring)
            except Exception as error:
                raise NotComposed(f"{language}: {type(error).__name__}: {error}") from error
        return self._stencils[key]

    def _compose(self, language: str, named: bool, expiring: bool) -> Stencil:
        stencil = Stencil()
        run, texts = self._run, self._run.texts[language]
        words = {
            "first_name": stencil.slot("first_name") if named else "",
            "benefit": clean_line(run.benefit_names[language]),
            "points": stencil.slot("points"),
        }
        subject = clean_line(filled_in(texts["subject"], **words))
        context = {
            "language": language,
            "sender_name": clean_line(self._sender.name),
            "postal_address": clean_line(self._sender.postal_address),
            "subject": subject,
            "heading": clean_line(filled_in(texts["heading"], **words)),
            "paragraphs": _paragraphs(filled_in(texts["body"], **words)),
            "benefit": words["benefit"],
            "valid": formats.date_range(run.valid_from, run.good_through, language),
            "good_through": formats.short_date(run.good_through, language),
            "minimum_spend": formats.money(run.minimum_spend_cents, self._currency, language, trim=True)
            if run.minimum_spend_cents
            else "",
            "code": stencil.slot("code"),
            "points": words["points"],
            "expiring": stencil.slot("expiring") if expiring else "",
            "agreed_on": stencil.slot("agreed_on"),
            "unsubscribe": self._unsubscribe.replace(_TOKEN_STAND_IN, stencil.slot("unsubscribe_token")),
        }
        with translation.override(language):
            text = render_to_string("emails/offer.txt", context)
            markup = render_to_string("emails/offer.mjml", context)
        stencil.compose(
            sender_name=self._sender.name,
            sender=self._sender.address,
            subject=subject,
            text=text,
            html=mrml.to_html(markup).content,
            headers={
                "List-Id": f"<offers.{self._sender.domain}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Content-Language": language,
            },
        )
        return stencil


def _expiring(reader: Reader, language: str) -> str:
    if reader.expiring_points <= 0 or reader.expiring_on is None:
        return ""
    with translation.override(language):
        return ngettext(
            "%(points)s expires after %(date)s.", "%(points)s expire after %(date)s.", reader.expiring_points
        ) % {
            "points": formats.points(reader.expiring_points, language),
            "date": formats.short_date(reader.expiring_on, language),
        }


def _paragraphs(text: str) -> list[str]:
    return [clean_line(part) for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]

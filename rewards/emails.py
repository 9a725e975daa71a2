"""The offer mail: one letter in the reader's language, with what RFC 8058 and honesty ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from email.utils import parseaddr
from typing import Any, Final, NamedTuple

import mrml
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models import Company
from loyaltycrm.lib import formats
from loyaltycrm.lib.letters import Letter, Stencil, clean_line
from loyaltycrm.lib.mail import refusal_to_send
from rewards.benefits import OfGoods, Terms
from rewards.benefits.words import conditions_in_words, gives_in_words, is_limited
from rewards.choices import PRODUCT, Option, options_of
from rewards.choices.words import why_you
from rewards.models import OWN, ChosenBenefit, Delivery, Drawn, Run
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
class NearReward:
    """The cheapest reward that the reader's points do not suffice for: what it costs, and how many are missing."""

    names: dict[str, str]
    cost: int
    missing: int

    @property
    def percent(self) -> int:
        """How much of it the points are, 1 to 99: a bar is never empty, and never full before it is."""
        return min(max(100 * (self.cost - self.missing) // self.cost, 1), 99)


@dataclass(frozen=True, slots=True)
class LinkTokens:
    """The secrets of a letter's links: the one that unsubscribes, and the one to the reader's own page."""

    unsubscribe: str
    page: str


@dataclass(frozen=True, slots=True)
class Reader:
    """What a letter says about the one who reads it. `number` is the choice they get, `reasons` are why they do."""

    first_name: str
    points: int
    expiring_points: int
    expiring_on: date | None
    agreed_on: date | None
    code: str
    near: NearReward | None = None
    number: int = OWN
    product: str = ""
    drawn: str = Drawn.ONLY
    reasons: tuple[dict[str, Any], ...] = ()

    def given(self, chosen: ChosenBenefit) -> Reader:
        """The same reader with what was chosen for them."""
        return replace(
            self,
            number=chosen.number,
            product=self.product or (chosen.product.name if chosen.product else ""),
            drawn=chosen.drawn,
            reasons=tuple(chosen.reasons),
        )

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
            near=NearReward(**values["near"]) if values.get("near") else None,
            product=str(values.get("product", "")),
        )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


class Shape(NamedTuple):
    """Which parts a letter has: a name, points that end, a next reward, why this offer; and of which choice it is."""

    named: bool
    expiring: bool
    near: bool
    why: bool
    number: int


class NotComposed(Exception):
    """The mail of a run cannot be written for anybody in that language."""


class OfferMail:
    """The mail of one run. Composed once per language and shape, filled in for each reader."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._currency = Company.current().currency
        self._sender = sender()
        self._stencils: dict[tuple[str, Shape], Stencil] = {}
        self._options = options_of(run)
        self._unsubscribe = settings.BASE_URL + reverse("customers:unsubscribe", args=[_TOKEN_STAND_IN])
        self._page = settings.BASE_URL + reverse("shop:own", args=[_TOKEN_STAND_IN])
        self._settings = settings.BASE_URL + reverse("shop:own_settings", args=[_TOKEN_STAND_IN])

    def letter(self, delivery: Delivery, *, tokens: LinkTokens, at: datetime) -> Letter:
        """The letter to one customer of the frozen audience, from the values, words and address frozen with it.

        Raises `NotComposed` where no reader could get one; any other error is about this customer's values.
        """
        reader = Reader.of(delivery.values)
        if self._run.is_personal:
            reader = reader.given(delivery.chosen)
        return self.letter_to(
            reader,
            language=delivery.language,
            address=delivery.address,
            message_id=delivery.message_id,
            tokens=tokens,
            at=at,
        )

    def letter_to(
        self, reader: Reader, *, language: str, address: str, message_id: str, tokens: LinkTokens, at: datetime
    ) -> Letter:
        """The letter that this reader gets. `at` is its date."""
        why = _why(reader, language)
        shape = Shape(
            bool(reader.first_name), reader.expiring_points > 0, reader.near is not None, bool(why), reader.number
        )
        stencil = self._stencil(language, shape)
        link = self._unsubscribe.replace(_TOKEN_STAND_IN, tokens.unsubscribe)
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
                "near": _near(reader, language),
                "near_percent": str(reader.near.percent) if reader.near else "",
                "product": clean_line(reader.product),
                "why": why,
                "unsubscribe_token": tokens.unsubscribe,
                "page_token": tokens.page,
            },
            headers={"List-Unsubscribe": f"<{link}>"},
        )

    def _stencil(self, language: str, shape: Shape) -> Stencil:
        key = (language, shape)
        if key not in self._stencils:
            try:
                self._stencils[key] = self._compose(language, shape)
            except Exception as error:
                raise NotComposed(f"{language}: {type(error).__name__}: {error}") from error
        return self._stencils[key]

    def _compose(self, language: str, shape: Shape) -> Stencil:
        stencil = Stencil()
        run, texts = self._run, self._run.texts[language]
        product = stencil.slot("product")
        names, benefit = _with_product(self._options[shape.number], product)
        words = {
            "first_name": stencil.slot("first_name") if shape.named else "",
            "benefit": clean_line(names[language]),
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
            "minimum_spend": formats.money(benefit.minimum_spend_cents, self._currency, language, trim=True)
            if benefit.minimum_spend_cents
            else "",
            "is_anywhere": not benefit.stores,
            "code": stencil.slot("code"),
            "points": words["points"],
            "expiring": stencil.slot("expiring") if shape.expiring else "",
            "near": stencil.slot("near") if shape.near else "",
            "near_percent": stencil.slot("near_percent"),
            "why": stencil.slot("why") if shape.why else "",
            "agreed_on": stencil.slot("agreed_on"),
            "unsubscribe": self._unsubscribe.replace(_TOKEN_STAND_IN, stencil.slot("unsubscribe_token")),
            "page": self._page.replace(_TOKEN_STAND_IN, stencil.slot("page_token")),
            "settings": self._settings.replace(_TOKEN_STAND_IN, stencil.slot("page_token")),
        }
        with translation.override(language):
            context["conditions"] = _conditions(benefit, self._currency)
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


def _conditions(benefit: Terms, currency: str) -> list[str]:
    """What the letter says of when it can be used beside "in any store", which names the least to pay as well."""
    asked = benefit if benefit.stores else benefit.model_copy(update={"minimum_spend_cents": 0})
    limits = [gives_in_words(benefit, currency)] if is_limited(benefit) else []
    return [clean_line(sentence) for sentence in (*limits, *conditions_in_words(asked, currency))]


def _with_product(option: Option, product: str) -> tuple[dict[str, str], Terms]:
    """The names and the benefit of a choice as a letter says them, with the sign for the reader's product."""
    given = option.given
    if not option.needs_product or not isinstance(given.benefit, OfGoods):
        return dict(given.names), given.benefit
    names = {code: name.replace(PRODUCT, product) for code, name in given.names.items()}
    return names, given.benefit.model_copy(update={"products": [product], "categories": []})


def _why(reader: Reader, language: str) -> str:
    with translation.override(language):
        return clean_line(why_you(reader.reasons, reader.drawn))


def _near(reader: Reader, language: str) -> str:
    if reader.near is None:
        return ""
    name = reader.near.names.get(language) or next(iter(reader.near.names.values()), "")
    with translation.override(language):
        return gettext("%(missing)s more to: %(reward)s (%(cost)s)") % {
            "missing": formats.points(reader.near.missing, language),
            "reward": clean_line(name),
            "cost": formats.number(reader.near.cost, language),
        }


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

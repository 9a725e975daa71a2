"""The answer in the making: a draft and a cost that follow from how the ticket is put right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from feedback import knobs
from feedback.drafts import draft_answer
from feedback.forms import AnswerForm
from feedback.models import ResolutionKind, Ticket, TicketKind
from feedback.queries import refundable_cents, value_cents_of
from loyaltycrm.core.forms import AmountField, PointsField
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib import formats
from rewards.queries import balance_of


@dataclass(frozen=True, slots=True)
class Choice:
    """How the ticket would be put right by what stands in the form so far; what cannot be read counts as nothing."""

    kind: str
    points: int
    refund_cents: int
    language: str

    @classmethod
    def of(cls, ticket: Ticket, given: Mapping[str, Any]) -> Choice:
        kind, language = given.get("kind") or "", given.get("language") or ""
        if ticket.customer is None and kind == ResolutionKind.GOODWILL:
            kind = ""
        return cls(
            kind=kind,
            points=_read(PointsField(required=False), given.get("points")) if kind == ResolutionKind.GOODWILL else 0,
            refund_cents=_read(AmountField(required=False), given.get("refund"))
            if kind == ResolutionKind.REFUND_NOTE
            else 0,
            language=language if language in dict(settings.LANGUAGES) else _language_for(ticket),
        )

    @property
    def button(self) -> str:
        """What the one primary button says: the result."""
        if self.points:
            return _("Solve, give %(points)s") % {"points": formats.points(self.points)}
        if self.refund_cents:
            amount = formats.money(self.refund_cents, Company.current().currency)
            return _("Solve, give back %(amount)s at the till") % {"amount": amount}
        return _("Solve")


def first_form(ticket: Ticket, *, by: User) -> AnswerForm:
    """The form before anyone touched it: goodwill suggested to a customer who complains, words to everyone else."""
    points = min(value(knobs.SUGGESTED_GOODWILL), knobs.goodwill_limit(by.role))
    suggested = ticket.kind == TicketKind.COMPLAINT and ticket.customer is not None and points > 0
    given: dict[str, Any] = {
        "language": _language_for(ticket),
        "kind": ResolutionKind.GOODWILL if suggested else ResolutionKind.WORDS,
        "points": str(points) if suggested else "",
        "by_email": True,
    }
    words = _draft(ticket, Choice.of(ticket, given), by=by)
    return AnswerForm(initial={**given, "words": words, "draft": words}, ticket=ticket)


def redrafted(ticket: Ticket, sent: Mapping[str, Any], *, by: User, afresh: bool = False) -> AnswerForm:
    """The form as sent, with the draft that follows from it; words that someone edited stay, unless `afresh`."""
    given = {
        name: sent.get(name, "") for name in ("language", "kind", "points", "refund", "words", "draft", "by_email")
    }
    draft = _draft(ticket, Choice.of(ticket, given), by=by)
    kept = not afresh and _plain(given["words"]) != _plain(given["draft"])
    form = AnswerForm(initial={**given, "words": given["words"] if kept else draft, "draft": draft}, ticket=ticket)
    form.words_kept = kept and _plain(given["draft"]) != _plain(draft)
    return form


def context(ticket: Ticket, form: AnswerForm, *, by: User) -> dict[str, Any]:
    """What the answer and the resolution panel show for the form as it stands."""
    given = form.data if form.is_bound else form.initial
    choice = Choice.of(ticket, given)
    balance = _balance(ticket)
    return {
        "form": form,
        "choice": choice,
        "cost_cents": value_cents_of(choice.points),
        "balance": balance,
        "balance_after": balance + choice.points,
        "points_limit": knobs.goodwill_limit(by.role),
        "refund_limit_cents": knobs.refund_limit_cents(by.role),
        "refundable_cents": refundable_cents(ticket.visit) if ticket.visit else None,
    }


def _draft(ticket: Ticket, choice: Choice, *, by: User) -> str:
    return draft_answer(
        ticket,
        language=choice.language,
        points=choice.points,
        refund_cents=choice.refund_cents,
        balance=_balance(ticket),
        by=by,
    )


def _balance(ticket: Ticket) -> int:
    return balance_of(ticket.customer).available if ticket.customer else 0


def _language_for(ticket: Ticket) -> str:
    return ticket.customer.language if ticket.customer else Company.current().language


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))


def _read(field: PointsField | AmountField, text: Any) -> int:
    try:
        return int(field.clean(text) or 0)
    except ValidationError:
        return 0

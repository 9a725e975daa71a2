"""Partners: other companies at which our customers earn and use points, and what was agreed with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.kept_words import gettext as _
from rewards.models import Account, AccountKind, Partner, PartnerTerms

LARGEST_RATE = Decimal(10_000)
RATE_STEP = Decimal("0.0001")
LARGEST_STEP = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerContent:
    """Who a partner is and from when to when, both days included, points are earned and used there."""

    name: str
    contact: str
    active_from: date
    active_until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is agreed: cents for each point earned and used there, and `points` earned per full `step_cents`."""

    issued_rate: Decimal
    burned_rate: Decimal
    points: int
    step_cents: int


def partner_named(code: str) -> Partner:
    """The partner with this code, in any case. Raises `Refused` where there is none."""
    partner = Partner.objects.filter(code=code.strip().upper()).first()
    if partner is None:
        raise Refused(no_partner(code), field="partner")
    return partner


def no_partner(code: str) -> str:
    """What to do about a code that no partner has."""
    words = _("There is no partner with the code %(code)s. Add it first: Reports, Partners.")
    return words % {"code": code.strip()}


@transaction.atomic
def add_partner(*, code: str, content: PartnerContent, terms: Terms, by: User | None) -> Partner:
    """Begin with a partner: its page, its terms from its first day on and its account in the ledger.

    Raises `Refused`, naming the field, for a code that is taken or has other signs than A to Z, 0 to 9 and a dash.
    """
    code = code.strip().upper()
    if not re.fullmatch(r"[A-Z0-9-]{1,20}", code):
        raise Refused(_("Use 1 to 20 letters from A to Z, digits and dashes, for example BOOKS."), field="code")
    if Partner.objects.filter(code=code).exists():
        raise Refused(_("Another partner has this code. Choose another one."), field="code")
    _check(content)
    _check_terms(terms)
    partner = Partner.objects.create(code=code, **_columns(content))
    Account.objects.create(kind=AccountKind.PARTNER, partner=partner)
    _agree(partner, terms, content.active_from, by)
    audit.record("add partner", partner, by=by, data={"code": code, "terms": _in_words(terms)})
    return partner


@transaction.atomic
def change_partner(
    *, partner: Partner, content: PartnerContent, terms: Terms, terms_from: date | None = None, by: User | None
) -> Partner:
    """Change a partner's page and, where they differ from the latest, its terms from a day on (default: today).

    Terms of the past stay, since a statement may have been sent by them. Raises `Refused` for a day before today or
    on which other terms start already.
    """
    partner = Partner.objects.select_for_update().get(pk=partner.pk)
    _check(content)
    _check_terms(terms)
    columns = _columns(content)
    before = {name: getattr(partner, name) for name in columns if getattr(partner, name) != columns[name]}
    if "active_from" in before:
        first = partner.terms.order_by("starts_on").values_list("starts_on", flat=True).first()
        if first is not None and content.active_from < first:
            raise Refused(
                _("The first terms hold from a later day. Choose that day or a later one."), field="active_from"
            )
    if before:
        for name in before:
            setattr(partner, name, columns[name])
        partner.save(update_fields=list(before))
        changed = {name: [str(before[name] or ""), str(columns[name] or "")] for name in before}
        audit.record("change partner", partner, by=by, data=changed)
    latest = partner.terms.order_by("-starts_on").first()
    if latest is None or _of(latest) != terms:
        today = Company.current().today()
        starts_on = terms_from or today
        if starts_on < today:
            raise Refused(_("New terms hold from today or a later day."), field="terms_from")
        if latest is not None and starts_on <= latest.starts_on:
            raise Refused(
                _("Terms that start on this day or later are agreed already. Choose a later day."), field="terms_from"
            )
        _agree(partner, terms, starts_on, by)
        data = {"from": starts_on.isoformat(), "terms": _in_words(terms)}
        audit.record("agree terms with partner", partner, by=by, data=data)
    return partner


def _columns(content: PartnerContent) -> dict[str, str | date | None]:
    return {
        "name": content.name.strip(),
        "contact": content.contact.strip(),
        "active_from": content.active_from,
        "active_until": content.active_until,
    }


def _check(content: PartnerContent) -> None:
    if not content.name.strip():
        raise Refused(_("Enter the partner's name."), field="name")
    if content.active_until is not None and content.active_until < content.active_from:
        raise Refused(_("The last day is earlier than the first one. Check both."), field="active_until")


def _check_terms(terms: Terms) -> None:
    for field in ("issued_rate", "burned_rate"):
        rate: Decimal = getattr(terms, field)
        if not (rate.is_finite() and 0 <= rate <= LARGEST_RATE and rate == rate.quantize(RATE_STEP)):
            raise Refused(_("Enter cents for one point with up to 4 decimals, for example 1.25."), field=field)
    if not 0 <= terms.points <= LARGEST_STEP:
        raise Refused(_("Enter a whole number of points."), field="points")
    if not 1 <= terms.step_cents <= 100 * LARGEST_STEP:
        raise Refused(_("Enter the amount that earns these points, for example 1.00."), field="step_cents")


def _agree(partner: Partner, terms: Terms, starts_on: date, by: User | None) -> None:
    PartnerTerms.objects.create(
        partner=partner,
        starts_on=starts_on,
        issued_rate=terms.issued_rate,
        burned_rate=terms.burned_rate,
        points=terms.points,
        step_cents=terms.step_cents,
        agreed_by=by,
    )


def _of(row: PartnerTerms) -> Terms:
    return Terms(issued_rate=row.issued_rate, burned_rate=row.burned_rate, points=row.points, step_cents=row.step_cents)


def _in_words(terms: Terms) -> dict[str, str | int]:
    return {
        "issued_rate": str(terms.issued_rate),
        "burned_rate": str(terms.burned_rate),
        "points": terms.points,
        "step_cents": terms.step_cents,
    }

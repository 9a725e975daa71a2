"""What customers earn and use at partners. Each request carries the partner's own reference and has one effect."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.visits import CLOCK_TOLERANCE, LARGEST_VISIT_CENTS, OLDEST_VISIT, receipt_key
from customers.models import Customer
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.redeeming import refusal_in_words
from rewards.ledger import (
    AccountState,
    EarnedAtPartner,
    Event,
    GaveBackAtPartner,
    TookBackAtPartner,
    UsedAtPartner,
    is_of,
    load_states,
    replay,
    write,
)
from rewards.models import Account, Partner, PartnerTerms, Posting, PostingKind
from rewards.programme import Programmes, load_programmes

LONGEST_REFERENCE = 40
LARGEST_POINTS = 10_000_000


def reference_of(partner: Partner, reference: str) -> str:
    """The name under which the ledger knows a partner's reference; blanks and case do not count.

    Raises `Refused` for an empty one, a colon in it, or more than 40 signs.
    """
    key = receipt_key(reference)
    if not key or len(key) > LONGEST_REFERENCE or ":" in key or not key.isprintable():
        raise Refused(_("Give the partner's reference: 1 to 40 signs, without a colon."), field="reference")
    return f"partner:{partner.pk}:{key}"


def terms_at(partner: Partner, day: date) -> PartnerTerms:
    """What was agreed for a day. Raises `Refused` where the partner was not active on it."""
    terms = partner.terms.filter(starts_on__lte=day).order_by("-starts_on").first()
    if terms is None or not partner.is_active_on(day):
        raise Refused(_("No points are earned or used at this partner on that day. Look at its dates."), field="date")
    return terms


@atomic_with_retry
def earn_at_partner(
    *,
    partner: Partner,
    customer: Customer,
    reference: str,
    points: int | None = None,
    amount_cents: int | None = None,
    occurred_at: datetime | None = None,
    by: User | None,
) -> Posting:
    """Post points that a customer earned at a partner: the number given, or what the amount earns by the terms.

    The same reference with the same content again returns the first posting. Raises `Refused` for numbers and times
    that cannot be, `Conflict` for a known reference with other content.
    """
    customer = customer.current
    name = reference_of(partner, reference)
    programmes = load_programmes()
    state = load_states([customer.pk], programmes)[customer.pk]
    known = Posting.objects.filter(reference=name).first()
    at = known.occurred_at if known else _checked_time(occurred_at)
    day = Company.current().today(at)
    if points is None:
        points = terms_at(partner, day).points_for(_checked_amount(amount_cents))
    if known is not None:
        return _the_same(known, state, kind=PostingKind.EARN, points=points)
    terms_at(partner, day)
    _check_points(points)
    return _write(EarnedAtPartner(at, day, name, _account_of(partner), points), state, programmes, by=by)


@atomic_with_retry
def redeem_at_partner(
    *,
    partner: Partner,
    customer: Customer,
    reference: str,
    points: int,
    occurred_at: datetime | None = None,
    by: User | None,
) -> Posting:
    """Post points that a customer used at a partner. Repeating it has no effect.

    Raises `Refused` where they do not suffice, at that time or now, and as earning does.
    """
    customer = customer.current
    name = reference_of(partner, reference)
    at = _checked_time(occurred_at)
    day = Company.current().today(at)
    programmes = load_programmes()
    state = load_states([customer.pk], programmes, uses_from={customer.pk: at} if occurred_at else None)[customer.pk]
    known = Posting.objects.filter(reference=name).first()
    if known is not None:
        return _the_same(known, state, kind=PostingKind.REDEEM, points=points)
    terms_at(partner, day)
    _check_points(points)
    return _write(UsedAtPartner(at, day, name, _account_of(partner), points), state, programmes, by=by)


@atomic_with_retry
def refund_at_partner(
    *,
    partner: Partner,
    of: str,
    reference: str,
    points: int | None = None,
    occurred_at: datetime | None = None,
    by: User | None,
) -> Posting | None:
    """Undo what the partner's reference `of` did: all that is left of it, or so many `points`. Repeating has no effect.

    Points earned there are taken back from their own lot, then in spending order, the rest is arrears; what lapsed of
    them is gone already, and None is returned where nothing was left. Points used there return to the lots they came
    from. Also after the partner's last day. Raises `Refused` for a reference that is not known or more points than
    are left of it, `Conflict` for a known reference with other content.
    """
    name = reference_of(partner, reference)
    at = _checked_time(occurred_at)
    original = (
        Posting.objects.filter(reference=reference_of(partner, of), reverses=None)
        .select_related("source", "destination")
        .first()
    )
    if original is None:
        raise Refused(_("Nothing was earned or used under this reference at this partner."), field="of")
    was_earned = original.kind == PostingKind.EARN
    customer = (original.destination if was_earned else original.source).customer
    assert customer is not None
    customer_id = customer.current.pk
    programmes = load_programmes()
    origin = [original.reference]
    state = load_states(
        [customer_id], programmes, origins=origin if was_earned else (), spendings=() if was_earned else origin
    )[customer_id]
    names = [name, f"{name}:{original.reference}"]
    known = Posting.objects.filter(reference__in=names).first()
    if known is not None:
        return _same_refund(known, original, state, points=points)
    if at < original.occurred_at:
        raise Refused(_("It cannot be earlier than what it undoes."), field="date")
    before = original.reversals.aggregate(points=Sum("points"))["points"] or 0
    points = original.points - before if points is None else points
    if not 0 < points <= original.points - before:
        raise Refused(
            _("Give a number of points up to what is left of it: %(left)s.") % {"left": original.points - before},
            field="points",
        )
    what = (at, Company.current().today(at), name, _account_of(partner), points, original.reference)
    event = TookBackAtPartner(*what, before) if was_earned else GaveBackAtPartner(*what)
    return _write_if_any(event, state, programmes, by=by)


def _checked_time(occurred_at: datetime | None) -> datetime:
    now = timezone.now()
    at = occurred_at or now
    if at > now + CLOCK_TOLERANCE:
        raise Refused(_("The time lies in the future. Check the date."), field="date")
    if at < now - OLDEST_VISIT:
        raise Refused(_("The time is more than 30 years ago. Check the date."), field="date")
    return at


def _checked_amount(amount_cents: int | None) -> int:
    if amount_cents is None or not 0 <= amount_cents <= LARGEST_VISIT_CENTS:
        raise Refused(_("Give the points, or the amount that was paid."), field="points")
    return amount_cents


def _check_points(points: int) -> None:
    if not 0 < points <= LARGEST_POINTS:
        raise Refused(_("Enter a whole number of points, at least 1."), field="points")


def _account_of(partner: Partner) -> int:
    return Account.objects.values_list("pk", flat=True).get(partner=partner)


def _the_same(known: Posting, state: AccountState, *, kind: PostingKind, points: int) -> Posting:
    if (known.kind, known.points) != (kind, points) or not is_of(known, state):
        raise Conflict(_("This reference is known already with other content. Check the number."), field="reference")
    return known


def _same_refund(known: Posting, original: Posting, state: AccountState, *, points: int | None) -> Posting:
    own = state.lot_named(original.reference)
    some_lapsed = own is not None and own.lapsed_in_all > 0
    is_same = points is None or points == known.points or (some_lapsed and points > known.points)
    if known.reverses_id != original.pk or not is_same:
        raise Conflict(_("This reference is known already with other content. Check the number."), field="reference")
    return known


def _write(event: Event, state: AccountState, programmes: Programmes, *, by: User | None) -> Posting:
    posting = _write_if_any(event, state, programmes, by=by)
    assert posting is not None
    return posting


def _write_if_any(event: Event, state: AccountState, programmes: Programmes, *, by: User | None) -> Posting | None:
    replayed = replay(state, [event], programmes, zone=Company.current().zone)
    if replayed.refused:
        raise refusal_in_words(replayed.refused[0][1])
    ids = write([(state, replayed.entries)], by=by)
    own = [pk for reference, pk in ids.items() if reference.startswith(event.reference)]
    if not own:
        return None
    posting = Posting.objects.get(pk=own[0])
    data = {"points": posting.points, "customer": state.customer_id}
    audit.record(f"post {posting.kind} at partner", posting, by=by, data=data)
    return posting

"""Points given beyond what was owed, and their reversal."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.visits import is_whole
from customers.models import Customer
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.ledger import Event, GaveGoodwill, TookGoodwillBack, is_of, load_states, replay, write
from rewards.models import Posting, PostingKind
from rewards.programme import load_programmes

LARGEST_GOODWILL_POINTS = 1_000_000


@atomic_with_retry
def post_goodwill(*, customer: Customer, points: int, reference: str, by: User | None) -> Posting:
    """Give a customer goodwill points; the same reference and content again returns the first posting.

    Call it inside the transaction of what the points are for. Raises `Refused` for an impossible number and
    `Conflict` for a known reference with other content.
    """
    customer = customer.current
    if not is_whole(points) or not 0 < points <= LARGEST_GOODWILL_POINTS:
        raise Refused(_("Enter a whole number of points, at least 1."), field="points")
    company = Company.current()
    now = timezone.now()
    event = GaveGoodwill(occurred_at=now, business_date=company.today(now), reference=reference, points=points)
    posting = _post(event, customer=customer, by=by)
    assert posting is not None
    if (posting.points, posting.kind) != (points, PostingKind.GOODWILL):
        raise Conflict(_("These points were given already, with another number."))
    return posting


@atomic_with_retry
def reverse_goodwill(*, posting: Posting, reference: str, by: User | None) -> Posting | None:
    """Take goodwill back: from its own lot, then in spending order, the rest as arrears. Repeating has no effect.

    Points of it that lapsed meanwhile are gone already; None when nothing was left to take.
    """
    now = timezone.now()
    event = TookGoodwillBack(
        occurred_at=now,
        business_date=Company.current().today(now),
        reference=reference,
        origin=posting.reference,
        points=posting.points,
    )
    customer = posting.destination.customer
    assert customer is not None
    return _post(event, customer=customer.current, by=by, origin=posting.reference)


def _post(event: Event, *, customer: Customer, by: User | None, origin: str | None = None) -> Posting | None:
    programmes = load_programmes()
    state = load_states([customer.pk], programmes, origins=[origin] if origin else [])[customer.pk]
    known = Posting.objects.filter(reference=event.reference).first()
    if known is not None:
        if not is_of(known, state):
            raise Conflict(_("These points were posted already, for another customer."))
        return known
    write([(state, replay(state, [event], programmes, zone=Company.current().zone).entries)], by=by)
    posting = Posting.objects.filter(reference=event.reference).first()
    if posting is not None:
        audit.record(f"post {posting.kind}", posting, by=by, data={"points": posting.points, "customer": customer.pk})
    return posting

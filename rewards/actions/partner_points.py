"""What customers earn and use at partners. Each request carries the partner's own reference and has one effect.

One way for a single request and for a file: rows are judged one after the other on accounts that were locked and read
together, and written by one statement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zlib import crc32

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from customers.actions.visits import CLOCK_TOLERANCE, LARGEST_VISIT_CENTS, OLDEST_VISIT, is_whole, receipt_key
from customers.models import Customer
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.redeeming import refusal_in_words
from rewards.actions.tiers import review_tiers
from rewards.ledger import (
    AccountState,
    EarnedAtPartner,
    Entry,
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
from rewards.programme import load_programmes
from rewards.tiers import units_of

LONGEST_REFERENCE = 40
LARGEST_POINTS = 10_000_000
EARNED, USED, REFUND = "earned", "used", "refund"
_LOCKS = 64
_LOCK_SPACE = 7_201


@dataclass(frozen=True, slots=True, kw_only=True)
class AtPartner:
    """One thing that a partner tells: `name` and `of` as `reference_of` writes references.

    `what` is EARNED, USED or REFUND; a refund undoes what `of` names and has no `customer_id`. Without `points` a
    refund undoes all that is left, and what was earned follows from `amount_cents`. Without `occurred_at`: now.
    """

    name: str
    what: str
    customer_id: int | None = None
    points: int | None = None
    amount_cents: int | None = None
    occurred_at: datetime | None = None
    of: str = ""


@dataclass(slots=True)
class Answer:
    """What became of a row: the reference of its posting (None where there was nothing left to undo), or a refusal.

    `is_new` is False where the posting was there before.
    """

    posted: str | None = None
    is_new: bool = True
    refusal: Refused | None = None


def reference_of(partner: Partner, reference: str) -> str:
    """The name under which the ledger knows a partner's reference; blanks and case do not count.

    Raises `Refused` for an empty one, a colon in it, or more than 40 signs.
    """
    key = receipt_key(reference)
    if not key or len(key) > LONGEST_REFERENCE or ":" in key or not key.isprintable():
        raise Refused(_("Give the partner's reference: 1 to 40 signs, without a colon."), field="reference")
    return f"partner:{partner.pk}:{key}"


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
    row = AtPartner(
        name=reference_of(partner, reference),
        what=EARNED,
        customer_id=customer.pk,
        points=points,
        amount_cents=amount_cents,
        occurred_at=occurred_at,
    )
    posting = _post_one(partner, row, by=by)
    assert posting is not None
    return posting


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
    row = AtPartner(
        name=reference_of(partner, reference),
        what=USED,
        customer_id=customer.pk,
        points=points,
        occurred_at=occurred_at,
    )
    posting = _post_one(partner, row, by=by)
    assert posting is not None
    return posting


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
    row = AtPartner(
        name=reference_of(partner, reference),
        what=REFUND,
        points=points,
        occurred_at=occurred_at,
        of=reference_of(partner, of),
    )
    return _post_one(partner, row, by=by)


def _post_one(partner: Partner, row: AtPartner, *, by: User | None) -> Posting | None:
    [answer] = post_at_partner(partner=partner, rows=[row], by=by)
    if answer.refusal is not None:
        raise answer.refusal
    if answer.posted is None:
        return None
    posting = Posting.objects.select_related("source", "destination").get(reference=answer.posted)
    if answer.is_new:
        customer = posting.destination.customer_id or posting.source.customer_id
        audit.record(
            f"post {posting.kind} at partner", posting, by=by, data={"points": posting.points, "customer": customer}
        )
    return posting


@atomic_with_retry
def post_at_partner(*, partner: Partner, rows: Sequence[AtPartner], by: User | None) -> list[Answer]:
    """Post these rows in their order and say what became of each; a refused one has no effect and hinders no other.

    Rows of one customer are to stand in order of time. The number of queries does not grow with that of rows. Raises
    `AccountMerged` where a customer was merged into another meanwhile; asked again it finds that one. Audit rows are
    the caller's.
    """
    _lock_references(rows)
    batch = _Batch(partner, rows)
    answers = [batch.answer(row) for row in rows]
    write([(batch.states[pk], entries) for pk, entries in sorted(batch.entries.items())], by=by)
    if "earned_points" in units_of(batch.programmes):
        review_tiers(sorted(batch.entries), programmes=batch.programmes)
    return answers


def _lock_references(rows: Sequence[AtPartner]) -> None:
    """Let nobody else look for these references until the transaction ends: two would both find them unknown.

    Before the accounts, and in one order. A few locks stand for all references, so that a file does not ask for more
    than the server has room for.
    """
    locks = sorted({crc32(row.name.encode()) % _LOCKS for row in rows})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s::int, lock) FROM (SELECT unnest(%s::int[]) AS lock ORDER BY 1) AS locks",
            [_LOCK_SPACE, locks],
        )


@dataclass(slots=True)
class _Original:
    """What a refund undoes: its posting's kind, time, customer, and the points that are left of it."""

    kind: str
    occurred_at: datetime
    customer_id: int
    left: int


class _Batch:
    """The accounts that rows ask for, locked, with what is known of their references; entries pile up in `entries`."""

    def __init__(self, partner: Partner, rows: Sequence[AtPartner]) -> None:
        self._partner = partner
        self._rows = rows
        self.programmes = load_programmes()
        self._company = Company.current()
        self._terms = list(partner.terms.order_by("-starts_on"))
        self._account = Account.objects.values_list("pk", flat=True).get(partner=partner)
        names = [row.name for row in rows] + [_undone(row) for row in rows if row.what == REFUND]
        found = Posting.objects.filter(reference__in=names).select_related("reverses")
        self._known = {posting.reference: posting for posting in found}
        self._originals = _originals({row.of for row in rows if row.what == REFUND})
        asked = {row.customer_id for row in rows if row.customer_id is not None}
        asked |= {one.customer_id for one in self._originals.values()}
        people = Customer.objects.filter(pk__in=asked).values_list("pk", "merged_into_id")
        self._current = {pk: merged_into or pk for pk, merged_into in people}
        self.states = self._load()
        self.entries: dict[int, list[Entry]] = defaultdict(list)

    def _load(self) -> dict[int, AccountState]:
        earliest: dict[int, datetime] = {}
        for row in self._rows:
            if row.what == USED and row.occurred_at is not None and row.name not in self._known:
                owner = self._current[row.customer_id or 0]
                earliest[owner] = min(row.occurred_at, earliest.get(owner, row.occurred_at))
        by_kind: dict[bool, list[str]] = defaultdict(list)
        for name, original in self._originals.items():
            by_kind[original.kind == PostingKind.EARN].append(name)
        return load_states(
            set(self._current.values()),
            self.programmes,
            origins=by_kind[True],
            spendings=by_kind[False],
            uses_from=earliest or None,
        )

    def answer(self, row: AtPartner) -> Answer:
        """What becomes of the row, with those before it done."""
        try:
            if row.what == REFUND:
                return self._refund(row)
            return self._earn_or_use(row)
        except Refused as refusal:
            return Answer(refusal=refusal)

    def _earn_or_use(self, row: AtPartner) -> Answer:
        owner = self._current[row.customer_id or 0]
        known = self._known.get(row.name)
        at = known.occurred_at if known else _checked_time(row.occurred_at)
        day = self._company.today(at)
        points = row.points
        if points is None and row.what == EARNED:
            points = self._terms_at(day).points_for(_checked_amount(row.amount_cents))
        kind = PostingKind.EARN if row.what == EARNED else PostingKind.REDEEM
        if known is not None:
            if (known.kind, known.points) != (kind, points) or not is_of(known, self.states[owner]):
                raise _known_with_other_content()
            return Answer(known.reference, is_new=False)
        self._terms_at(day)
        points = _checked_points(points)
        event = EarnedAtPartner if row.what == EARNED else UsedAtPartner
        self._happen(event(at, day, row.name, self._account, points), owner)
        self._originals[row.name] = _Original(kind, at, owner, points)
        return Answer(row.name)

    def _refund(self, row: AtPartner) -> Answer:
        original = self._originals.get(row.of)
        if original is None:
            raise Refused(_("Nothing was earned or used under this reference at this partner."), field="of")
        owner = self._current[original.customer_id]
        known = self._known.get(row.name) or self._known.get(_undone(row))
        if known is not None:
            self._check_same_refund(known, row, self.states[owner])
            return Answer(known.reference, is_new=False)
        at = _checked_time(row.occurred_at)
        if at < original.occurred_at:
            raise Refused(_("It cannot be earlier than what it undoes."), field="date")
        points = original.left if row.points is None else row.points
        if not is_whole(points) or not 0 < points <= original.left:
            raise Refused(
                _("Give a number of points up to what is left of it: %(left)s.") % {"left": original.left},
                field="points",
            )
        what = (at, self._company.today(at), row.name, self._account, points, row.of)
        if original.kind == PostingKind.EARN:
            lot = self.states[owner].lot_named(row.of)
            taken_before = lot.points - original.left if lot else 0
            moved = self._happen(TookBackAtPartner(*what, taken_before), owner)
        else:
            moved = self._happen(GaveBackAtPartner(*what), owner)
        original.left -= sum(entry.points for entry in moved)
        return Answer(moved[0].reference if moved else None)

    def _happen(self, event: Event, owner: int) -> list[Entry]:
        """Let the event happen to the account; return its own entries, without those of lots that ended before it."""
        replayed = replay(self.states[owner], [event], self.programmes, zone=self._company.zone)
        self.entries[owner] += replayed.entries
        if replayed.refused:
            raise refusal_in_words(replayed.refused[0][1])
        return [entry for entry in replayed.entries if entry.reference.startswith(event.reference)]

    def _terms_at(self, day: date) -> PartnerTerms:
        terms = next((terms for terms in self._terms if terms.starts_on <= day), None)
        if terms is None or not self._partner.is_active_on(day):
            raise Refused(
                _("No points are earned or used at this partner on that day. Look at its dates."), field="date"
            )
        return terms

    def _check_same_refund(self, known: Posting, row: AtPartner, state: AccountState) -> None:
        own = state.lot_named(row.of)
        some_lapsed = own is not None and own.lapsed_in_all > 0
        is_same = row.points is None or row.points == known.points or (some_lapsed and row.points > known.points)
        if known.reverses is None or known.reverses.reference != row.of or not is_same:
            raise _known_with_other_content()


def _undone(row: AtPartner) -> str:
    """The reference under which points given back stand."""
    return f"{row.name}:{row.of}"


def _originals(names: set[str]) -> dict[str, _Original]:
    """What is known of the references that refunds undo."""
    found = (
        Posting.objects.filter(reference__in=names, reverses=None)
        .annotate(undone=Sum("reversals__points"))
        .values_list(
            "reference", "kind", "occurred_at", "source__customer", "destination__customer", "points", "undone"
        )
    )
    return {
        name: _Original(kind, at, destination or source, points - (undone or 0))
        for name, kind, at, source, destination, points, undone in found
    }


def _checked_time(occurred_at: datetime | None) -> datetime:
    now = timezone.now()
    at = occurred_at or now
    if at > now + CLOCK_TOLERANCE:
        raise Refused(_("The time lies in the future. Check the date."), field="date")
    if at < now - OLDEST_VISIT:
        raise Refused(_("The time is more than 30 years ago. Check the date."), field="date")
    return at


def _checked_amount(amount_cents: int | None) -> int:
    if amount_cents is None or not is_whole(amount_cents) or not 0 <= amount_cents <= LARGEST_VISIT_CENTS:
        raise Refused(_("Give the points, or the amount that was paid."), field="points")
    return amount_cents


def _checked_points(points: int | None) -> int:
    if points is None or not is_whole(points) or not 0 < points <= LARGEST_POINTS:
        raise Refused(_("Enter a whole number of points, at least 1."), field="points")
    return points


def _known_with_other_content() -> Conflict:
    return Conflict(_("This reference is known already with other content. Check the number."), field="reference")

"""Using points and codes at a till."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.models import Customer, Visit
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import announce, quiet
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib.asking import rows_of
from loyaltycrm.lib.inserting import insert_part, is_written
from loyaltycrm.lib.tokens import new_code
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.following import follow
from rewards.actions.telling import used_voucher
from rewards.audience import HAS_LEFT
from rewards.benefits import Acts, Given, NotNow, Sale, work_out
from rewards.knobs import CODES_PER_VISIT, VOUCHER_DAYS
from rewards.ledger import (
    AccountState,
    BelowMinimum,
    Entry,
    NotAllowed,
    NotAStep,
    NotEnoughPoints,
    UsedPoints,
    open_account,
    replay,
    write_with,
)
from rewards.models import Delivery, Redemption, Reward, Voucher, VoucherStatus
from rewards.places import stores_in_words


@dataclass(frozen=True, slots=True)
class Used:
    """A redemption and whether it is new; `is_new` is False when the same request came again."""

    redemption: Redemption
    is_new: bool


def normalise_code(text: str) -> str:
    """What a person typed, as the code is stored: upper case, without blanks and dashes."""
    return "".join(text.split()).replace("-", "").replace("–", "").upper()


def refusal_in_words(refusal: NotAllowed) -> Refused:
    """The ledger's refusal as a sentence for the till."""
    if isinstance(refusal, NotEnoughPoints):
        return Refused(
            _("Not enough points: %(needed)s needed, %(left)s left.")
            % {"needed": refusal.needed, "left": max(refusal.left, 0)}
        )
    if isinstance(refusal, NotAStep):
        return Refused(
            ngettext(
                "Points are used in steps of %(step)s point.",
                "Points are used in steps of %(step)s points.",
                refusal.step,
            )
            % {"step": refusal.step}
        )
    if isinstance(refusal, BelowMinimum):
        return Refused(
            ngettext(
                "As money off, at least %(minimum)s point is used.",
                "As money off, at least %(minimum)s points are used.",
                refusal.minimum,
            )
            % {"minimum": refusal.minimum}
        )
    return Refused(_("The points cannot be used for this."))


@atomic_with_retry
def use_reward(
    *, customer: Customer, reward: Reward, store: Store, reference: str, visit: Visit | None = None, by: User | None
) -> Used:
    """Spend points on a reward and hand it over now; writes a used voucher, its redemption and the posting.

    A reward that is worked out from a visit is collected instead: its code is good from now on, to be used with one.
    `reference` is the request's own key: sent again it has no second effect. Raises `Refused` when the reward is no
    longer offered or the points do not suffice, `Conflict` when the key was used for something else.
    """
    customer = customer.current
    visit = locked_visit(visit)
    account = open_account(customer.pk)
    if before := used_before(reference, customer, visit, reward=reward):
        return before
    check_visit(visit, customer)
    if not reward.is_active:
        raise Refused(_("This reward is no longer offered."))
    now = timezone.now()
    event = UsedPoints(
        occurred_at=now,
        business_date=store.business_date(now),
        reference=f"redemption:{reference}",
        points=reward.points_cost,
        visit=visit.pk if visit else None,
    )
    replayed = replay(account.state, [event], account.programmes, zone=account.zone)
    if replayed.refused:
        raise refusal_in_words(replayed.refused[0][1])
    voucher = Voucher(
        code=new_code(),
        customer=customer,
        reward=reward,
        names=reward.names,
        benefit=reward.benefit,
        valid_from=event.business_date,
        good_through=event.business_date + timedelta(days=value(VOUCHER_DAYS) - 1),
        status=VoucherStatus.ISSUED if reward.benefit.is_collected else VoucherStatus.REDEEMED,
    )
    redemption = Redemption(
        reference=event.reference,
        customer=customer,
        store=store,
        visit=visit,
        reward=reward,
        points=reward.points_cost,
        value_cents=0 if reward.benefit.is_collected else reward.benefit.fixed_cents or 0,
        redeemed_at=now,
        business_date=event.business_date,
        redeemed_by=by,
    )
    with quiet(when=not account.has_receivers):
        _write_together(account.state, replayed.entries, voucher, redemption, by=by)
        if not reward.benefit.is_collected:
            follow(redemption, reward.benefit, names=reward.names, by=by)
        announce(used_voucher(redemption))
    return Used(redemption, is_new=True)


def _write_together(
    state: AccountState, entries: list[Entry], voucher: Voucher, redemption: Redemption, *, by: User | None
) -> None:
    """Write what the use of points led to by one statement: postings, voucher, redemption, audit row."""
    told = {"points": redemption.points, "customer": redemption.customer_id}
    is_collected = voucher.status == VoucherStatus.ISSUED
    taken = {"posting_id": "SELECT id FROM entry WHERE kind = 'redeem'"}
    if is_collected:
        rows = [
            insert_part("redemption", redemption, taken=taken),
            insert_part("voucher", voucher, taken={"origin_id": "SELECT id FROM redemption"}),
        ]
    else:
        rows = [
            insert_part("voucher", voucher),
            insert_part("redemption", redemption, taken=taken | {"voucher_id": "SELECT id FROM voucher"}),
        ]
    audited = audit.part("use reward", redemption, by=by, data=told, written_by="redemption")
    answers = write_with(state, entries, by=by, beside=[*rows, audited])
    is_written(voucher, answers["voucher"][0][1])
    is_written(redemption, answers["redemption"][0][1])
    if is_collected:
        voucher.origin = redemption
    else:
        redemption.voucher = voucher
    redemption.posting_id = dict(answers["entry"])[redemption.reference]


def locked_visit(visit: Visit | None) -> Visit | None:
    """The visit as it is now, held so that nobody takes it back meanwhile: visits are locked before accounts."""
    return None if visit is None else Visit.objects.select_for_update(of=("self",), no_key=True).get(pk=visit.pk)


def _hold(customer: Customer) -> None:
    """Customers are locked before codes: so does a merge, which then moves their codes."""
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)


def check_visit(visit: Visit | None, customer: Customer) -> None:
    """Raise `Refused` for a visit that was undone or is another customer's."""
    if visit is None:
        return
    if visit.voided_at is not None:
        raise Refused(_("This visit was undone. Use it on another visit."))
    if visit.customer_id != customer.pk:
        raise Refused(_("This visit belongs to another customer."))


def usable_vouchers(customer: Customer, day: date | None = None) -> list[Voucher]:
    """The codes that a customer can use today, soonest ending first."""
    customer = customer.current
    today = day or Company.current().today()
    return list(
        Voucher.objects.filter(
            customer=customer, status=VoucherStatus.ISSUED, valid_from__lte=today, good_through__gte=today
        )
        .filter(Q(delivery__isnull=True) | Q(delivery__status__in=HAS_LEFT) | Q(delivery__may_have_arrived=True))
        .order_by("good_through", "id")
    )


@atomic_with_retry
def use_code(
    *,
    code: str,
    customer: Customer,
    store: Store,
    reference: str,
    visit: Visit | None = None,
    net_cents: int | None = None,
    item_cents: int | None = None,
    by: User | None,
) -> Used:
    """Use a voucher's code once, beside a visit that is recorded already or to come: the visit stays as it is.

    What it is worth is worked out on what was to pay before discounts (`visit`), else on `net_cents`, which may be left
    out where neither its worth nor its terms ask for it. Sent again with the same reference it has no second effect.
    Raises `Refused` with what to do: an unknown code, another customer's, used, ended or not begun, one that gives
    nothing on this amount, one more than a visit may have, or one that gives points (`use_on_visit` does that).
    """
    customer = customer.current
    visit = locked_visit(visit)
    _hold(customer)
    voucher = code_named(code, is_locked=True)
    if known := _known_use(reference):
        return Used(_same(known, voucher), is_new=False)
    now = timezone.now()
    day = store.business_date(now)
    check_visit(visit, customer)
    refuse_unusable(voucher, customer, day=day)
    if visit is not None:
        refuse_too_many(1 + visit.redemptions.filter(voucher__isnull=False, points=0, undone_at__isnull=True).count())
    if voucher.benefit.acts == Acts.POINTS:
        raise Refused(_("This code gives points with a visit. Save it together with the visit."), field="code")
    given = _worth(voucher, store, day, visit.gross_cents if visit else net_cents, item_cents)
    use = Redemption(reference=f"redemption:{reference}", customer=customer, store=store, visit=visit, voucher=voucher,
                     value_cents=given.worth_cents, redeemed_at=now, business_date=day, redeemed_by=by)  # fmt: skip
    return Used(_write_use(use, voucher, by=by), is_new=True)


def use_on_visit(
    *, voucher: Voucher, given: Given, bonus_points: int, visit: Visit, reference: str, by: User | None
) -> Redemption:
    """Use a code with the visit that was just recorded with what it gives, in the caller's transaction.

    Raises `Refused` where another till used it meanwhile.
    """
    assert visit.customer is not None
    if voucher.benefit.acts == Acts.MEMBERSHIP:
        _hold(visit.customer)
    voucher = code_named(voucher.code, is_locked=True)
    now = timezone.now()
    day = visit.store.business_date(now)
    refuse_unusable(voucher, visit.customer.current, day=day)
    use = Redemption(reference=f"redemption:{reference}", customer=visit.customer, store=visit.store, visit=visit,
                     voucher=voucher, value_cents=given.worth_cents, off_cents=given.off_cents,
                     bonus_points=bonus_points, redeemed_at=now, business_date=day, redeemed_by=by)  # fmt: skip
    return _write_use(use, voucher, by=by)


def _write_use(use: Redemption, voucher: Voucher, *, by: User | None) -> Redemption:
    voucher.status = VoucherStatus.REDEEMED
    voucher.save(update_fields=["status"])
    use.voucher = voucher
    use.save(force_insert=True)
    audit.record("use code", use, by=by, data={"voucher": voucher.pk, "customer": use.customer_id})
    follow(use, voucher.benefit, names=voucher.names, by=by)
    announce(used_voucher(use))
    return use


def _worth(voucher: Voucher, store: Store, day: date, amount_cents: int | None, item_cents: int | None) -> Given:
    benefit = voucher.benefit
    if amount_cents is None:
        if elsewhere := benefit.why_not_here(store=store.code, weekday=day.weekday(), named=stores_in_words):
            raise Refused(elsewhere, field="code")
        if benefit.fixed_cents is None or benefit.minimum_spend_cents or benefit.acts == Acts.CODE:
            raise Refused(_("Its worth depends on the visit. Enter the amount too."), field="net_cents")
        return Given(worth_cents=benefit.fixed_cents)
    sale = Sale(amount_cents, day, store.code, Company.current().currency, item_cents=item_cents, named=stores_in_words)
    outcome = work_out([benefit], sale)[0]
    if isinstance(outcome, NotNow):
        raise Refused(outcome.words, field="item_cents" if outcome.asks_item else "code")
    return outcome


def check_code(
    *, code: str, customer: Customer, store: Store, net_cents: int | None = None, item_cents: int | None = None
) -> tuple[Voucher, Given | None]:
    """The voucher of a code that could be used here today, and what it gives on an amount. Changes nothing.

    Raises `Refused` as `use_code` does, but not for one that is to be saved with the visit.
    """
    voucher = code_named(code)
    day = store.business_date()
    refuse_unusable(voucher, customer.current, day=day)
    given = _worth(voucher, store, day, net_cents, item_cents) if net_cents is not None else None
    if given is None and (
        elsewhere := voucher.benefit.why_not_here(store=store.code, weekday=day.weekday(), named=stores_in_words)
    ):
        raise Refused(elsewhere, field="code")
    return voucher, given


def code_named(code: str, *, is_locked: bool = False) -> Voucher:
    """The voucher of a code as it was typed. Raises `Refused` where there is none."""
    vouchers = Voucher.objects.select_for_update() if is_locked else Voucher.objects.all()
    voucher = vouchers.filter(code=normalise_code(code)[:16]).first()
    if voucher is None:
        raise Refused(_("This code is not known. Check it letter by letter."), field="code")
    return voucher


def refuse_too_many(codes: int) -> None:
    """Raise `Refused` for more codes than one visit may have."""
    most = int(value(CODES_PER_VISIT))
    if codes > most:
        words = ngettext(
            "Use at most %(count)s offer on one visit.", "Use at most %(count)s offers on one visit.", most
        )
        raise Refused(words % {"count": most}, field="code")


def refuse_unusable(voucher: Voucher, customer: Customer, *, day: date) -> None:
    """Raise `Refused` for a code that is somebody else's, used, void, ended, not begun, or of a mail still to leave."""
    if voucher.customer_id != customer.pk:
        raise Refused(_("This code belongs to another customer."), field="code")
    if voucher.status == VoucherStatus.REDEEMED:
        raise Refused(_("This code was used already."), field="code")
    if voucher.status != VoucherStatus.ISSUED:
        raise Refused(_("This code is no longer good."), field="code")
    if not voucher.valid_from <= day <= voucher.good_through:
        raise Refused(_("This code is not good today. Look at its dates."), field="code")
    is_offers = voucher.reward_id is None and voucher.origin_id is None
    if (
        is_offers
        and Delivery.objects.filter(voucher=voucher).exclude(Q(status__in=HAS_LEFT) | Q(may_have_arrived=True)).exists()
    ):
        raise Refused(_("The mail with this code has not left yet, so the code is not good yet."), field="code")


def used_before(
    reference: str, customer: Customer, visit: Visit | None, *, reward: Reward | None = None, points: int | None = None
) -> Used | None:
    """The use of points that this request led to when it was sent before; None for a new one.

    Raises `Conflict` where its key was used for somebody or something else.
    """
    known = _known_use(reference)
    if known is None:
        return None
    was_on = known.posting.visit_id if known.posting else None  # as asked for: the use may have joined a visit since
    same = (known.customer_id, known.reward_id, was_on) == (
        customer.pk,
        reward.pk if reward else None,
        visit.pk if visit else None,
    )
    if not same or points not in (None, known.points):
        raise Conflict(_("This form was already used for something else. Open the page again."))
    return Used(known, is_new=False)


def _same(known: Redemption, voucher: Voucher) -> Redemption:
    if known.voucher_id != voucher.pk:
        raise Conflict(_("This form was already used for something else. Open the page again."))
    return known


def _known_use(reference: str) -> Redemption | None:
    """The use that this reference had already."""
    # By hand: nearly always there is none, and the till waits for the answer.
    known = rows_of("SELECT id FROM rewards_redemption WHERE reference = %s", [f"redemption:{reference}"])
    return Redemption.objects.get(pk=known[0][0]) if known else None

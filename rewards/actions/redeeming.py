"""Using points and codes at a till."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection
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
from loyaltycrm.lib.inserting import insert_part, is_written
from loyaltycrm.lib.tokens import new_code
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.telling import returned_voucher, used_voucher
from rewards.knobs import UNDO_MINUTES, VOUCHER_DAYS
from rewards.ledger import (
    AccountState,
    BelowMinimum,
    Entry,
    NotAllowed,
    NotAStep,
    NotEnoughPoints,
    UndidRedemption,
    UsedPoints,
    load_states,
    lock_accounts,
    open_account,
    replay,
    write,
    write_with,
)
from rewards.models import Posting, Redemption, Reward, Voucher, VoucherStatus
from rewards.programme import load_programmes


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

    `reference` is the request's own key: sent again it has no second effect. Raises `Refused` when the reward is no
    longer offered or the points do not suffice, `Conflict` when the key was used for something else.
    """
    customer = customer.current
    visit = _locked(visit)
    account = open_account(customer.pk)
    known = _known(reference)
    if known is not None:
        if (known.customer_id, known.reward_id) != (customer.pk, reward.pk):
            raise Conflict(_("This form was already used for something else. Open the page again."))
        return Used(known, is_new=False)
    _check_visit(visit, customer)
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
        kind=reward.kind,
        value_cents=reward.value_cents,
        valid_from=event.business_date,
        good_through=event.business_date + timedelta(days=value(VOUCHER_DAYS) - 1),
        status=VoucherStatus.REDEEMED,
    )
    redemption = Redemption(
        reference=event.reference,
        customer=customer,
        store=store,
        visit=visit,
        reward=reward,
        points=reward.points_cost,
        value_cents=reward.value_cents,
        redeemed_at=now,
        business_date=event.business_date,
        redeemed_by=by,
    )
    with quiet(when=not account.has_receivers):
        _write_together(account.state, replayed.entries, voucher, redemption, by=by)
        announce(used_voucher(redemption))
    return Used(redemption, is_new=True)


def _write_together(
    state: AccountState, entries: list[Entry], voucher: Voucher, redemption: Redemption, *, by: User | None
) -> None:
    """Write what the use of points led to by one statement: postings, voucher, redemption, audit row."""
    told = {"points": redemption.points, "customer": redemption.customer_id}
    taken = {"voucher_id": "SELECT id FROM voucher", "posting_id": "SELECT id FROM entry WHERE kind = 'redeem'"}
    answers = write_with(
        state,
        entries,
        by=by,
        beside=[
            insert_part("voucher", voucher),
            insert_part("redemption", redemption, taken=taken),
            audit.part("use reward", redemption, by=by, data=told, written_by="redemption"),
        ],
    )
    is_written(voucher, answers["voucher"][0][1])
    is_written(redemption, answers["redemption"][0][1])
    redemption.voucher = voucher
    redemption.posting_id = dict(answers["entry"])[redemption.reference]


def _locked(visit: Visit | None) -> Visit | None:
    """The visit as it is now, held so that nobody takes it back meanwhile: visits are locked before accounts."""
    return None if visit is None else Visit.objects.select_for_update(of=("self",), no_key=True).get(pk=visit.pk)


def _check_visit(visit: Visit | None, customer: Customer) -> None:
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
        .filter(Q(delivery__isnull=True) | Q(delivery__status="sent"))
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
    by: User | None,
) -> Used:
    """Use a voucher's code once. `net_cents` is the amount of the visit it is used on, where it is known.

    Sent again with the same reference it has no second effect. Raises `Refused` with what to do: an unknown code,
    another customer's, used, ended or not begun, or a visit below its smallest amount.
    """
    customer = customer.current
    visit = _locked(visit)
    voucher = Voucher.objects.select_for_update().filter(code=normalise_code(code)[:16]).first()
    if voucher is None:
        raise Refused(_("This code is not known. Check it letter by letter."), field="code")
    known = _known(reference)
    if known is not None:
        if known.voucher_id != voucher.pk:
            raise Conflict(_("This form was already used for something else. Open the page again."))
        return Used(known, is_new=False)
    now = timezone.now()
    day = store.business_date(now)
    _check_visit(visit, customer)
    _check_usable(voucher, customer, day=day, net_cents=net_cents)
    voucher.status = VoucherStatus.REDEEMED
    voucher.save(update_fields=["status"])
    redemption = Redemption.objects.create(
        reference=f"redemption:{reference}",
        customer=customer,
        store=store,
        visit=visit,
        voucher=voucher,
        points=0,
        value_cents=voucher.value_cents,
        redeemed_at=now,
        business_date=day,
        redeemed_by=by,
    )
    audit.record("use code", redemption, by=by, data={"voucher": voucher.pk, "customer": customer.pk})
    announce(used_voucher(redemption))
    return Used(redemption, is_new=True)


def check_code(*, code: str, customer: Customer, store: Store, net_cents: int | None = None) -> Voucher:
    """The voucher of a code that could be used here today. Changes nothing; raises `Refused` as `use_code` does."""
    voucher = Voucher.objects.filter(code=normalise_code(code)[:16]).first()
    if voucher is None:
        raise Refused(_("This code is not known. Check it letter by letter."), field="code")
    _check_usable(voucher, customer.current, day=store.business_date(), net_cents=net_cents)
    return voucher


def _check_usable(voucher: Voucher, customer: Customer, *, day: date, net_cents: int | None) -> None:
    if voucher.customer_id != customer.pk:
        raise Refused(_("This code belongs to another customer."), field="code")
    if voucher.status == VoucherStatus.REDEEMED:
        raise Refused(_("This code was used already."), field="code")
    if voucher.status != VoucherStatus.ISSUED:
        raise Refused(_("This code is no longer good."), field="code")
    if not voucher.valid_from <= day <= voucher.good_through:
        raise Refused(_("This code is not good today. Look at its dates."), field="code")
    if net_cents is not None and net_cents < voucher.minimum_spend_cents:
        raise Refused(_("This code needs a larger visit. Look at its smallest amount."), field="code")


def _known(reference: str) -> Redemption | None:
    with connection.cursor() as cursor:  # by hand: nearly always there is none, and the till waits for the answer
        cursor.execute("SELECT id FROM rewards_redemption WHERE reference = %s", [f"redemption:{reference}"])
        row = cursor.fetchone()
    return None if row is None else Redemption.objects.get(pk=row[0])


@atomic_with_retry
def undo_redemption(*, redemption: Redemption, by: User | None) -> Redemption:
    """Undo a use of points or of a code made by mistake: points return to their lots, an offer's code is good again.

    Raises `Refused` after the time for undoing, or a second time.
    """
    # Before the row: so does whoever takes the whole visit back. A merge may have moved it since the caller read it.
    lock_accounts(list(Redemption.objects.filter(pk=redemption.pk).values_list("customer_id", flat=True)))
    redemption = Redemption.objects.select_for_update(of=("self",)).get(pk=redemption.pk)
    if redemption.undone_at is not None:
        raise Refused(_("This was undone already."))
    now = timezone.now()
    if now > redemption.redeemed_at + timedelta(minutes=value(UNDO_MINUTES)):
        raise Refused(_("The time to undo this is over. Ask a manager for a correction."))
    if redemption.posting is not None:
        _return_points(redemption, redemption.posting, by=by)
    redemption.undone_at = now
    redemption.save(update_fields=["undone_at"])
    voucher = redemption.voucher
    if voucher is not None:
        voucher.status = VoucherStatus.VOID if voucher.reward_id else VoucherStatus.ISSUED
        voucher.save(update_fields=["status"])
    audit.record("undo redemption", redemption, by=by, data={"points": redemption.points})
    is_good_again = voucher is not None and voucher.status == VoucherStatus.ISSUED
    announce(returned_voucher(redemption, is_good_again=is_good_again))
    return redemption


def _return_points(redemption: Redemption, posting: Posting, *, by: User | None) -> None:
    programmes = load_programmes()
    now = timezone.now()
    customer_id = redemption.customer_id
    state = load_states([customer_id], programmes, spendings=[posting.reference])[customer_id]
    event = UndidRedemption(
        occurred_at=now,
        business_date=redemption.store.business_date(now) if redemption.store else Company.current().today(now),
        reference=f"undo:redemption:{redemption.pk}",
        origin=posting.reference,
    )
    write([(state, replay(state, [event], programmes, zone=Company.current().zone).entries)], by=by)

"""What the use of a benefit leads to beyond the sale: a promise, a code for the next visit, a membership."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.tokens import new_code
from rewards.actions.memberships import give_membership, take_membership_back
from rewards.benefits import Acts, MembershipDays, NextPurchase, Terms
from rewards.benefits.promised import Promised
from rewards.benefits.words import gives_in_words
from rewards.models import PrivilegeKind, Promise, Redemption, Voucher, VoucherStatus

# What is promised under another word than the privilege of a tier.
_PRIVILEGES = {"faster_service": PrivilegeKind.FASTER_ANSWER}


def follow(redemption: Redemption, benefit: Terms, *, names: dict[str, str], by: User | None) -> None:
    """Make what the use of this benefit leads to, in the caller's transaction. `names` are those of what was used."""
    day = redemption.business_date
    if benefit.acts == Acts.PROMISE and isinstance(benefit, Promised):
        _promise(redemption, benefit, names, by=by)
    elif isinstance(benefit, NextPurchase):
        code = issue(redemption, benefit.next, names=_named(benefit.next), first=day + timedelta(days=1),
                     days=benefit.days)  # fmt: skip
        audit.record("issue code", code, by=by, data={"customer": redemption.customer_id})
    elif isinstance(benefit, MembershipDays):
        redemption.membership = give_membership(
            customer=redemption.customer, store=redemption.store, names=names, days=benefit.days, by=by
        )
        redemption.save(update_fields=["membership"])


def issue(redemption: Redemption, benefit: Terms, *, names: dict[str, str], first: date, days: int) -> Voucher:
    """A code that comes of a use, good from `first` for so many days."""
    return Voucher.objects.create(
        code=new_code(),
        customer=redemption.customer,
        reward=redemption.reward,
        names=names,
        benefit=benefit,
        valid_from=first,
        good_through=first + timedelta(days=days - 1),
        origin=redemption,
    )


def what_was_had(uses: Collection[int]) -> dict[int, str]:
    """Of these uses, by id, those of which something was had that cannot be taken back, and what to do first: the code
    it gave was used, or its promise kept.

    What they led to is held until the transaction ends, so that nobody uses or keeps it meanwhile.
    """
    had = {}
    for promise in Promise.objects.select_for_update().filter(redemption__in=uses).order_by("pk"):
        if promise.redemption_id and promise.kept_on is not None:
            had[promise.redemption_id] = _("What it promised was kept already. Take that back first.")
    for code in Voucher.objects.select_for_update().filter(origin__in=uses).order_by("pk"):
        if code.origin_id and code.status == VoucherStatus.REDEEMED:
            had[code.origin_id] = _("The code it gave was used already. Undo that first.")
    return had


def refuse_if_followed(redemption: Redemption) -> None:
    """Raise `Refused` where what the use led to can no longer be taken back; else hold it until it is."""
    for why in what_was_had([redemption.pk]).values():
        raise Refused(why)


def unfollow(redemption: Redemption, *, by: User | None) -> None:
    """Take back what an undone use led to, as far as it was not used: its code, its promise, its membership."""
    Voucher.objects.filter(origin=redemption, status=VoucherStatus.ISSUED).update(status=VoucherStatus.VOID)
    promise = Promise.objects.waiting().select_for_update().filter(redemption=redemption).first()
    if promise is not None:
        promise.withdrawn_at = timezone.now()
        promise.save(update_fields=["withdrawn_at"])
        audit.record("withdraw promise", promise, by=by)
    if redemption.membership is not None:
        take_membership_back(membership=redemption.membership, by=by)


def _promise(redemption: Redemption, benefit: Promised, names: dict[str, str], *, by: User | None) -> None:
    day = redemption.business_date
    promise = Promise.objects.create(
        reference=f"redemption:{redemption.pk}",
        customer=redemption.customer,
        redemption=redemption,
        kind=_PRIVILEGES.get(benefit.kind, benefit.kind),
        names=names,
        promised_on=day,
        due_on=day + timedelta(days=benefit.within_days),
    )
    facts = {"customer": promise.customer_id, "use": redemption.pk, "due_on": promise.due_on.isoformat()}
    audit.record("make promise", promise, by=by, data=facts)


def _named(benefit: Terms) -> dict[str, str]:
    """What a benefit gives, as a name in every language."""
    currency = Company.current().currency
    names = {}
    for code, _language in settings.LANGUAGES:
        with translation.override(code):
            names[code] = gives_in_words(benefit, currency).removesuffix(".")
    return names

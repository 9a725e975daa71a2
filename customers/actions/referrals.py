"""Customers who bring others: their code, and who came with whose."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from customers.actions.standing import who_stands_for
from customers.models import Customer, Invitation, Referral, Visit
from customers.queries import households
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from loyaltycrm.lib.tokens import new_codes


def make_invitations(customer_ids: Iterable[int]) -> None:
    """Give each of these customers a code of their own who has none yet. A code stays the same."""
    asked = set(customer_ids)
    lacking = asked - set(Invitation.objects.filter(customer__in=asked).values_list("customer", flat=True))
    while lacking:
        codes = new_codes(len(lacking))
        Invitation.objects.bulk_create(
            [Invitation(customer_id=pk, code=code) for pk, code in zip(sorted(lacking), codes, strict=True)],
            ignore_conflicts=True,
        )
        lacking -= set(Invitation.objects.filter(customer__in=lacking).values_list("customer", flat=True))


def inviter_of(code: str) -> Customer | None:
    """Whose invitation a code is, typed in any case and with blanks; None for any other text."""
    plain = "".join(code.split()).upper()
    found = Invitation.objects.select_related("customer__merged_into").filter(code=plain).first() if plain else None
    return found.customer.current if found else None


@transaction.atomic
def record_referral(*, friend: Customer, code: str, by: User | None) -> Referral:
    """Write down that a new customer came with somebody's invitation. The same again is the same referral.

    Raises `Refused`, naming `invitation`, for a code that nobody has, one's own or that of one's household, and for
    whoever has bought here before or was brought by somebody else.
    """
    friend = who_stands_for(friend, alone=True)
    referrer = inviter_of(code)
    if referrer is None:
        raise Refused(_("Nobody has this invitation code. Check it, or leave it out"), field="invitation")
    known = Referral.objects.filter(friend=friend).first()
    if known is not None and known.referrer_id == referrer.pk:
        return known
    if known is not None:
        raise Refused(_("Somebody else brought this customer. Leave the invitation out"), field="invitation")
    if are_one_household(referrer, friend):
        raise Refused(_("An invitation is for people outside one's household. Leave it out"), field="invitation")
    if Visit.objects.filter(customer=friend).exists():
        raise Refused(_("An invitation is for new customers. Leave it out"), field="invitation")
    referral = Referral.objects.create(referrer=referrer, friend=friend, recorded_by=by)
    audit.record("record referral", friend, by=by, data={"referral": referral.pk})
    return referral


def are_one_household(one: Customer, other: Customer) -> bool:
    """Whether two customers are one person or share a household."""
    found = households([one.current.pk, other.current.pk])
    return len(set(found.values())) == 1

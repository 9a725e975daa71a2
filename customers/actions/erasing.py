"""What is known of an erased person, and by what they are kept from coming back unasked.

`loyaltycrm.shop.actions.erasing` calls these in its transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.consent import suppress_address, withdraw_consent
from customers.erased import digest, marks_of, was_erased
from customers.models import (
    ConsentEvent,
    Customer,
    CustomerMail,
    ErasedMark,
    Identifier,
    MailStatus,
    MarkKind,
    Membership,
    SuppressedAddress,
)
from customers.queries import LISTS
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User

Mark = tuple[MarkKind, str]
_FREE: Final = {"claim_token": None, "lease_until": None}


class ErasedBefore(Refused):
    """What would be saved was an erased person's; whoever saves it has to say that they come back."""

    code = "erased_before"

    def __init__(self, field: str) -> None:
        words = _("The person who had this was erased at their wish. Add them anew only if they ask for it.")
        super().__init__(words, field=field)


def check_may_erase(*, customer: Customer, by: User | None) -> None:
    """Raise `Refused` where the customer is the person who asks."""
    own = None
    if by is not None and by.customer_id is not None:
        own = Customer.objects.filter(pk=by.customer_id).first()
    if own is not None and own.current.pk == customer.pk:
        raise Refused(_("You cannot erase your own profile. Ask a colleague."))


class MailLeaves(Refused):
    """A mail to the person is being handed over: what its server says would be written down after the erasure."""

    def __init__(self) -> None:
        super().__init__(_("A mail to this customer is leaving just now. Try again in a few minutes."))


def end_consent(*, customer: Customer, by: User | None) -> None:
    """Say no to every list, and let no mail of their own leave any more.

    Raises `MailLeaves` where one is being handed over at this moment.
    """
    source = ConsentEvent.Source.PROFILE if by is not None else ConsentEvent.Source.PREFERENCES
    lists = [(str(purpose), str(channel)) for purpose, channel in LISTS]
    withdraw_consent(customer=customer, lists=lists, source=source, by=by)
    mails = CustomerMail.objects.filter(customer=customer)
    waiting = mails.filter(status__in=[MailStatus.PENDING, MailStatus.CLAIMED])
    waiting.update(status=MailStatus.CANCELLED, **_FREE)
    if mails.filter(status=MailStatus.HANDING_OVER).exists():
        raise MailLeaves


def end_memberships(*, customer: Customer, by: User | None) -> int:
    """Let no membership hold from today on; nothing is paid back by it. Return how many."""
    today, now = Company.current().today(), timezone.now()
    standing = list(Membership.objects.filter(customer=customer, cancelled_from__isnull=True, ends_on__gte=today))
    for one in standing:
        one.cancelled_from, one.cancelled_at, one.cancelled_by = max(one.starts_on, today), now, by
        one.save(update_fields=["cancelled_from", "cancelled_at", "cancelled_by"])
    return len(standing)


def remember_marks(profiles: Sequence[Customer]) -> None:
    """Keep a keyed hash of every number, card, email and phone of these profiles, of former ones too."""
    held: set[Mark] = {(MarkKind.NUMBER, profile.external_id) for profile in profiles}
    held |= {(MarkKind.EMAIL, profile.email_key) for profile in profiles}
    held |= {(MarkKind.PHONE, profile.phone) for profile in profiles}
    for kind, value in Identifier.objects.filter(customer__in=profiles).values_list("kind", "value"):
        held.add((MarkKind.CARD if kind == Identifier.Kind.CARD else MarkKind.NUMBER, value))
    causes = dict(
        SuppressedAddress.objects.filter(
            email_key__in=[profile.email_key for profile in profiles if profile.email_key]
        ).values_list("email_key", "reason")
    )
    marks = [
        ErasedMark(
            kind=kind,
            digest=digest(kind, value),
            suppressed_for=causes.get(value, "") if kind == MarkKind.EMAIL else "",
        )
        for kind, value in sorted(held)
        if value
    ]
    ErasedMark.objects.bulk_create([mark for mark in marks if not mark.suppressed_for], ignore_conflicts=True)
    ErasedMark.objects.bulk_create(
        [mark for mark in marks if mark.suppressed_for],
        update_conflicts=True,
        unique_fields=["kind", "digest"],
        update_fields=["suppressed_for"],
    )
    shared = Customer.objects.exclude(pk__in=[profile.pk for profile in profiles])
    kept = set(shared.filter(email_key__in=causes).values_list("email_key", flat=True))
    SuppressedAddress.objects.filter(email_key__in=causes.keys() - kept).delete()


def make_nobody(profiles: Sequence[Customer]) -> None:
    """Take from these profiles all that tells who it was. The number becomes a made-up one."""
    now = timezone.now()
    for profile in profiles:
        profile.external_id = f"erased-{secrets.token_hex(6)}"
        profile.first_name = profile.last_name = profile.email = profile.email_key = profile.phone = ""
        profile.age_band, profile.birthday, profile.household_size = "", None, None
        profile.erased_at = now
        profile.save()
    CustomerMail.objects.filter(customer__in=profiles).update(address_key="erased")
    User.objects.filter(customer_id__in=[profile.pk for profile in profiles]).update(customer_id=None)


def refuse_erased(*, number: str = "", card: str = "", email: str = "", phone: str = "") -> None:
    """Raise `ErasedBefore`, naming the field, where one of these normalised values was an erased person's."""
    for kind, value, field in (
        (MarkKind.NUMBER, number, "external_id"),
        (MarkKind.CARD, card, "card"),
        (MarkKind.EMAIL, email, "email"),
        (MarkKind.PHONE, phone, "phone"),
    ):
        if was_erased(kind, value):
            raise ErasedBefore(field)


@transaction.atomic
def let_come_back(*, card: str = "", email: str = "", phone: str = "", by: User | None) -> None:
    """Forget that a card, email and phone were an erased person's: they are a customer again, and a new one.

    The number of before is not given back: what was booked under it is nobody's. An address that took no mail of ours
    takes none again.
    """
    held: Iterable[Mark] = ((MarkKind.CARD, card), (MarkKind.EMAIL, email), (MarkKind.PHONE, phone))
    came = []
    for kind, value in held:
        marks = list(marks_of(kind, value)) if value else []
        for mark in marks:
            mark.delete()
            came.append(str(kind))
        for cause in [mark.suppressed_for for mark in marks if mark.suppressed_for][:1]:
            suppress_address(email=value, reason=cause, by=by)
    if came:
        audit.record("let erased person come back", None, by=by, data={"fields": came})

"""Links to customers' own pages: kept hashed, good for a time, pruned when they are over."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.consent import record_consent, withdraw_consent
from customers.actions.customers import update_customer
from customers.actions.mailing import ask_for_mail
from customers.actions.referrals import make_invitations
from customers.actions.standing import who_stands_for
from customers.knobs import PAGE_LINK_DAYS
from customers.models import Channel, ConsentEvent, Customer, CustomerMail, MailKind, MailStatus, PageLink
from customers.queries import newest_consent, suppressed
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import User
from loyaltycrm.lib.tokens import hash_token, new_token

CONSENT_WORDING = "own page 2026-11"
FRESH = timedelta(days=1)
ASKED_AGAIN = timedelta(hours=1)
_LIVE = (MailStatus.PENDING, MailStatus.CLAIMED, MailStatus.HANDING_OVER, MailStatus.SENT)


def end_of_link(now: datetime) -> datetime:
    """When a link that is made now ends."""
    return now + timedelta(days=value(PAGE_LINK_DAYS))


@transaction.atomic
def make_page_link(*, customer: Customer, by: User | None) -> str:
    """A fresh token that opens the customer's own page. It is kept as a hash only: nobody sees it again."""
    token = new_token()
    now = timezone.now()
    PageLink.objects.create(
        token_hash=hash_token(token), customer=customer.current, created_at=now, ends_at=end_of_link(now)
    )
    make_invitations([customer.current.pk])
    audit.record("make link to own page", customer, by=by)
    return token


@transaction.atomic
def ask_for_fresh_link(*, customer: Customer) -> CustomerMail:
    """Let a fresh link to all that is held leave to the customer's address; asked again within the hour it is one.

    Raises `Refused` where no mail can reach the customer.
    """
    customer, now = who_stands_for(customer, alone=True), timezone.now()
    asked = CustomerMail.objects.filter(customer=customer, kind=MailKind.DATA, address_key=customer.email_key)
    live = asked.filter(status__in=_LIVE, asked_at__gt=now - ASKED_AGAIN).order_by("-pk").first()
    if live is not None:
        return live
    reference = f"data:{customer.pk}:{now.isoformat()}"
    return ask_for_mail(customer=customer, kind=MailKind.DATA, reference=reference, leaves_at=now, by=None)


def make_fresh_link(*, customer: Customer) -> str:
    """A token that opens all that is held for a day. It is kept as a hash only."""
    token, now = new_token(), timezone.now()
    PageLink.objects.create(
        token_hash=hash_token(token), customer=customer, created_at=now, ends_at=now + FRESH, opens_all=True
    )
    return token


def issue_page_links(tokens: dict[str, int], *, now: datetime) -> None:
    """Keep as hashes the tokens that mails carry: {token: customer id}. Whoever has no invitation yet gets one."""
    ends_at = end_of_link(now)
    PageLink.objects.bulk_create(
        [
            PageLink(token_hash=hash_token(token), customer_id=pk, created_at=now, ends_at=ends_at)
            for token, pk in tokens.items()
        ],
        batch_size=5_000,
    )
    make_invitations(tokens.values())


def prune_page_links(*, now: datetime | None = None) -> int:
    """Remove links that are over; return how many. Safe to repeat."""
    return PageLink.objects.filter(ends_at__lte=now or timezone.now()).delete()[0]


@transaction.atomic
def see_own_page(*, customer: Customer, by: User) -> None:
    """Write down that a member of staff looked at the customer's own page."""
    audit.record("see own page", customer, by=by)


@transaction.atomic
def say_preference(*, customer: Customer, purpose: str, channel: str, given: bool, wording_version: str) -> None:
    """Write down what the customer chose on the own page. What holds already is not written again.

    Raises `Refused` where there is no address or number to send to, or nothing reaches it.
    """
    customer = who_stands_for(customer, alone=True)
    newest = newest_consent(customer).get((purpose, channel))
    if newest is not None and newest.given == given:
        return
    if not given:
        withdraw_consent(customer=customer, lists=[(purpose, channel)], source=ConsentEvent.Source.PREFERENCES, by=None)
        return
    if channel == Channel.EMAIL and not customer.email:
        raise Refused(_("We have no email address of yours. Tell us one at the till."))
    if channel == Channel.SMS and not customer.phone:
        raise Refused(_("We have no phone number of yours. Tell us one at the till."))
    if channel == Channel.EMAIL and suppressed([customer.email_key]):
        raise Refused(_("Our mail does not reach your address. Tell us another one at the till."))
    record_consent(
        customer=customer,
        purpose=purpose,
        channel=channel,
        given=True,
        source=ConsentEvent.Source.PREFERENCES,
        wording_version=wording_version,
        by=None,
    )


def speak_language(*, customer: Customer, language: str) -> None:
    """Write to the customer in this language from now on. Raises `Refused` for one that we do not write."""
    update_customer(customer=customer, language=language, by=None)

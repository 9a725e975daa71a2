"""What customers agreed to: append-only events, the newest of which holds; unknown is no."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.standing import who_stands_for
from customers.erased import marks_of
from customers.models import Channel, ConsentEvent, Customer, MarkKind, Purpose, SuppressedAddress, UnsubscribeToken
from customers.queries import customer_of_token, newest_consent
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import User
from loyaltycrm.lib.contacts import email_key
from loyaltycrm.lib.tokens import hash_token

LONGEST_EVIDENCE = 200
CLOCK_TOLERANCE = timedelta(minutes=10)


@transaction.atomic
def record_consent(
    *,
    customer: Customer,
    purpose: str,
    channel: str,
    given: bool,
    source: str,
    by: User | None,
    occurred_at: datetime | None = None,
    wording_version: str = "",
    evidence: str = "",
) -> ConsentEvent:
    """Write down one yes or no. The same event told twice is one row.

    `occurred_at` is when the customer said it (default: now), `evidence` what a doubter could look at. Raises `Refused`
    for an unknown purpose, channel or source, for a time in the future, and for evidence that is no short line.
    """
    now = timezone.now()
    evidence = " ".join(evidence.split())
    if len(evidence) > LONGEST_EVIDENCE or not evidence.isprintable():
        raise Refused(_("Say in at most 200 characters how the customer said it."), field="evidence")
    if purpose not in Purpose.values or channel not in Channel.values or source not in ConsentEvent.Source.values:
        raise Refused(_("Choose one of the options shown"))
    if occurred_at is not None and occurred_at > now + CLOCK_TOLERANCE:
        raise Refused(_("The time of the consent lies in the future. Check the date."), field="occurred_at")
    customer = who_stands_for(customer, alone=True)
    if occurred_at is not None:
        known = ConsentEvent.objects.filter(
            customer=customer, purpose=purpose, channel=channel, occurred_at=occurred_at, source=source, given=given
        ).first()
        if known is not None:
            return known
    event = ConsentEvent.objects.create(
        customer=customer,
        purpose=purpose,
        channel=channel,
        given=given,
        source=source,
        occurred_at=occurred_at or now,
        wording_version=wording_version,
        evidence=evidence,
        recorded_by=by,
    )
    audit.record(
        "record consent",
        customer,
        by=by,
        data={"purpose": purpose, "channel": channel, "given": given, "source": source},
    )
    return event


@transaction.atomic
def withdraw_consent(*, customer: Customer, lists: list[tuple[str, str]], source: str, by: User | None) -> int:
    """Say no to each (purpose, channel) where the customer has not said no yet; return how many events that took.

    A no holds from now on whatever came before: its time is never earlier than that of the event it overrides.
    """
    customer = who_stands_for(customer, alone=True)
    newest = newest_consent(customer)
    written = 0
    for purpose, channel in dict.fromkeys(lists):
        before = newest.get((purpose, channel))
        if before is not None and not before.given:
            continue
        ConsentEvent.objects.create(
            customer=customer,
            purpose=purpose,
            channel=channel,
            given=False,
            source=source,
            occurred_at=max(timezone.now(), before.occurred_at) if before else timezone.now(),
            recorded_by=by,
        )
        audit.record(
            "withdraw consent", customer, by=by, data={"purpose": purpose, "channel": channel, "source": source}
        )
        written += 1
    return written


def unsubscribe(*, token: str) -> UnsubscribeToken | None:
    """Stop what the link's token names, once: repeating it changes nothing. None for a token that is not ours."""
    named = customer_of_token(token)
    if named is not None:
        withdraw_consent(
            customer=named.customer,
            lists=[(named.purpose, named.channel)],
            source=ConsentEvent.Source.UNSUBSCRIBE,
            by=None,
        )
    return named


def issue_unsubscribe_token(*, customer: Customer, purpose: str, channel: str, token: str) -> UnsubscribeToken:
    """Keep, as a hash, the token that a link to stop (purpose, channel) for this customer will carry.

    Raises `Conflict` when the token names someone or something else already.
    """
    customer = customer.current
    row, _created = UnsubscribeToken.objects.get_or_create(
        token_hash=hash_token(token), defaults={"customer": customer, "purpose": purpose, "channel": channel}
    )
    if (row.customer_id, row.purpose, row.channel) != (customer.pk, purpose, channel):
        raise Conflict(_("This link names something else already."))
    return row


def issue_unsubscribe_tokens(tokens: dict[str, int], *, purpose: str, channel: str) -> None:
    """The same for many: {token: customer id}, in one statement."""
    UnsubscribeToken.objects.bulk_create(
        [
            UnsubscribeToken(token_hash=hash_token(token), customer_id=pk, purpose=purpose, channel=channel)
            for token, pk in tokens.items()
        ],
        batch_size=5_000,
    )


@transaction.atomic
def suppress_address(*, email: str, reason: str, detail: str = "", by: User | None = None) -> SuppressedAddress | None:
    """Let no marketing mail reach this address any more, for any profile. The first cause is kept.

    Of an address that only an erased person had, the mark keeps the cause, and None is returned.
    """
    key = email_key(email)
    marks = marks_of(MarkKind.EMAIL, key)
    if marks.exists() and not Customer.objects.filter(email_key=key).exists():
        marks.filter(suppressed_for="").update(suppressed_for=reason)
        return None
    row, is_new = SuppressedAddress.objects.get_or_create(
        email_key=key, defaults={"reason": reason, "detail": detail[:300]}
    )
    if is_new:
        audit.record("suppress address", row, by=by, data={"reason": reason})
    return row

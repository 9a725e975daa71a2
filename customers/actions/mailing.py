"""Mails to one customer about something of their own: asked for now, sent later, at most once.

The states are those of an offer's delivery: a claim, and all up to RCPT, may be repeated; `handing_over` is committed
before DATA and never goes back by itself. Times are the database's, the one clock that all workers share.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.consent import issue_unsubscribe_token, suppress_address
from customers.actions.standing import who_stands_for
from customers.mail_kinds import WRITERS
from customers.models import (
    Channel,
    Customer,
    CustomerMail,
    MailKind,
    MailReason,
    MailStatus,
    Purpose,
    SuppressedAddress,
    Visit,
)
from customers.queries import newest_consent, suppressed
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.letters import site_host
from loyaltycrm.core.models import User
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.letters import Letter
from loyaltycrm.lib.mail import NoReply, Outbox, Reply, Unreachable, hand_over_seconds, open_outbox, refusal_to_send
from loyaltycrm.lib.tokens import new_token

logger = logging.getLogger(__name__)

BATCH: Final = 50
LEASE_SECONDS: Final = 300
BACKOFF_SECONDS: Final = (60, 300, 900, 3_600, 14_400)
LATEST: Final = timedelta(days=1)
# A kind without a purpose belongs to no list: it answers the customer, who can stop nothing by a link.
PURPOSES: Final[dict[str, Purpose]] = {MailKind.RECEIPT: Purpose.RECEIPTS}
_NEVER_LEFT: Final = (MailStatus.CANCELLED, MailStatus.LEFT_OUT, MailStatus.FAILED)
_FREE: Final[dict[str, Any]] = {"claim_token": None, "lease_until": None}


def may_be_mailed(customer: Customer) -> bool:
    """Whether a mail about something of their own can reach the customer: there is an address, and it takes mail."""
    return bool(customer.email_key) and not suppressed([customer.email_key]) and not refusal_to_send(settings.BASE_URL)


def no_mail_can_reach() -> str:
    """Why no mail leaves, and what to do."""
    return _("No email can reach this customer. Ask for the address, and enter it in the profile.")


@transaction.atomic
def ask_for_mail(
    *,
    customer: Customer,
    kind: MailKind,
    reference: str,
    leaves_at: datetime,
    asked_at: datetime | None = None,
    visit: Visit | None = None,
    by: User | None,
) -> CustomerMail:
    """Let a mail leave at `leaves_at`. Asked again it is the same mail; one that was stopped, did not leave, or is not
    to leave any more, waits again, for the customer and the address of now.

    `asked_at` is when somebody wanted it, where that is told later (default: now): what the customer said since holds.
    Raises `Refused` where no mail can reach the customer.
    """
    customer = who_stands_for(customer)
    if not may_be_mailed(customer):
        raise Refused(no_mail_can_reach())
    now: dict[str, Any] = {
        "customer": customer,
        "address": customer.email,
        "address_key": customer.email_key,
        "next_at": leaves_at,
        "asked_at": asked_at or timezone.now(),
        "asked_by": by,
    }
    mail, is_new = CustomerMail.objects.select_for_update(of=("self",)).get_or_create(
        reference=reference,
        defaults={
            **now,
            "kind": kind,
            "visit": visit,
            "message_id": f"<{kind}-{uuid.uuid4().hex}@{site_host()}>",
        },
    )
    if not is_new and (mail.status in _NEVER_LEFT or why_it_stays(mail)):
        now |= {"status": MailStatus.PENDING, "reason": MailReason.NONE, "reply": "", "attempts": 0}
        for name, content in now.items():
            setattr(mail, name, content)
        mail.save(update_fields=[*now])
    elif not is_new:
        return mail
    audit.record("ask for mail", mail, by=by, data={"kind": kind, "customer": customer.pk})
    return mail


def why_it_stays(mail: CustomerMail) -> MailReason:
    """What the customer did since that forbids a mail that waits; none where it may leave, or is past waiting."""
    if mail.status != MailStatus.PENDING:
        return MailReason.NONE
    return _why_not_to(Customer.objects.get(pk=mail.customer_id), mail)


@transaction.atomic
def stop_mail(*, mail: CustomerMail, by: User | None) -> CustomerMail:
    """Let a mail that waits not leave. Raises `Refused` where it has left or is leaving; stopping twice is once."""
    mail = CustomerMail.objects.select_for_update(of=("self",)).get(pk=mail.pk)
    if mail.status == MailStatus.CANCELLED:
        return mail
    if mail.status not in (MailStatus.PENDING, MailStatus.CLAIMED):
        raise Refused(_("It is too late to stop this mail: it has left, or is leaving now."))
    mail.status, mail.claim_token, mail.lease_until = MailStatus.CANCELLED, None, None
    mail.save(update_fields=["status", "claim_token", "lease_until"])
    audit.record("stop mail", mail, by=by, data={"kind": mail.kind, "customer": mail.customer_id})
    return mail


@transaction.atomic
def stop_all_mails(*, by: User | None) -> int:
    """Stop every mail that waits, as after a backup was restored; return how many."""
    waiting = CustomerMail.objects.filter(status__in=[MailStatus.PENDING, MailStatus.CLAIMED])
    count = waiting.update(status=MailStatus.CANCELLED, **_FREE)
    if count:
        audit.record("stop all mails", None, by=by, data={"mails": count})
    return count


@dataclass
class Sent:
    """What one turn did."""

    sent: int = 0
    failed: int = 0
    put_off: int = 0
    unknown: int = 0
    left_out: int = 0


def send_due_mails() -> Sent:
    """Send what is due over one connection, after tidying up behind workers that died.

    Safe to call any number of times and from any number of processes at once: rows are the queue.
    """
    sweep()
    done = Sent()
    if refusal_to_send(settings.BASE_URL):
        return done
    turn = _Turn(uuid.uuid4(), open_outbox(), done)
    try:
        while claimed := _claim(turn.token):
            crash_point("mail.claimed")
            if not turn.send(claimed):
                break
    finally:
        turn.outbox.close()
        _release(turn.token)
    return done


def sweep() -> None:
    """Give back expired claims, call expired hand-overs unknown, give up what could not leave for a day."""
    over = CustomerMail.objects.filter(lease_until__lt=Now())
    over.filter(status=MailStatus.HANDING_OVER).update(status=MailStatus.UNKNOWN, **_FREE)
    over.filter(status=MailStatus.CLAIMED).update(status=MailStatus.PENDING, **_FREE)
    CustomerMail.objects.filter(status=MailStatus.PENDING, asked_at__lt=Now() - LATEST).update(
        status=MailStatus.FAILED, reason=MailReason.TOO_LATE
    )


@transaction.atomic
def _claim(token: uuid.UUID) -> list[CustomerMail]:
    due = CustomerMail.objects.filter(status=MailStatus.PENDING, next_at__lte=Now()).order_by("next_at", "id")
    ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
    CustomerMail.objects.filter(pk__in=ids).update(
        status=MailStatus.CLAIMED,
        claim_token=token,
        lease_until=Now() + timedelta(seconds=LEASE_SECONDS),
        attempts=F("attempts") + 1,
    )
    return list(CustomerMail.objects.filter(pk__in=ids).select_related("customer", "visit__store").order_by("pk"))


def _release(token: uuid.UUID, *, after_seconds: int = 0) -> None:
    changes: dict[str, Any] = {"next_at": Now() + timedelta(seconds=after_seconds)} if after_seconds else {}
    CustomerMail.objects.filter(claim_token=token, status=MailStatus.CLAIMED).update(
        status=MailStatus.PENDING, attempts=F("attempts") - 1, **_FREE, **changes
    )


@dataclass
class _Turn:
    """One worker's turn: its claims, its connection, what it did."""

    token: uuid.UUID
    outbox: Outbox
    done: Sent

    def send(self, claimed: Sequence[CustomerMail]) -> bool:
        """Send these one after the other. False where the mail server does not take any now."""
        for mail in claimed:
            writer = WRITERS[mail.kind]
            wait = writer.may_leave_at(mail)
            if wait > timezone.now():
                self._set(mail, MailStatus.CLAIMED, status=MailStatus.PENDING, next_at=wait)
                continue
            unsubscribe_token = new_token()
            link = settings.BASE_URL + reverse("customers:unsubscribe", args=[unsubscribe_token])
            if mail.kind not in PURPOSES:
                link = ""
            try:
                letter = writer.letter(mail, unsubscribe_link=link, at=timezone.now())
            except (KeyError, TypeError, ValueError):
                logger.exception("Mail %s could not be written.", mail.pk)
                self._fail(mail, MailStatus.CLAIMED, MailReason.NOT_WRITTEN)
                continue
            try:
                if not self._send(mail, letter, unsubscribe_token):
                    _release(self.token, after_seconds=BACKOFF_SECONDS[0])
                    return False
            except Unreachable as silence:
                logger.warning("The mail server does not answer: %s", silence)
                _release(self.token, after_seconds=BACKOFF_SECONDS[0])
                return False
        return True

    def _send(self, mail: CustomerMail, letter: Letter, unsubscribe_token: str) -> bool:
        """False where the server refuses our sender address, and so every mail."""
        reply = self.outbox.offer(letter)
        crash_point("mail.offered")
        if not reply.is_yes:
            if reply.step == "MAIL" and not reply.is_later:
                logger.error("The mail server does not accept our sender address: %s", reply)
                return False
            self._declined(mail, MailStatus.CLAIMED, reply)
            return True
        reason = self._take_over(mail, unsubscribe_token)
        if reason is not MailReason.NONE:
            self.outbox.withdraw()
            self.done.left_out += self._set(mail, MailStatus.CLAIMED, status=MailStatus.LEFT_OUT, reason=reason)
            return True
        if mail.status != MailStatus.HANDING_OVER:
            self.outbox.withdraw()
            return True
        crash_point("mail.handing_over")
        try:
            reply = self.outbox.hand_over(letter)
        except NoReply as silence:
            said = str(silence)[:300]
            self.done.unknown += self._set(mail, MailStatus.HANDING_OVER, status=MailStatus.UNKNOWN, reply=said)
            return True
        crash_point("mail.answered")
        if reply.is_yes:
            self.done.sent += self._set(
                mail, MailStatus.HANDING_OVER, status=MailStatus.SENT, sent_at=Now(), reply=str(reply)
            )
        else:
            self._declined(mail, MailStatus.HANDING_OVER, reply)
        return True

    @transaction.atomic
    def _take_over(self, mail: CustomerMail, unsubscribe_token: str) -> MailReason:
        """Commit that the mail is being handed over now, or say why it must not leave; `mail.status` says which."""
        reason = WRITERS[mail.kind].why_not(mail)
        customer = Customer.objects.get(pk=mail.customer_id)
        if reason is MailReason.NONE:
            reason = _why_not_to(customer, mail)
        if reason is MailReason.NONE:
            held = CustomerMail.objects.filter(pk=mail.pk, claim_token=self.token, status=MailStatus.CLAIMED)
            if held.filter(lease_until__gt=Now() + timedelta(seconds=hand_over_seconds())).update(
                status=MailStatus.HANDING_OVER
            ):
                mail.status = MailStatus.HANDING_OVER
                if mail.kind in PURPOSES:
                    issue_unsubscribe_token(
                        customer=customer, purpose=PURPOSES[mail.kind], channel=Channel.EMAIL, token=unsubscribe_token
                    )
        return reason

    def _declined(self, mail: CustomerMail, held: MailStatus, reply: Reply) -> None:
        if reply.is_later:
            wait = timedelta(seconds=BACKOFF_SECONDS[min(mail.attempts, len(BACKOFF_SECONDS)) - 1])
            self.done.put_off += self._set(
                mail, held, status=MailStatus.PENDING, next_at=Now() + wait, reply=str(reply)
            )
        else:
            self._fail(mail, held, MailReason.REFUSED, reply)

    @transaction.atomic
    def _fail(self, mail: CustomerMail, held: MailStatus, reason: MailReason, reply: Reply | None = None) -> None:
        said = str(reply) if reply else ""
        failed = self._set(mail, held, status=MailStatus.FAILED, reason=reason, reply=said)
        self.done.failed += failed
        if failed and reply is not None and reply.is_hard_bounce:
            suppress_address(email=mail.address, reason=SuppressedAddress.Reason.BOUNCE, detail=said)

    def _set(self, mail: CustomerMail, held: MailStatus, **changes: Any) -> int:
        return CustomerMail.objects.filter(pk=mail.pk, claim_token=self.token, status=held).update(**_FREE, **changes)


def _why_not_to(customer: Customer, mail: CustomerMail) -> MailReason:
    """What a customer did since that forbids a mail of their own: changed the address, lost it, said no."""
    if customer.merged_into_id is not None or customer.email_key != mail.address_key:
        return MailReason.ADDRESS_CHANGED
    if suppressed([mail.address_key]):
        return MailReason.SUPPRESSED_ADDRESS
    purpose = PURPOSES.get(mail.kind)
    said = newest_consent(customer).get((purpose, Channel.EMAIL)) if purpose else None
    # By when it was written down: a no on paper of yesterday, entered now, stops what was asked for in between.
    if said is not None and not said.given and said.recorded_at >= mail.asked_at:
        return MailReason.STOPPED
    return MailReason.NONE

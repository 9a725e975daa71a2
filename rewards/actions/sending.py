"""Sending the mails of a run: at most one to each customer and address, nobody silently skipped."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.actions.consent import issue_unsubscribe_tokens
from customers.actions.own_pages import issue_page_links
from customers.models import Channel, Purpose
from loyaltycrm.core.models import Company
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.letters import Letter
from loyaltycrm.lib.mail import NoReply, Outbox, Reply, Unreachable, open_outbox
from loyaltycrm.lib.tokens import new_token
from rewards.actions import deliveries
from rewards.actions.budget_ends import stop_where_used_up
from rewards.actions.holding import hold_if_restored
from rewards.actions.runs import in_company_language, stop_broken, stop_run
from rewards.emails import LinkTokens, OfferMail, why_not_to_send
from rewards.models import Delivery, DeliveryReason, DeliveryStatus, Run, RunStatus
from rewards.windows import closed_zones

logger = logging.getLogger(__name__)

BATCH: Final = 100
BUDGET_SECONDS: Final = 30
UNREACHABLE_PAUSE_SECONDS: Final = 60
GOODBYE_PAUSE_SECONDS: Final = 30
SENDER_REFUSED: Final = _("The mail server does not accept our sender address. It answered: %(reply)s")


@dataclass
class Tally:
    """What one batch did."""

    sent: int = 0
    failed: int = 0
    put_off: int = 0
    unknown: int = 0
    left_out: int = 0


def send_batch(*, run_id: int, budget_seconds: float = BUDGET_SECONDS) -> Tally:
    """Send what is due of a run over one connection, until nothing is left or the time is up.

    Safe to call any number of times and from any number of processes at once: rows are the queue. An error that is
    none of one reader's own pauses the run: to meet it again every minute would help nobody.
    """
    hold_if_restored()
    run = Run.objects.get(pk=run_id)
    if run.status != RunStatus.SENDING:
        return Tally()
    why = why_not_to_send()
    if why is not None:
        stop_run(run=run, note=in_company_language(why))
        return Tally()
    stop_where_used_up(run_id=run.pk)
    closed = closed_zones(timezone.now())
    batch = _Batch(run, ends=time.monotonic() + budget_seconds)
    try:
        while batch.goes_on:
            claimed = deliveries.claim(run=run, token=batch.token, limit=BATCH, closed=closed)
            crash_point("send.claimed")
            if not claimed:
                break
            batch.send(claimed)
    except (SoftTimeLimitExceeded, OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("Run %s could not be sent.", run.pk)
        stop_broken(run=run, error=error)
    finally:
        batch.outbox.close()
        deliveries.release(token=batch.token)
    return batch.tally


@dataclass
class _Batch:
    """One worker's turn at a run: its claims, its connection, its end."""

    run: Run
    ends: float
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    outbox: Outbox = field(default_factory=open_outbox)
    tally: Tally = field(default_factory=Tally)
    stopped: bool = False

    def __post_init__(self) -> None:
        self.mail = OfferMail(self.run)
        self._company = Company.current()

    @property
    def goes_on(self) -> bool:
        return not self.stopped and time.monotonic() < self.ends

    def send(self, claimed: Sequence[Delivery]) -> None:
        """Send these one after the other; what is not reached in time is given back."""
        links = self._links(claimed)
        for delivery, tokens in zip(claimed, links, strict=True):
            if not self.goes_on:
                break
            try:
                letter = self.mail.letter(delivery, tokens=tokens, at=timezone.now())
            except (KeyError, TypeError, ValueError):
                logger.exception("Delivery %s could not be written.", delivery.pk)
                self._refused(delivery, DeliveryStatus.CLAIMED, "The mail could not be written")
                continue
            try:
                self._send(delivery, letter)
            except Unreachable as silence:
                logger.warning("The mail server does not answer: %s", silence)
                deliveries.release(token=self.token, after_seconds=UNREACHABLE_PAUSE_SECONDS, reply=str(silence))
                self.stopped = True
        deliveries.release(token=self.token)

    def _links(self, claimed: Sequence[Delivery]) -> list[LinkTokens]:
        """Fresh secrets for the links of each letter, kept as hashes in two statements."""
        stopping = {new_token(): delivery.customer_id for delivery in claimed}
        opening = {new_token(): delivery.customer_id for delivery in claimed}
        issue_unsubscribe_tokens(stopping, purpose=Purpose.OFFERS, channel=Channel.EMAIL)
        issue_page_links(opening, now=timezone.now())
        return [LinkTokens(*pair) for pair in zip(stopping, opening, strict=True)]

    def _send(self, delivery: Delivery, letter: Letter) -> None:
        reply = self.outbox.offer(letter)
        crash_point("send.offered")
        if not reply.is_yes:
            self._declined(delivery, DeliveryStatus.CLAIMED, reply)
            return
        today = self._company.today()
        if not deliveries.take_over(delivery=delivery, token=self.token, today=today):
            self.outbox.withdraw()
            self._not_allowed(delivery, today)
            return
        crash_point("send.handing_over")
        try:
            reply = self.outbox.hand_over(letter)
        except NoReply as silence:
            self.tally.unknown += deliveries.record_unknown(delivery=delivery, token=self.token, said=str(silence))
            return
        crash_point("send.answered")
        if reply.is_yes:
            self.tally.sent += deliveries.record_sent(delivery=delivery, token=self.token, reply=reply)
        else:
            self._declined(delivery, DeliveryStatus.HANDING_OVER, reply)
        crash_point("send.recorded")

    def _declined(self, delivery: Delivery, status: DeliveryStatus, reply: Reply) -> None:
        if reply.is_later:
            self.tally.put_off += deliveries.record_put_off(
                delivery=delivery, token=self.token, status=status, reply=reply
            )
            if reply.is_goodbye and reply.step == "RCPT":
                deliveries.release(token=self.token, after_seconds=GOODBYE_PAUSE_SECONDS, reply=str(reply))
                self.stopped = True
        elif reply.step == "MAIL":
            self.stopped = True
            stop_run(run=self.run, note=in_company_language(SENDER_REFUSED, reply=reply))
        else:
            self._refused(delivery, status, reply)

    def _refused(self, delivery: Delivery, status: DeliveryStatus, reply: Reply | str) -> None:
        self.tally.failed += deliveries.record_refused(delivery=delivery, token=self.token, status=status, reply=reply)

    def _not_allowed(self, delivery: Delivery, today: date) -> None:
        reason = deliveries.why_left_out(delivery=delivery)
        if reason != DeliveryReason.NONE:
            self.tally.left_out += deliveries.leave_out(delivery=delivery, token=self.token, reason=reason)
        elif not Run.objects.filter(pk=self.run.pk, status=RunStatus.SENDING, good_through__gte=today).exists():
            self.stopped = True

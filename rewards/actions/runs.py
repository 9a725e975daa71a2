"""Runs of offers: when they start, stand still, go on and end. Rows, not messages, are the queue."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from customers.actions.standing import who_stands_for
from customers.models import Customer
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import announce
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.letters import clean_line
from rewards.actions.own_account import refuse_own_account
from rewards.actions.telling import finished_run
from rewards.choices import frozen_choices
from rewards.emails import why_not_to_send
from rewards.knobs import OVERDUE_HOURS
from rewards.models import (
    Delivery,
    DeliveryReason,
    DeliveryStatus,
    Offer,
    OfferStatus,
    OneReader,
    Run,
    RunStatus,
    VoucherStatus,
)
from rewards.one_reader import why_not_for
from rewards.schedule import Occurrence, Timetable, latest_occurrence

ENDED = (RunStatus.DONE, RunStatus.CANCELLED)
OVERDUE = _lazy("It could not start in time. Look whether the offer still fits, then send or cancel it.")


BROKEN = _lazy(
    "Sending broke off. Tell whoever looks after the program, then let the run go on. The error is: %(error)s"
)
logger = logging.getLogger(__name__)


def start_due_runs(now: datetime | None = None) -> list[Run]:
    """Start a run of every active offer whose time has come; return the new runs.

    Only the last due moment counts: what was missed before it is not made up for. A run later than the setting allows
    waits for a person. Called twice, or by two beats at once, it starts each occurrence once.
    """
    now = now or timezone.now()
    zone = Company.current().zone
    started = []
    for offer in Offer.objects.filter(status=OfferStatus.ACTIVE).order_by("-priority", "id"):
        due = latest_occurrence(Timetable.of(offer), zone=zone, now=now)
        if due is None or (offer.activated_at and due.at < offer.activated_at):
            continue
        if offer.active_from and due.day < offer.active_from:
            continue
        if not Run.objects.filter(occurrence=_key(offer, due)).exists():
            run = _start(offer, due, overdue=now - due.at > timedelta(hours=value(OVERDUE_HOURS)), by=None)
            started += [run] if run else []
    return started


def start_run(*, offer: Offer, by: User | None) -> Run:
    """Start a run of an active offer now, outside its schedule.

    Raises `Refused` when the offer is not active, when today's run exists already, or when no mail may leave.
    """
    if offer.status != OfferStatus.ACTIVE:
        raise Refused(_("Only an active offer can be sent. Activate it first."))
    _refuse_if_nothing_may_leave()
    now = timezone.now()
    run = _start(offer, Occurrence(Company.current().today(now), now), overdue=False, by=by)
    if run is None:
        raise Refused(_("This offer has a run today already. Its next one can start tomorrow."))
    return run


@transaction.atomic
def send_to_one(*, offer: Offer, customer: Customer, by: User) -> Run:
    """Start a run of an active offer that asks this one customer and nobody else; planned and sent as any other.

    Its segment, its event and its control group are not asked, since a person chose; consent, complaints, the pause
    between offers, the hold-out and the limits of the offer hold as ever. Raises `Refused`, with the reason, where the
    mail could not leave now, for a second one of the offer to the customer on a day, and for one's own profile.
    """
    offer = Offer.objects.select_for_update().get(pk=offer.pk)
    if offer.status != OfferStatus.ACTIVE:
        raise Refused(_("Only an active offer can be sent. Activate it first."))
    customer = who_stands_for(customer)
    refuse_own_account(by=by, customer_id=customer.pk)
    _refuse_if_nothing_may_leave()
    why = why_not_for(offer, customer)
    if why:
        raise Refused(_("This offer cannot be sent to this customer: %(why)s.") % {"why": why})
    now = timezone.now()
    run = _start(offer, Occurrence(Company.current().today(now), now), overdue=False, by=by, only=customer)
    if run is None:
        raise Refused(_("This offer was sent to this customer today already."))
    audit.record("send offer", customer, by=by, data={"offer": offer.pk, "run": run.pk})
    return run


def _key(offer: Offer, due: Occurrence, only: Customer | None = None) -> str:
    key = f"offer:{offer.pk}:{due.day.isoformat()}"
    return key if only is None else f"{key}:{only.pk}"


@transaction.atomic
def _start(
    offer: Offer, due: Occurrence, *, overdue: bool, by: User | None, only: Customer | None = None
) -> Run | None:
    run, is_new = Run.objects.get_or_create(
        occurrence=_key(offer, due, only),
        defaults={
            "offer": offer,
            "scheduled_for": due.at,
            "status": RunStatus.WAITING if overdue else RunStatus.PLANNED,
            "note": in_company_language(OVERDUE) if overdue else "",
            "seed": secrets.randbits(62),
            "started_by": by,
            "valid_from": due.day,
            "good_through": due.day + timedelta(days=offer.valid_days - 1),
            **frozen_with_run(offer, is_for_one=only is not None),
        },
    )
    if not is_new:
        return None
    if only is not None:
        OneReader.objects.create(run=run, customer=only)
    audit.record("start run", run, by=by, data={"offer": offer.pk, "occurrence": run.occurrence})
    return run


def in_company_language(text: Any, **values: Any) -> str:
    """A note as it is kept with a run, filled in: in the company's language, whoever's work it interrupts."""
    with translation.override(Company.current().language):
        return (str(text) % values if values else str(text))[:300]


def frozen_with_run(offer: Offer, *, is_for_one: bool = False) -> dict[str, Any]:
    """What a run keeps of its offer, whatever is edited later. One for one customer draws nobody and waits for no
    time of theirs: somebody said now."""
    return {
        "benefit": offer.benefit,
        "benefit_names": offer.benefit_names,
        "choices": frozen_choices(offer),
        "own_time_days": 0 if is_for_one else offer.own_time_days,
        "texts": offer.texts,
        "control_percent": 0 if is_for_one else offer.control_percent,
        "audience": offer.audience,
    }


def _refuse_if_nothing_may_leave() -> None:
    why = why_not_to_send()
    if why is not None:
        raise Refused(why)


@transaction.atomic
def pause_run(*, run: Run, by: User | None, note: str = "") -> Run:
    """Let no further mail of the run leave from this moment on; mails being handed over right now are the last.

    Raises `Refused` when the run has ended or stands still already.
    """
    run = _locked(run)
    if run.status not in (RunStatus.PLANNED, RunStatus.SENDING):
        raise Refused(_cannot(run))
    run.status = RunStatus.PAUSED
    run.note = note[:300]
    run.save(update_fields=["status", "note"])
    _take_back_claims(run)
    audit.record("pause run", run, by=by, data={"note": run.note})
    return run


def stop_run(*, run: Run, note: str) -> None:
    """Pause a run by itself, with a note that says why; one that someone else has stopped stays as it is."""
    try:
        pause_run(run=run, by=None, note=note)
    except Refused:
        logger.info("Run %s was stopped by someone else first.", run.pk)


def stop_broken(*, run: Run, error: Exception) -> None:
    """Pause a run at an error of our own: to meet it again every minute would help nobody."""
    stop_run(run=run, note=in_company_language(BROKEN, error=clean_line(f"{type(error).__name__}: {error}")))


@transaction.atomic
def resume_run(*, run: Run, by: User | None) -> Run:
    """Let a paused run go on, or a waiting one start.

    Raises `Refused` when it neither stands still nor waits, when the offer in it is over, or when no mail may leave.
    """
    run = _locked(run)
    if run.status not in (RunStatus.PAUSED, RunStatus.WAITING):
        raise Refused(_cannot(run))
    if run.planned_at and run.good_through < Company.current().today():
        raise Refused(_("The benefit in this mail is over, so it can no longer be sent. Cancel the run."))
    _refuse_if_nothing_may_leave()
    run.status = RunStatus.SENDING if run.planned_at else RunStatus.PLANNED
    run.note = ""
    run.save(update_fields=["status", "note"])
    audit.record("resume run", run, by=by)
    return run


@transaction.atomic
def cancel_run(*, run: Run, by: User | None) -> Run:
    """End a run: whoever has not got the mail will not get it, and their codes are void.

    Raises `Refused` when the run has ended already.
    """
    run = _locked(run)
    if run.status in ENDED:
        raise Refused(_cannot(run))
    _take_back_claims(run)
    count = end_unsent(run, DeliveryStatus.CANCELLED)
    run.status = RunStatus.CANCELLED
    run.note = ""
    run.finished_at = timezone.now()
    run.save(update_fields=["status", "note", "finished_at"])
    audit.record("cancel run", run, by=by, data={"not_sent": count})
    tell_of_end(run)
    return run


def tell_of_end(run: Run) -> None:
    """Tell receivers of webhooks that a run is over, and how it ended for how many customers."""
    counts = run.deliveries.order_by().values_list("status").annotate(count=Count("pk"))
    announce(finished_run(run, dict(counts)))


@transaction.atomic
def resend_unknown(*, run: Run, by: User, delivery: Delivery | None = None) -> int:
    """Send the mails again of which nobody knows whether they arrived, or only one; return how many.

    Some readers may get two. What a provider has reported of meanwhile is known, and is not sent again.

    Raises `Refused` when there are none, when the run was cancelled or stands still, or when its benefit is over.
    """
    run = _locked(run)
    if run.status not in (RunStatus.SENDING, RunStatus.DONE):
        raise Refused(_cannot(run))
    if run.good_through < Company.current().today():
        raise Refused(_("The benefit in this mail is over, so it can no longer be sent."))
    _refuse_if_nothing_may_leave()
    unknown = Delivery.objects.filter(run=run, status=DeliveryStatus.UNKNOWN, outcome="")
    if delivery is not None:
        unknown = unknown.filter(pk=delivery.pk)
    count = unknown.update(
        status=DeliveryStatus.PENDING, attempts=0, next_at=timezone.now(), reply="", may_have_arrived=True
    )
    if not count:
        raise Refused(
            _("Every mail of this run has a known end.") if delivery is None else _("This mail has a known end.")
        )
    run.status = RunStatus.SENDING
    run.finished_at = None
    run.save(update_fields=["status", "finished_at"])
    only = {"delivery": delivery.pk} if delivery is not None else {}
    audit.record("resend unknown", run, by=by, data={"count": count, **only})
    return count


def _locked(run: Run) -> Run:
    """The run, locked against `take_over`: a hand-over either came before this change or sees it."""
    return Run.objects.select_for_update().get(pk=run.pk)


def _cannot(run: Run) -> str:
    return _("This run is in the state “%(status)s” now. Open its page again.") % {"status": run.get_status_display()}


def _take_back_claims(run: Run) -> None:
    Delivery.objects.filter(run=run, status=DeliveryStatus.CLAIMED).update(
        status=DeliveryStatus.PENDING, claim_token=None, lease_until=None, attempts=F("attempts") - 1
    )


def end_unsent(run: Run, status: DeliveryStatus, reason: str = DeliveryReason.NONE) -> int:
    """Give every mail of the run that still waits this final status, and void its code; return how many.

    One that was being sent again is unknown as before, and its code stays good: its reader may have it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH ended AS (
                UPDATE rewards_delivery SET status = CASE WHEN may_have_arrived THEN %s ELSE %s END,
                    reason = CASE WHEN may_have_arrived THEN '' ELSE %s END
                WHERE run_id = %s AND status = %s
                RETURNING voucher_id, may_have_arrived
            ), voided AS (
                UPDATE rewards_voucher v SET status = %s FROM ended
                WHERE v.id = ended.voucher_id AND NOT ended.may_have_arrived AND v.status = %s
            )
            SELECT count(*) FROM ended
            """,
            [
                DeliveryStatus.UNKNOWN,
                status,
                reason,
                run.pk,
                DeliveryStatus.PENDING,
                VoucherStatus.VOID,
                VoucherStatus.ISSUED,
            ],
        )
        return int(cursor.fetchone()[0])

"""The states of one delivery, each change one conditional statement.

    pending → claimed(token, lease) → handing_over → sent | failed | pending (explicit 4xx) | unknown (no reply, crash)

A claim, and everything up to RCPT, may be repeated. `handing_over` is committed before DATA and never goes back by
itself: whoever finds it without a result says "unknown". Times are the database's, the one clock all workers share.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from customers.actions.consent import suppress_address
from customers.models import SuppressedAddress
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from loyaltycrm.lib.mail import Reply, hand_over_seconds
from loyaltycrm.lib.together import Part, run_together
from rewards.actions.telling import sent_offer
from rewards.audience import ADDRESS_UNSUBSCRIBED, NEWEST_CONSENT, STANDING_HOLD, SUPPRESSED_ADDRESS
from rewards.knobs import DELIVERY_ATTEMPTS
from rewards.models import Delivery, DeliveryOutcome, DeliveryReason, DeliveryStatus, Run, VoucherStatus

LEASE_SECONDS: Final = 300
BACKOFF_SECONDS: Final = (60, 300, 900, 3_600, 14_400)
# A row with a token is claimed or being handed over (`rewards_delivery_claim_has_token_and_lease`). Asking for the
# state by name lets the planner take the index of open rows, which is full of dead entries while a run is sent,
# instead of the row's own number.
_HELD: Final = "d.claim_token = %(token)s"
_SENT: Final = f"""
    UPDATE rewards_delivery d SET status = 'sent', claim_token = NULL, lease_until = NULL,
        sent_at = statement_timestamp(), reply = %(reply)s
    FROM (SELECT set_config('synchronous_commit', 'off', true)) AS not_waiting
    WHERE d.id = %(delivery)s AND {_HELD} AND d.status <> 'claimed'
    RETURNING d.customer_id, d.run_id, d.voucher_id"""  # noqa: S608 - constants only
_READERS_ZONE: Final = """COALESCE((
    SELECT s.time_zone FROM customers_customer c JOIN core_store s ON s.id = c.home_store_id WHERE c.id = d.customer_id
), %(company_zone)s::text)"""
_FREE: Final[dict[str, Any]] = {"claim_token": None, "lease_until": None}


def claim(*, run: Run, token: uuid.UUID, limit: int, closed: Collection[str] = ()) -> list[Delivery]:
    """Take the next due mails of a run for this token's holder, for the time of the lease.

    Readers who go by the clock of one of the `closed` time zones are passed over: their hours are not these.
    The run is locked against `pause_run` and `cancel_run`: they find every claim made before them, and stop the rest.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH run AS (SELECT id FROM rewards_run WHERE id = %(run)s AND status = 'sending' FOR KEY SHARE)
            UPDATE rewards_delivery SET status = 'claimed', claim_token = %(token)s, attempts = attempts + 1,
                lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
            WHERE id IN (
                SELECT d.id FROM rewards_delivery d
                WHERE d.run_id = %(run)s AND EXISTS (SELECT 1 FROM run)
                AND d.status = 'pending' AND d.next_at <= statement_timestamp()
                {f"AND {_READERS_ZONE} <> ALL(%(closed)s)" if closed else ""}
                ORDER BY d.next_at, d.id LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED
            ) RETURNING id
            """,  # noqa: S608 - constants only
            {"token": token, "lease": LEASE_SECONDS, "run": run.pk, "limit": limit, **_zones(closed)},
        )
        ids = [pk for (pk,) in cursor.fetchall()]
    found = Delivery.objects.filter(pk__in=ids).order_by("id")
    return list(found.select_related("chosen__product") if run.is_personal else found)


def wait_for_hours(*, closed: Mapping[str, datetime]) -> int:
    """Let due mails wait whose readers' hours are over: {time zone: when they begin again}. Return how many."""
    waiting = 0
    for zone, opens in closed.items():
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE rewards_delivery d SET next_at = %(opens)s FROM rewards_run r
                WHERE r.id = d.run_id AND r.status = 'sending' AND d.status = 'pending'
                AND d.next_at <= statement_timestamp() AND d.next_at < %(opens)s AND {_READERS_ZONE} = ANY(%(closed)s)
                """,  # noqa: S608 - constants only
                {"opens": opens, **_zones([zone])},
            )
            waiting += cursor.rowcount
    return waiting


def _zones(closed: Collection[str]) -> dict[str, Any]:
    return {"closed": list(closed), "company_zone": Company.current().time_zone} if closed else {}


def release(*, token: uuid.UUID, after_seconds: int = 0, reply: str = "") -> int:
    """Give back what this token's holder claimed and did not hand over; it does not count as an attempt."""
    changes: dict[str, Any] = {"attempts": F("attempts") - 1}
    if after_seconds:
        changes["next_at"] = Now() + timedelta(seconds=after_seconds)
    if reply:
        changes["reply"] = reply[:300]
    return Delivery.objects.filter(claim_token=token, status=DeliveryStatus.CLAIMED).update(
        status=DeliveryStatus.PENDING, **_FREE, **changes
    )


def take_over(*, delivery: Delivery, token: uuid.UUID, today: date) -> bool:
    """Commit that this mail is being handed over now; False where that may not be any more.

    It may be while the claim is this token's, the lease outlives the SMTP timeout, the run is sending and its benefit
    good on the company's day `today`, the address is still the customer's and not suppressed, their newest word on
    offers by email is yes, nobody has unsubscribed at the address since, and no contact hold stands.
    The run is locked against `pause_run`: a pause either comes after this hand-over or forbids it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH run AS (
                SELECT id FROM rewards_run
                WHERE id = %(run)s AND status = 'sending' AND good_through >= %(today)s FOR KEY SHARE
            )
            UPDATE rewards_delivery d SET status = 'handing_over'
            FROM run, customers_customer c
            WHERE d.id = %(delivery)s AND {_HELD} AND d.status <> 'handing_over'
            AND d.lease_until - make_interval(secs => %(seconds)s) > statement_timestamp()
            AND c.id = d.customer_id AND c.email_key = d.address_key AND c.merged_into_id IS NULL
            AND (SELECT newest.given AND NOT EXISTS ({ADDRESS_UNSUBSCRIBED}) FROM ({NEWEST_CONSENT}) newest)
            AND NOT EXISTS ({STANDING_HOLD}) AND NOT EXISTS ({SUPPRESSED_ADDRESS})
            """,  # noqa: S608 - constants only
            {
                "run": delivery.run_id,
                "delivery": delivery.pk,
                "token": token,
                "seconds": hand_over_seconds(),
                "today": today,
            },
        )
        return bool(cursor.rowcount == 1)


def why_left_out(*, delivery: Delivery) -> DeliveryReason:
    """Why a claimed mail must not reach its customer any more; `NONE` where the customer is not the reason."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.merged_into_id IS NOT NULL, c.email_key = d.address_key, EXISTS ({SUPPRESSED_ADDRESS}),
                COALESCE(
                    (SELECT newest.given AND NOT EXISTS ({ADDRESS_UNSUBSCRIBED}) FROM ({NEWEST_CONSENT}) newest), false
                ),
                EXISTS ({STANDING_HOLD})
            FROM rewards_delivery d JOIN customers_customer c ON c.id = d.customer_id WHERE d.id = %s
            """,  # noqa: S608 - constants only
            [delivery.pk],
        )
        is_merged, same_address, is_suppressed, consents, is_held = cursor.fetchone()
    if is_merged:
        return DeliveryReason.MERGED
    if not same_address:
        return DeliveryReason.ADDRESS_CHANGED
    if is_suppressed:
        return DeliveryReason.SUPPRESSED_ADDRESS
    if not consents:
        return DeliveryReason.UNSUBSCRIBED
    return DeliveryReason.CONTACT_HOLD if is_held else DeliveryReason.NONE


@transaction.atomic
def leave_out(*, delivery: Delivery, token: uuid.UUID, reason: DeliveryReason) -> bool:
    """End a claimed mail unsent with this reason, its code void."""
    return _end(delivery, token, before=DeliveryStatus.CLAIMED, after=DeliveryStatus.SUPPRESSED, reason=reason)


@transaction.atomic
def leave_out_merged(*, customer_id: int, run_ids: list[int]) -> int:
    """End a merged customer's mails of these runs that have not left yet, their codes void; return how many."""
    waiting = Delivery.objects.filter(
        customer=customer_id, run__in=run_ids, status__in=[DeliveryStatus.PENDING, DeliveryStatus.CLAIMED]
    )
    ids = list(waiting.order_by("pk").select_for_update().values_list("pk", flat=True))
    Delivery.objects.filter(pk__in=ids).update(**_ended(DeliveryStatus.SUPPRESSED, DeliveryReason.MERGED))
    void_codes(delivery_ids=ids)
    return len(ids)


def record_sent(*, delivery: Delivery, token: uuid.UUID, reply: Reply) -> bool:
    """Record that the server took the mail, and tell of it. Losing this record in a power cut means "unknown", never a
    second mail, so the statement does not wait for the disk."""
    sent = Part("sent", _SENT, {"reply": str(reply), "delivery": delivery.pk, "token": token}, answer="'', customer_id")
    return bool(run_together([sent, *sent_offer()])["sent"])


@transaction.atomic
def record_refused(*, delivery: Delivery, token: uuid.UUID, status: DeliveryStatus, reply: Reply | str) -> bool:
    """Record a final no (5xx) to a mail in this status; a hard bounce suppresses the address for every profile."""
    ended = _end(
        delivery,
        token,
        before=status,
        after=DeliveryStatus.FAILED,
        reason=DeliveryReason.REFUSED,
        reply=str(reply),
    )
    if ended and isinstance(reply, Reply) and reply.is_hard_bounce:
        suppress_address(email=delivery.address, reason=SuppressedAddress.Reason.BOUNCE, detail=str(reply))
    return ended


@transaction.atomic
def record_put_off(*, delivery: Delivery, token: uuid.UUID, status: DeliveryStatus, reply: Reply) -> bool:
    """Record an explicit "try again later" (4xx): wait longer each time, give up after the limit of attempts."""
    if delivery.attempts >= value(DELIVERY_ATTEMPTS):
        return _end(
            delivery,
            token,
            before=status,
            after=DeliveryStatus.FAILED,
            reason=DeliveryReason.ATTEMPTS,
            reply=str(reply),
        )
    wait = BACKOFF_SECONDS[min(delivery.attempts, len(BACKOFF_SECONDS)) - 1]
    changed = Delivery.objects.filter(pk=delivery.pk, claim_token=token, status=status).update(
        status=DeliveryStatus.PENDING, next_at=Now() + timedelta(seconds=wait), reply=str(reply), **_FREE
    )
    return changed == 1


def record_unknown(*, delivery: Delivery, token: uuid.UUID, said: str) -> bool:
    """Record that no reply came after DATA. Nothing sends this mail again but a person who was told it may double."""
    changed = Delivery.objects.filter(pk=delivery.pk, claim_token=token, status=DeliveryStatus.HANDING_OVER).update(
        status=DeliveryStatus.UNKNOWN, reply=said[:300], **_FREE
    )
    return changed == 1


def _end(
    delivery: Delivery,
    token: uuid.UUID,
    *,
    before: DeliveryStatus,
    after: DeliveryStatus,
    reason: DeliveryReason,
    reply: str = "",
) -> bool:
    changed = Delivery.objects.filter(pk=delivery.pk, claim_token=token, status=before).update(
        reply=reply[:300], **_ended(after, reason)
    )
    if changed:
        void_codes(delivery_ids=[delivery.pk])
    return changed == 1


def _ended(status: DeliveryStatus, reason: DeliveryReason) -> dict[str, Any]:
    """A final status and its reason; what was being sent again is unknown as before."""
    before = Q(may_have_arrived=True)
    return {
        "status": Case(When(before, then=Value(DeliveryStatus.UNKNOWN.value)), default=Value(status.value)),
        "reason": Case(When(before, then=Value(DeliveryReason.NONE.value)), default=Value(reason.value)),
        **_FREE,
    }


def void_codes(*, delivery_ids: list[int]) -> None:
    """Make the unused codes of mails void that will not reach anybody; one that its reader may have stays good."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE rewards_voucher v SET status = %s FROM rewards_delivery d
            WHERE d.id = ANY(%s) AND v.id = d.voucher_id AND v.status = %s AND NOT d.may_have_arrived
            """,
            [VoucherStatus.VOID, delivery_ids, VoucherStatus.ISSUED],
        )


def expire_claims() -> int:
    """Give back claims whose lease is over; those tried too often are given up. Return how many."""
    expired = Delivery.objects.filter(status=DeliveryStatus.CLAIMED, lease_until__lt=Now())
    limit = value(DELIVERY_ATTEMPTS)
    with transaction.atomic():
        given_up = list(expired.filter(attempts__gte=limit).select_for_update(skip_locked=True).values_list("pk"))
        ids = [pk for (pk,) in given_up]
        Delivery.objects.filter(pk__in=ids).update(reply="", **_ended(DeliveryStatus.FAILED, DeliveryReason.ATTEMPTS))
        void_codes(delivery_ids=ids)
    return len(ids) + expired.filter(attempts__lt=limit).update(status=DeliveryStatus.PENDING, **_FREE)


def expire_hand_overs() -> int:
    """Call hand-overs whose lease is over "unknown"; return how many."""
    return Delivery.objects.filter(status=DeliveryStatus.HANDING_OVER, lease_until__lt=Now()).update(
        status=DeliveryStatus.UNKNOWN, **_FREE
    )


def settle_reported() -> int:
    """Call mails sent that nobody was sure of and about which the provider reported since; return how many."""
    return (
        Delivery.objects.filter(status=DeliveryStatus.UNKNOWN)
        .exclude(outcome=DeliveryOutcome.NONE)
        .update(status=DeliveryStatus.SENT, sent_at=F("outcome_at"))
    )


def unfinished(run: Run) -> bool:
    """Whether any mail of the run may still leave or is leaving."""
    return Delivery.objects.filter(
        run=run, status__in=[DeliveryStatus.PENDING, DeliveryStatus.CLAIMED, DeliveryStatus.HANDING_OVER]
    ).exists()

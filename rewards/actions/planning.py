"""Planning a run: freezing who is in it, who is left out and why, and everything that a mail will say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import Company
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.tokens import new_codes
from rewards.actions.runs import frozen_with_run, in_company_language
from rewards.audience import PLACES, complete_languages, place_parameters
from rewards.emails import sender, why_not_to_send
from rewards.models import DeliveryStatus, Run, RunStatus, Voucher, VoucherStatus
from rewards.offer_checks import why_nobody_is_asked
from rewards.queries import Balance, balances

CHUNK: Final = 5_000
_PLANNING_LOCK: Final = 7_203_114


class _StoppedMeanwhile(Exception):
    """The run was paused or cancelled while it was being planned; nothing of the plan is kept."""


def plan_run(*, run_id: int, at: datetime | None = None) -> bool:
    """Freeze a run: audience, control group, words, values, addresses, Message-IDs, codes. Then it is sent.

    Everyone in the audience gets one row: to be mailed, in the control group, or left out with a reason. A run that
    may not be sent at all waits for a person, with a note. Returns whether the run was planned by this call; while
    another process plans, or a second time, nothing happens.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_PLANNING_LOCK])
            return bool(cursor.fetchone()[0]) and _plan(run_id, at or timezone.now())
    except _StoppedMeanwhile:
        return False


def _plan(run_id: int, now: datetime) -> bool:
    run = Run.objects.select_related("offer").get(pk=run_id)
    if run.status != RunStatus.PLANNED:
        return False
    why = why_not_to_send() or why_nobody_is_asked(run.offer)
    if why:
        _lock_while_planned(run)
        run.status = RunStatus.WAITING
        run.note = in_company_language(why)
        run.save(update_fields=["status", "note"])
        audit.record("hold run back", run, by=None, data={"note": run.note})
        return False
    for name, frozen in frozen_with_run(run.offer).items():
        setattr(run, name, frozen)
    run.valid_from = Company.current().today(now)
    run.good_through = run.valid_from + timedelta(days=run.offer.valid_days - 1)
    _place_everyone(run)
    for chunk in _readers():
        _write_mailed(run, chunk)
    crash_point("plan.mailed")
    _write_others(run)
    run.audience_count = run.deliveries.count()
    _lock_while_planned(run)
    run.planned_at = now
    run.status = RunStatus.SENDING
    run.save()
    audit.record("plan run", run, by=None, data={"audience": run.audience_count})
    _measure_tables()
    crash_point("plan.written")
    return True


def _measure_tables() -> None:
    """Tell the database how large the tables have become: with old figures it sorts the whole run for each claim."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE rewards_delivery (run_id, status, next_at, customer_id, voucher_id)")


def _lock_while_planned(run: Run) -> None:
    """Lock the run only now, so that pausing it never waits for its planning."""
    if not Run.objects.select_for_update().filter(pk=run.pk, status=RunStatus.PLANNED).exists():
        raise _StoppedMeanwhile


def _place_everyone(run: Run) -> None:
    """Put the whole audience, each with a status and a reason, into a table that lives as long as the transaction."""
    parameters = place_parameters(
        audience=run.audience,
        languages=complete_languages(run.texts, run.benefit_names),
        seed=run.seed,
        control_percent=run.control_percent,
        today=run.valid_from,
    )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '100s'")
        cursor.execute("DROP TABLE IF EXISTS pg_temp.planned")
        cursor.execute(
            """
            CREATE TEMP TABLE planned (
                customer_id bigint PRIMARY KEY, household bigint, email text, email_key text, language text,
                first_name text, agreed_on date, reason text, status text
            ) ON COMMIT DROP
            """
        )
        cursor.execute(f"INSERT INTO planned {PLACES}", parameters)
        cursor.execute("ANALYZE planned")


_Reader = tuple[int, str, date]


def _readers() -> Iterator[list[_Reader]]:
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT customer_id, first_name, agreed_on FROM planned
                WHERE status = %s AND customer_id > %s ORDER BY customer_id LIMIT %s
                """,
                [DeliveryStatus.PENDING, last, CHUNK],
            )
            chunk = cursor.fetchall()
        if not chunk:
            return
        yield chunk
        last = chunk[-1][0]


def _write_mailed(run: Run, chunk: list[_Reader]) -> None:
    held = balances([customer_id for customer_id, _name, _agreed in chunk], run.valid_from)
    codes = _unused_codes(len(chunk))
    values = [
        json.dumps(frozen_values(held.get(customer_id, Balance()), first_name=name, agreed_on=agreed, code=code))
        for (customer_id, name, agreed), code in zip(chunk, codes, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH given AS (
                SELECT * FROM unnest(%(customers)s::bigint[], %(codes)s::text[], %(values)s::text[])
                    AS g(customer_id, code, frozen)
            ), issued AS (
                INSERT INTO rewards_voucher (code, customer_id, names, kind, value_cents, minimum_spend_cents,
                    valid_from, good_through, status, issued_at)
                SELECT code, customer_id, %(names)s::jsonb, %(kind)s, %(value)s, %(minimum)s, %(from)s, %(through)s,
                    %(voucher_status)s, now()
                FROM given
                RETURNING id, customer_id
            )
            INSERT INTO rewards_delivery (run_id, customer_id, household, status, reason, address, address_key,
                language, "values", message_id, voucher_id, attempts, next_at, reply)
            SELECT %(run)s, p.customer_id, p.household, p.status, '', p.email, p.email_key, p.language,
                g.frozen::jsonb, '<' || replace(gen_random_uuid()::text, '-', '') || '@' || %(domain)s::text || '>',
                i.id, 0, now(), ''
            FROM given g JOIN planned p USING (customer_id) JOIN issued i USING (customer_id) ORDER BY p.customer_id
            """,
            {
                "customers": [customer_id for customer_id, _name, _agreed in chunk],
                "codes": codes,
                "values": values,
                "names": json.dumps(run.benefit_names),
                "kind": run.benefit_kind,
                "value": run.value_cents,
                "minimum": run.minimum_spend_cents,
                "from": run.valid_from,
                "through": run.good_through,
                "voucher_status": VoucherStatus.ISSUED,
                "run": run.pk,
                "domain": sender().domain,
            },
        )


def frozen_values(balance: Balance, *, first_name: str, agreed_on: date | None, code: str) -> dict[str, Any]:
    """What a mail will say about one customer, as it is kept with the delivery."""
    ending = balance.next_expiry
    return {
        "first_name": first_name,
        "points": balance.available,
        "expiring_points": ending.points if ending else 0,
        "expiring_on": ending.good_through.isoformat() if ending else None,
        "agreed_on": agreed_on.isoformat() if agreed_on else None,
        "code": code,
    }


def _unused_codes(count: int) -> list[str]:
    """Fresh codes that no voucher has; two runs cannot draw the same ones, since only one is planned at a time."""
    codes = new_codes(count)
    taken = set(Voucher.objects.filter(code__in=codes).values_list("code", flat=True))
    free = [code for code in codes if code not in taken]
    return free + (_unused_codes(len(taken)) if taken else [])


def _write_others(run: Run) -> None:
    """The control group and those left out; their addresses are not kept, since nothing will be sent to them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO rewards_delivery (run_id, customer_id, household, status, reason, address, address_key,
                language, "values", message_id, attempts, reply)
            SELECT %s, customer_id, household, status, reason, '', '', language, '{}'::jsonb, '', 0, ''
            FROM planned WHERE status <> %s ORDER BY customer_id
            """,
            [run.pk, DeliveryStatus.PENDING],
        )

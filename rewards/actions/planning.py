"""Planning a run: freezing who is in it, who is left out and why, and everything that a mail will say."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from psycopg.errors import QueryCanceled

from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import Company
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.tokens import new_codes
from rewards.actions.deliveries import wait_for_hours
from rewards.actions.hold_outs import place_newcomers
from rewards.actions.holding import hold_if_restored
from rewards.actions.picked import keep_picks, terms_of
from rewards.actions.runs import frozen_with_run, in_company_language, stop_broken
from rewards.audience import MAILED, ON_ITS_WAY, PLACES, complete_languages, parameters_of_one, place_parameters
from rewards.choices.picking import Pick, Picker
from rewards.effects.budget import budget_of, expected_mail_cents
from rewards.emails import sender, why_not_to_send
from rewards.models import (
    Delivery,
    DeliveryReason,
    DeliveryStatus,
    OneReader,
    Reward,
    Run,
    RunStatus,
    VoucherStatus,
)
from rewards.occasions import happened
from rewards.offer_checks import why_nobody_is_asked
from rewards.queries import Balance, balances, catalogue, next_reward
from rewards.windows import closed_zones

logger = logging.getLogger(__name__)

CHUNK: Final = 5_000
_PLANNING_LOCK: Final = 7_203_114


class _StoppedMeanwhile(Exception):
    """The run was paused or cancelled while it was being planned; nothing of the plan is kept."""


def plan_run(*, run_id: int, at: datetime | None = None) -> bool:
    """Freeze a run: audience, control group, words, values, addresses, Message-IDs, codes. Then it is sent.

    Everyone in the audience gets one row: to be mailed, in the control group, or left out with a reason. A run that
    may not be sent at all waits for a person, with a note, and so does one that cannot be planned, or not in time: it
    would hold up those of lower priority. What goes by itself, like a lost connection, is raised. Returns whether the
    run was planned by this call; while another process plans, a run of higher priority waits to be planned, or a
    second time, nothing happens.
    """
    hold_if_restored()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_PLANNING_LOCK])
            return bool(cursor.fetchone()[0]) and _plan(run_id, at or timezone.now())
    except _StoppedMeanwhile:
        return False
    except Exception as error:
        if isinstance(error, OperationalError | InterfaceError) and not _took_too_long(error):
            raise
        logger.exception("Run %s could not be planned.", run_id)
        stop_broken(run=Run.objects.get(pk=run_id), error=error)
        return False


def let_nothing_be_planned() -> None:
    """Wait until no run is being planned, and let none be until the transaction ends: planning writes down what it has
    read of a customer before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_PLANNING_LOCK])


def _took_too_long(error: Exception) -> bool:
    """Whether the database gave a statement up for its time. It would again, and runs of lower priority wait for it."""
    return isinstance(error.__cause__, QueryCanceled)


def _plan(run_id: int, now: datetime) -> bool:
    run = Run.objects.select_related("offer").get(pk=run_id)
    if run.status != RunStatus.PLANNED or _gives_way(run):
        return False
    only = OneReader.objects.select_related("customer__merged_into").filter(run=run).first()
    why = why_not_to_send() or (why_nobody_is_asked(run.offer) if only is None else "")
    if why:
        _lock_while_planned(run)
        run.status = RunStatus.WAITING
        run.note = in_company_language(why)
        run.save(update_fields=["status", "note"])
        audit.record("hold run back", run, by=None, data={"note": run.note})
        return False
    for name, frozen in frozen_with_run(run.offer, is_for_one=only is not None).items():
        setattr(run, name, frozen)
    run.valid_from = Company.current().today(now)
    run.good_through = run.valid_from + timedelta(days=run.offer.valid_days - 1)
    place_newcomers(today=run.valid_from)
    if only is None:
        occasions = happened(run.offer, today=run.valid_from)
        _place(_everyone_asked(run, occasions), occasions)
    else:
        languages = complete_languages(run.texts, run.benefit_names)
        _place(parameters_of_one(only.customer.current, languages=languages, today=run.valid_from))
    run.mail_cents = expected_mail_cents(run.offer)
    _keep_limit(run)
    budget = _keep_budget(run, run.mail_cents)
    picker = Picker(run, now)
    for chunk in _readers():
        _write_mailed(run, chunk, picker)
    crash_point("plan.mailed")
    _write_others(run)
    run.audience_count = run.deliveries.count()
    _lock_while_planned(run)
    run.planned_at = now
    run.status = RunStatus.SENDING
    run.save()
    wait_for_hours(closed=closed_zones(now))
    audit.record("plan run", run, by=None, data={"audience": run.audience_count, **budget})
    _measure_tables()
    crash_point("plan.written")
    return True


def _gives_way(run: Run) -> bool:
    """Whether a run of higher priority is to choose its readers first."""
    return Run.objects.filter(status=RunStatus.PLANNED, offer__priority__gt=run.offer.priority).exists()


def _measure_tables() -> None:
    """Tell the database how large the tables have become: with old figures it sorts the whole run for each claim, and
    reads all codes for one that is to be void."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE rewards_delivery (run_id, status, next_at, customer_id, voucher_id)")
        cursor.execute("ANALYZE rewards_voucher (id, customer_id, status)")


def _lock_while_planned(run: Run) -> None:
    """Lock the run only now, so that pausing it never waits for its planning."""
    if not Run.objects.select_for_update().filter(pk=run.pk, status=RunStatus.PLANNED).exists():
        raise _StoppedMeanwhile


def _everyone_asked(run: Run, occasions: dict[int, str] | None) -> dict[str, Any]:
    return place_parameters(
        audience=run.audience,
        languages=complete_languages(run.texts, run.benefit_names),
        seed=run.seed,
        control_percent=run.control_percent,
        today=run.valid_from,
        among=occasions,
    )


def _place(parameters: dict[str, Any], occasions: dict[int, str] | None = None) -> None:
    """Put the whole audience, each with a status and a reason, into a table that lives as long as the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '100s'")
        cursor.execute("DROP TABLE IF EXISTS pg_temp.planned")
        cursor.execute(
            """
            CREATE TEMP TABLE planned (
                customer_id bigint PRIMARY KEY, household bigint, email text, email_key text, language text,
                first_name text, agreed_on date, reason text, status text, occasion text NOT NULL DEFAULT ''
            ) ON COMMIT DROP
            """
        )
        cursor.execute(f"INSERT INTO planned {PLACES}", parameters)
        if occasions:
            cursor.execute(
                """
                UPDATE planned p SET occasion = g.occasion
                FROM unnest(%s::bigint[], %s::text[]) AS g(customer_id, occasion) WHERE g.customer_id = p.customer_id
                """,
                [list(occasions), list(occasions.values())],
            )
        cursor.execute("ANALYZE planned")


def _keep_limit(run: Run) -> None:
    """Leave out, by lot, whoever is beyond the most mails of the offer.

    The lot falls on households, as for the control group: those compared with one another must be of the same size.
    """
    if run.offer.most_mails is None:
        return
    mailed = Delivery.objects.filter(run__offer=run.offer_id, status__in=[*ON_ITS_WAY, *MAILED]).count()
    _leave_out_by_lot(run, most=max(run.offer.most_mails - mailed, 0), reason=DeliveryReason.LIMIT)


def _keep_budget(run: Run, mail_cents: Decimal) -> dict[str, Any]:
    """Leave out, by the same lot, whoever is beyond what the budget is expected to pay for; return what was decided."""
    budget = budget_of(run.offer)
    if budget is None:
        return {}
    most = budget.mails(mail_cents)
    if most is not None:
        _leave_out_by_lot(run, most=most, reason=DeliveryReason.BUDGET)
    return {"budget": asdict(budget) | {"mail_cents": str(mail_cents)}}


def _leave_out_by_lot(run: Run, *, most: int, reason: DeliveryReason) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE planned SET status = %s, reason = %s WHERE customer_id IN (
                SELECT customer_id FROM planned WHERE status = %s
                ORDER BY md5(%s || ':limit:' || household), household, customer_id OFFSET %s
            )
            """,
            [
                DeliveryStatus.SUPPRESSED,
                reason,
                DeliveryStatus.PENDING,
                str(run.seed),
                most,
            ],
        )


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


def _write_mailed(run: Run, chunk: list[_Reader], picker: Picker) -> None:
    customers = [customer_id for customer_id, _name, _agreed in chunk]
    held = balances(customers, run.valid_from)
    picks = picker.pick(customers)
    names, benefits, terms = terms_of(run, customers, picks)
    codes = _unused_codes(len(chunk))
    rewards = catalogue()
    given = [
        {
            "customer_id": customer_id,
            "code": code,
            "terms": term,
            "moment": _moment(picks.get(customer_id)),
            "frozen": frozen_values(
                held.get(customer_id, Balance()), first_name=name, agreed_on=agreed, code=code, rewards=rewards
            )
            | ({"product": picks[customer_id].product} if customer_id in picks else {}),
        }
        for (customer_id, name, agreed), code, term in zip(chunk, codes, terms, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH given AS (
                SELECT * FROM jsonb_to_recordset(%(given)s::jsonb)
                    AS g(customer_id bigint, code text, frozen jsonb, terms bigint, moment timestamptz)
            ), benefits AS (
                SELECT * FROM unnest(%(names)s::text[], %(benefits)s::text[])
                    WITH ORDINALITY AS b(names, benefit, terms)
            ), issued AS (
                INSERT INTO rewards_voucher (code, customer_id, names, benefit, valid_from, good_through, status,
                    issued_at)
                SELECT code, customer_id, names::jsonb, benefit::jsonb, %(from)s, %(through)s,
                    %(voucher_status)s, now()
                FROM given JOIN benefits USING (terms)
                RETURNING id, customer_id
            )
            INSERT INTO rewards_delivery (run_id, customer_id, household, status, reason, address, address_key,
                language, occasion, "values", message_id, voucher_id, attempts, next_at, reply)
            SELECT %(run)s, p.customer_id, p.household, p.status, '', p.email, p.email_key, p.language, p.occasion,
                g.frozen, '<' || replace(gen_random_uuid()::text, '-', '') || '@' || %(domain)s::text || '>',
                i.id, 0, coalesce(g.moment, now()), ''
            FROM given g JOIN planned p USING (customer_id) JOIN issued i USING (customer_id) ORDER BY p.customer_id
            """,
            {
                "given": json.dumps(given),
                "names": names,
                "benefits": benefits,
                "from": run.valid_from,
                "through": run.good_through,
                "voucher_status": VoucherStatus.ISSUED,
                "run": run.pk,
                "domain": sender().domain,
            },
        )
    keep_picks(run, picks)


def _moment(pick: Pick | None) -> str | None:
    """Their own time, as a text; None for as soon as may be."""
    return pick.at.isoformat() if pick is not None and pick.at is not None else None


def frozen_values(
    balance: Balance, *, first_name: str, agreed_on: date | None, code: str, rewards: Sequence[Reward]
) -> dict[str, Any]:
    """What a mail will say about one customer, as it is kept with the delivery; `rewards` are those on offer."""
    ending = balance.next_expiry
    near = next_reward(balance.available, rewards)
    return {
        "first_name": first_name,
        "points": balance.available,
        "expiring_points": ending.points if ending else 0,
        "expiring_on": ending.good_through.isoformat() if ending else None,
        "agreed_on": agreed_on.isoformat() if agreed_on else None,
        "code": code,
        "near": near and {"names": near.reward.names, "cost": near.reward.points_cost, "missing": near.missing},
    }


def _unused_codes(count: int) -> list[str]:
    """Fresh codes that no voucher has; two runs cannot draw the same ones, since only one is planned at a time."""
    codes = new_codes(count)
    with connection.cursor() as cursor:
        cursor.execute("SELECT code FROM rewards_voucher WHERE code = ANY(%s::text[])", [f"{{{','.join(codes)}}}"])
        taken = {code for (code,) in cursor.fetchall()}
    free = [code for code in codes if code not in taken]
    return free + (_unused_codes(len(taken)) if taken else [])


def _write_others(run: Run) -> None:
    """The control group and those left out; their addresses are not kept, since nothing will be sent to them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO rewards_delivery (run_id, customer_id, household, status, reason, address, address_key,
                language, occasion, "values", message_id, attempts, reply)
            SELECT %s, customer_id, household, status, reason, '', '', language, occasion, '{}'::jsonb, '', 0, ''
            FROM planned WHERE status <> %s ORDER BY customer_id
            """,
            [run.pk, DeliveryStatus.PENDING],
        )

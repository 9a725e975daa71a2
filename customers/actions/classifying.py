"""Deciding who is regular and who is loyal: the pass over all customers, and a manager's own word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.standing import who_stands_for
from customers.classification.build import build
from customers.classification.due import find_due, is_full_needed
from customers.classification.rules import Rules
from customers.models import Classification, ClassificationRun, Customer, LoyaltyFlag
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User

LONGEST_FLAG = timedelta(days=366)

RECORD_CHANGES = """
    INSERT INTO customers_groupchange (customer_id, "on", group_before, "group", facts, run_id, decided_at)
    SELECT v.customer_id, %s::date, coalesce(newest."group", ''), v."group",
           jsonb_build_object('regular', v.regular, 'repeat_days', v.repeat_days, 'months_in_row', v.months_in_row,
               'score', v.score, 'loyal', v.loyal, 'thin', v.thin, 'flagged', v.flagged),
           %s::bigint, now()
    FROM classify_verdict v
    LEFT JOIN (
        SELECT DISTINCT ON (customer_id) customer_id, "group" FROM customers_groupchange
        ORDER BY customer_id, "on" DESC, id DESC
    ) newest ON newest.customer_id = v.customer_id
    WHERE newest."group" IS DISTINCT FROM v."group"
    ORDER BY v.customer_id
"""
CONTENT = (
    "regular, repeat_days, months_in_row, score, loyal, thin, flagged, evidence, "
    '"group", usual_gap_days, last_visit_on, next_due_on'
)
REPLACE_STANDING = f"""
    INSERT INTO customers_classification AS standing (customer_id, {CONTENT}, as_of, run_id)
    SELECT customer_id, {CONTENT}, %s::date, %s::bigint FROM classify_verdict ORDER BY customer_id
    ON CONFLICT (customer_id) DO UPDATE SET
        ({CONTENT}, as_of, run_id) = ROW({", ".join(f"excluded.{name.strip()}" for name in CONTENT.split(","))},
        excluded.as_of, excluded.run_id)
    WHERE ({", ".join(f"standing.{name.strip()}" for name in CONTENT.split(","))})
        IS DISTINCT FROM ({", ".join(f"excluded.{name.strip()}" for name in CONTENT.split(","))})
        OR standing.as_of > excluded.as_of
"""  # noqa: S608

# A pass that began before a merge decides for both of its customers, and one before an erasure for who is gone.
FORGET_GONE = """
    DELETE FROM customers_classification k USING customers_customer c
    WHERE c.id = k.customer_id AND (c.merged_into_id IS NOT NULL OR c.erased_at IS NOT NULL)
"""


@transaction.atomic
def classify(
    *,
    as_of: date | None = None,
    only_due: bool = False,
    by: User | None = None,
    progress: Callable[[str], None] | None = None,
) -> ClassificationRun:
    """Decide for every customer whether they are regular and loyal at the end of a day (default: the company's today).

    The standing classification is then that of the day, and changed groups are added to the history. For a day before
    one that was decided already nothing is kept but the run with its counts: what stands and the history are of the
    newest day. With `only_due` only
    customers whose facts changed since the last pass, or whose window moved, are looked at; where that is not
    enough (other settings, another month, an earlier day, no pass yet) all are. The result is the same either way.
    Raises `Refused` for a day to come and while another pass is running.
    """
    today = Company.current().today()
    on = as_of or today
    if on > today:
        raise Refused(_("Choose a day up to today."), field="as_of")
    started_at = timezone.now()
    rules = Rules.in_force()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('customers.classify', 0))")
        if not (cursor.fetchone() or [False])[0]:
            raise Refused(_("Customers are being classified already. Try again in a minute."))
        last = ClassificationRun.objects.order_by("-id").first()
        reached = ClassificationRun.objects.order_by("-as_of").values_list("as_of", flat=True).first()
        norms: dict[str, Any] | None = None
        is_full = not only_due or last is None or is_full_needed(last, on, rules)
        if not is_full and last is not None:
            norms = last.norms
            find_due(last, on)
        norms = build(on, rules, norms=norms, only_due=not is_full, progress=progress)
        if progress:
            progress(_("Writing what changed"))
        run = ClassificationRun.objects.create(
            as_of=on,
            is_full=is_full,
            knob_values=dict(rules.values),
            norms=norms,
            customers=0,
            changes=0,
            started_at=started_at,
            started_by=by,
        )
        if reached is None or on >= reached:
            cursor.execute(RECORD_CHANGES, [on, run.pk])
            run.changes = cursor.rowcount
            cursor.execute(REPLACE_STANDING, [on, run.pk])
            cursor.execute(FORGET_GONE)
        cursor.execute('SELECT "group", count(*) FROM classify_verdict GROUP BY 1')
        run.group_counts = dict(cursor.fetchall())
        run.customers = sum(run.group_counts.values())
        if not is_full:
            run.group_counts = dict(Classification.objects.values_list("group").annotate(customers=Count("pk")))
    run.finished_at = timezone.now()
    run.save(update_fields=["customers", "changes", "finished_at"])
    audit.record(
        "classify customers",
        run,
        by=by,
        data={"as_of": on.isoformat(), "full": is_full, "customers": run.customers, "changes": run.changes},
    )
    return run


@transaction.atomic
def reclassify(*, customer_ids: list[int]) -> None:
    """Decide anew for a few customers, as of the last pass and as a part of it; before the first pass nothing is.

    For customers whose facts became others' at once, as by a merge; the next pass would find the same.
    """
    last = ClassificationRun.objects.order_by("-as_of", "-pk").first()
    if last is None:
        return
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS classify_due")
        cursor.execute("CREATE TEMP TABLE classify_due (customer_id bigint PRIMARY KEY) ON COMMIT DROP")
        cursor.execute("INSERT INTO classify_due SELECT DISTINCT unnest(%s::bigint[])", [customer_ids])
        build(last.as_of, Rules.in_force(), norms=last.norms, only_due=True)
        cursor.execute(RECORD_CHANGES, [last.as_of, last.pk])
        cursor.execute(REPLACE_STANDING, [last.as_of, last.pk])


@transaction.atomic
def flag_loyalty(*, customer: Customer, loyal: bool, reason: str, ends_on: date, by: User | None) -> LoyaltyFlag:
    """Say by hand that a customer is loyal, or is not, from today through `ends_on`; it holds over the score.

    The next pass of the classification takes it up. A newer flag holds over an older one. Raises `Refused` without
    a reason or with an end before today or more than a year away.
    """
    customer = who_stands_for(customer)
    today = Company.current().today()
    reason = " ".join(reason.split())
    if not reason:
        raise Refused(_("Write why, in a few words."), field="reason")
    if len(reason) > 200:
        raise Refused(_("Write why in at most 200 characters."), field="reason")
    if not today <= ends_on <= today + LONGEST_FLAG:
        raise Refused(_("Choose a last day from today up to a year ahead."), field="ends_on")
    flag = LoyaltyFlag.objects.create(
        customer=customer, loyal=loyal, reason=reason, starts_on=today, ends_on=ends_on, set_by=by
    )
    audit.record(
        "flag loyalty", customer, by=by, data={"flag": flag.pk, "loyal": loyal, "ends_on": ends_on.isoformat()}
    )
    return flag


@transaction.atomic
def lift_flag(*, flag: LoyaltyFlag, by: User | None) -> LoyaltyFlag:
    """End a flag today, so that the score holds again. Raises `Refused` for one that was lifted or has ended."""
    today = Company.current().today()
    lifted = LoyaltyFlag.objects.filter(pk=flag.pk, lifted_on__isnull=True, ends_on__gte=today).update(
        lifted_on=today, lifted_at=timezone.now(), lifted_by=by
    )
    if not lifted:
        raise Refused(_("This flag has ended already."))
    flag.refresh_from_db()
    audit.record("lift loyalty flag", flag.customer, by=by, data={"flag": flag.pk})
    return flag

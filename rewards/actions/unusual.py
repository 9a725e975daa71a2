"""Looking for what a manager should look at: the same card again and again, own cards, points on refunded sales."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards import knobs
from rewards.models import UnusualUse

WEEK: Final = timedelta(days=7)
MONTH: Final = timedelta(days=30)
NOTE_LENGTH: Final = 200

_SALES: Final = """
    SELECT v.customer_id, v.recorded_by_id AS cashier_id, v.store_id, v.recorded_at AS at, v.business_date AS on_day,
        v.id AS visit_id
    FROM customers_visit v
    WHERE v.business_date > %(week_ago)s::date AND v.customer_id IS NOT NULL AND v.recorded_by_id IS NOT NULL
        AND v.voided_at IS NULL AND v.channel = 'till'"""
_RAISE: Final = f"""
    WITH sales AS ({_SALES}
    ), evidence AS (
        SELECT 'same_card' AS kind, s.* FROM sales s
        UNION ALL
        SELECT 'own_card', s.* FROM sales s JOIN core_user u ON u.id = s.cashier_id
            JOIN customers_customer c ON c.id = u.customer_id
        WHERE s.customer_id = coalesce(c.merged_into_id, c.id)
        UNION ALL
        SELECT 'refunded', v.customer_id, r.recorded_by_id, r.store_id, r.recorded_at, r.business_date, v.id
        FROM customers_refund r JOIN customers_visit v ON v.id = r.visit_id
        WHERE r.business_date > %(month_ago)s::date AND v.customer_id IS NOT NULL AND r.recorded_by_id IS NOT NULL
        UNION ALL
        SELECT 'claimed', v.customer_id, a.by_id, v.store_id, a.at, v.business_date, v.id
        FROM core_auditevent a JOIN customers_visit v ON v.id = a.subject_id
        WHERE a.at > %(month_start)s::timestamptz AND a.action = 'claim visit' AND v.customer_id IS NOT NULL
            AND v.voided_at IS NULL AND a.by_id IS NOT NULL
    ), fresh AS (
        SELECT e.*, coalesce(p.points, 0) AS points,
            count(*) OVER (PARTITION BY e.kind, e.customer_id, e.cashier_id, e.on_day) AS on_the_day
        FROM evidence e LEFT JOIN rewards_posting p ON p.visit_id = e.visit_id AND p.kind = 'earn'
        WHERE NOT EXISTS (
            SELECT 1 FROM rewards_unusualuse u JOIN customers_customer o ON o.id = u.customer_id
            WHERE u.kind = e.kind AND coalesce(o.merged_into_id, o.id) = e.customer_id AND u.cashier_id = e.cashier_id
                AND u.settled_at >= e.at)
            AND (e.kind <> 'refunded' OR p.points IS NOT NULL)
    )
    INSERT INTO rewards_unusualuse
        (kind, customer_id, cashier_id, store_id, times, points, first_on, last_on, raised_at, note)
    SELECT kind, customer_id, cashier_id, (array_agg(store_id ORDER BY at DESC))[1], count(*), sum(points),
        min(on_day), max(on_day), %(now)s::timestamptz, ''
    FROM fresh GROUP BY kind, customer_id, cashier_id
    HAVING CASE kind
        WHEN 'same_card' THEN max(on_the_day) > %(in_a_day)s::int OR count(*) > %(in_a_week)s::int
        WHEN 'own_card' THEN count(*) > %(own)s::int
        WHEN 'refunded' THEN count(*) > %(refunds)s::int
        ELSE count(*) > %(claims)s::int END
    ORDER BY kind, customer_id, cashier_id
    ON CONFLICT (kind, customer_id, cashier_id) WHERE settled_at IS NULL DO UPDATE
        SET times = excluded.times, points = excluded.points,
            first_on = least(rewards_unusualuse.first_on, excluded.first_on), last_on = excluded.last_on
        WHERE rewards_unusualuse.times < excluded.times OR rewards_unusualuse.last_on < excluded.last_on
    RETURNING (xmax = 0) AS is_new"""  # noqa: S608 - of constants


@atomic_with_retry
def raise_unusual_use() -> int:
    """Raise what goes beyond the norms that managers set; return how many patterns are new.

    One set-based pass over a week of sales and a month of refunds and claims. Called again, it raises nothing twice;
    an open row is brought up to date and stays with the store whose manager was told.
    """
    today = Company.current().today()
    now = timezone.now()
    values = {
        "week_ago": today - WEEK,
        "month_ago": today - MONTH,
        "month_start": now - MONTH,
        "now": now,
        "in_a_day": value(knobs.UNUSUAL_VISITS_DAY),
        "in_a_week": value(knobs.UNUSUAL_VISITS_WEEK),
        "own": value(knobs.UNUSUAL_OWN_SALES),
        "refunds": value(knobs.UNUSUAL_REFUNDS),
        "claims": value(knobs.UNUSUAL_CLAIMS),
    }
    with connection.cursor() as cursor:
        cursor.execute(_RAISE, values)
        return sum(is_new for (is_new,) in cursor.fetchall())


@atomic_with_retry
def settle_unusual_use(*, use: UnusualUse, note: str, by: User) -> UnusualUse:
    """Put a pattern aside with what was found out. What happens from now on counts anew.

    A second time changes nothing. Raises `Refused` without a note and for the cashier whom it is about.
    """
    note = " ".join(note.split())
    if not note or len(note) > NOTE_LENGTH or not note.isprintable():
        raise Refused(
            _("Write what you found out, in at most %(count)s characters") % {"count": NOTE_LENGTH}, field="note"
        )
    use = UnusualUse.objects.select_for_update(of=("self",)).get(pk=use.pk)
    if use.settled_at is not None:
        return use
    if use.cashier_id == by.pk:
        raise Refused(_("This is about your own sales. Ask another manager to look at it."))
    use.settled_at, use.settled_by, use.note = timezone.now(), by, note
    use.save(update_fields=["settled_at", "settled_by", "note"])
    audit.record("settle unusual use", use, by=by, data={"kind": use.kind, "customer": use.customer_id})
    return use

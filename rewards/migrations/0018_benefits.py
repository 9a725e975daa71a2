from typing import Any

import django.db.models.deletion
import rewards.benefits.field
from django.db import migrations, models

# The value of a thing is what it costs; that of money off is what is taken off. None was ever below a cent on purpose.
_FILL = """
    UPDATE {table} SET benefit = jsonb_strip_nulls(jsonb_build_object('kind', {kind},
        'value_cents', CASE WHEN {kind} = 'money_off' THEN greatest(value_cents, 1) END,
        'worth_cents', CASE WHEN {kind} = 'free_item' THEN greatest(value_cents, 1) END,
        'minimum_spend_cents', nullif({least}, 0)))"""
_EMPTY = """
    UPDATE {table} SET {kind} = benefit ->> 'kind', value_cents = coalesce(benefit -> 'value_cents',
        benefit -> 'worth_cents', '0')::int{least} WHERE benefit ->> 'kind' IN ('money_off', 'free_item')"""
# The way back has columns for two kinds and no terms; what would be lost stops it, before anything changed.
_STOP_WHERE_LOST = """
    DO $$ BEGIN IF EXISTS (
        SELECT FROM (
            SELECT benefit, 'value_cents,worth_cents' AS kept FROM rewards_reward
            UNION ALL SELECT benefit, 'value_cents,worth_cents,minimum_spend_cents' FROM rewards_voucher
            UNION ALL SELECT benefit, 'value_cents,worth_cents,minimum_spend_cents' FROM rewards_offer
            UNION ALL SELECT benefit, 'value_cents,worth_cents,minimum_spend_cents' FROM rewards_run) AS b
        WHERE benefit ->> 'kind' NOT IN ('money_off', 'free_item')
            OR benefit - 'kind' - string_to_array(kept, ',') <> '{}'::jsonb)
        OR EXISTS (SELECT FROM rewards_promise WHERE redemption_id IS NOT NULL)
        OR EXISTS (SELECT FROM rewards_voucher WHERE origin_id IS NOT NULL)
        OR EXISTS (SELECT FROM rewards_redemption WHERE (off_cents, bonus_points) <> (0, 0) OR membership_id IS NOT NULL)
    THEN RAISE EXCEPTION 'Earlier versions know no such benefits, terms and promises: they would be lost.';
    END IF; END $$"""
_KINDS = [
    "money_off", "percent_off", "volume_off", "buy_one_get_one", "free_item", "next_purchase", "points_multiplier",
    "bonus_points", "membership", "gift", "free_trial", "extended_warranty", "low_interest_financing", "early_access",
    "exclusive_sale", "faster_service",
]  # fmt: skip


def _carried(model: str, kind: str, *, has_least: bool, verbose_name: str = "") -> list[Any]:
    """One column of a benefit instead of its kind, value and smallest visit."""
    table = f"rewards_{model}"
    words: dict[str, Any] = {"verbose_name": verbose_name} if verbose_name else {}
    known = models.Q(("benefit__kind__in", _KINDS))
    least_column = "minimum_spend_cents"
    least = ", minimum_spend_cents = coalesce(benefit -> 'minimum_spend_cents', '0')::int" if has_least else ""
    return [
        migrations.AddField(model, "benefit", rewards.benefits.field.BenefitField(null=True, **words)),
        migrations.RunSQL(
            _FILL.format(table=table, kind=kind, least="minimum_spend_cents" if has_least else "0"),
            _EMPTY.format(table=table, kind=kind, least=least),
        ),
        migrations.AlterField(model, "benefit", rewards.benefits.field.BenefitField(**words)),
        # Coming back, the columns are filled after they are there.
        migrations.AlterField(model, kind, models.CharField(max_length=12, default="money_off")),
        migrations.AlterField(model, "value_cents", models.PositiveIntegerField(default=0)),
        *([migrations.AlterField(model, least_column, models.PositiveIntegerField(default=0))] if has_least else []),
        migrations.RemoveField(model, kind),
        migrations.RemoveField(model, "value_cents"),
        *([migrations.RemoveField(model, least_column)] if has_least else []),
        migrations.AddConstraint(model, models.CheckConstraint(condition=known, name=f"rewards_{model}_benefit_known")),
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0011_no_index_twice_on_visits"),
        ("rewards", "0017_effects_and_hold_out"),
    ]

    operations = [
        *_carried("reward", "kind", has_least=False, verbose_name="benefit"),
        *_carried("voucher", "kind", has_least=True),
        *_carried("offer", "benefit_kind", has_least=True, verbose_name="benefit"),
        *_carried("run", "benefit_kind", has_least=True),
        migrations.AddField("redemption", "off_cents", models.BigIntegerField(db_default=0, default=0)),
        migrations.AddField("redemption", "bonus_points", models.BigIntegerField(db_default=0, default=0)),
        migrations.AddField(
            "redemption",
            "membership",
            models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="redemption",
                to="customers.membership",
            ),
        ),
        migrations.AddConstraint(
            "redemption",
            models.CheckConstraint(
                condition=models.Q(("bonus_points", 0), ("off_cents", 0))
                | models.Q(
                    ("bonus_points__gte", 0),
                    ("off_cents__gte", 0),
                    ("visit__isnull", False),
                    ("voucher__isnull", False),
                ),
                name="rewards_redemption_changes_a_visit_by_a_code",
            ),
        ),
        migrations.AddField(
            "voucher",
            "origin",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="issued",
                to="rewards.redemption",
            ),
        ),
        migrations.AddConstraint(
            "voucher",
            models.UniqueConstraint(
                condition=models.Q(("origin__isnull", False)),
                fields=("origin",),
                name="rewards_voucher_one_of_each_origin",
            ),
        ),
        migrations.AlterField(
            "promise", "tier", models.CharField(blank=True, default="", max_length=20, verbose_name="tier")
        ),
        migrations.AlterField(
            "promise",
            "programme_version",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="rewards.programmeversion",
            ),
        ),
        migrations.AddField(
            "promise",
            "redemption",
            models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="promise",
                to="rewards.redemption",
            ),
        ),
        migrations.AddConstraint(
            "promise",
            models.CheckConstraint(
                condition=models.Q(("programme_version__isnull", False), ("redemption__isnull", True), ("tier__gt", ""))
                | models.Q(("programme_version__isnull", True), ("redemption__isnull", False), ("tier", "")),
                name="rewards_promise_of_a_rise_or_of_a_use",
            ),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, _STOP_WHERE_LOST),
    ]

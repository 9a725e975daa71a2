from django.db import migrations

COLUMNS = (
    "id",
    "account_id",
    "reference",
    "posting_id",
    "continues_id",
    "points",
    "earned_at",
    "earned_on",
    "available_on",
    "idle_days",
)
BEFORE = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in COLUMNS if column != "idle_days")
NOW = " OR ".join(
    [
        *(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in COLUMNS),
        "(OLD.idle_days IS NULL AND OLD.good_through IS DISTINCT FROM NEW.good_through)",
        "NEW.good_through < OLD.good_through",
    ]
)
TRIGGER = """DROP TRIGGER rewards_lot_unchanging ON rewards_lot;
CREATE TRIGGER rewards_lot_unchanging BEFORE UPDATE ON rewards_lot
    FOR EACH ROW WHEN ({}) EXECUTE FUNCTION loyaltycrm_refuse_change()"""


class Migration(migrations.Migration):
    """The end of a lot only moves on, and only where activity prolongs it."""

    dependencies = [("rewards", "0010_merges")]

    operations = [migrations.RunSQL(TRIGGER.format(NOW), TRIGGER.format(BEFORE))]

from django.db import migrations

from loyaltycrm.lib.constraints import REFUSE_FUNCTION

NAME = "rewards_redemption_keeps_its_visit"
TRIGGER = f"""CREATE TRIGGER {NAME} BEFORE UPDATE OF visit_id ON rewards_redemption
    FOR EACH ROW WHEN (OLD.visit_id IS DISTINCT FROM NEW.visit_id
        AND (OLD.visit_id IS NOT NULL OR OLD.undone_at IS NOT NULL))
    EXECUTE FUNCTION loyaltycrm_refuse_change()"""


class Migration(migrations.Migration):
    """A use of points gets a visit once, while it stands: the books are worked out from it."""

    dependencies = [("rewards", "0030_standings_by_tier")]

    operations = [migrations.RunSQL([REFUSE_FUNCTION, TRIGGER], [f"DROP TRIGGER {NAME} ON rewards_redemption"])]

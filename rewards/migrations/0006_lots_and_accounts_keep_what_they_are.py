from django.db import migrations

from loyaltycrm.lib.constraints import unchanging


class Migration(migrations.Migration):
    dependencies = [("rewards", "0005_partners")]

    operations = [
        unchanging(
            "rewards_lot",
            "id",
            "account_id",
            "reference",
            "posting_id",
            "continues_id",
            "points",
            "earned_at",
            "earned_on",
            "available_on",
        ),
        unchanging("rewards_account", "id", "kind", "customer_id", "partner_id"),
    ]

from django.db import migrations

from loyaltycrm.lib.constraints import not_of_merged


class Migration(migrations.Migration):
    """Nothing is written for a profile in the moment in which it is merged into another."""

    dependencies = [("customers", "0006_merges")]

    operations = [
        not_of_merged("customers_consentevent"),
        not_of_merged("customers_contacthold"),
        not_of_merged("customers_identifier"),
        not_of_merged("customers_loyaltyflag"),
        not_of_merged("customers_membership"),
        not_of_merged("customers_signal"),
    ]

from django.db import migrations

from loyaltycrm.lib.constraints import append_only


class Migration(migrations.Migration):
    dependencies = [("customers", "0001_initial")]

    operations = [append_only("customers_consentevent"), append_only("customers_groupchange")]

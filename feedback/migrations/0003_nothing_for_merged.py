from django.db import migrations

from loyaltycrm.lib.constraints import not_of_merged


class Migration(migrations.Migration):
    """No ticket or survey is written for a profile in the moment in which it is merged into another."""

    dependencies = [("customers", "0007_nothing_for_merged"), ("feedback", "0002_deadlines")]

    operations = [not_of_merged("feedback_ticket"), not_of_merged("feedback_surveyinvitation")]

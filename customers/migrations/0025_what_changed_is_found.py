from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Tables of millions of rows: no till waits while the indexes are built.
    atomic = False

    dependencies = [
        ("customers", "0024_visit_sums"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="visit",
            index=models.Index(
                condition=models.Q(("claimed_at__isnull", False)),
                fields=["claimed_at"],
                name="customers_visit_claimed",
            ),
        ),
        AddIndexConcurrently(
            model_name="refund",
            index=models.Index(fields=["recorded_at"], name="customers_refund_recorded"),
        ),
    ]

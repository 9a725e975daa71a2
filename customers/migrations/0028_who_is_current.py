from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Lists count their first rows: whether each is a profile that stands is then told by an index alone."""

    atomic = False

    dependencies = [
        ("customers", "0027_segment_counts"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(
                fields=["id"],
                name="customers_customer_current",
                condition=models.Q(merged_into__isnull=True, erased_at__isnull=True),
            ),
        ),
    ]

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0026_classified_by_lateness"),
    ]

    operations = [
        migrations.CreateModel(
            name="SegmentCount",
            fields=[
                (
                    "segment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="kept_count",
                        serialize=False,
                        to="customers.segment",
                    ),
                ),
                ("definition", models.JSONField()),
                ("count", models.PositiveBigIntegerField()),
                ("counted_at", models.DateTimeField()),
            ],
        ),
    ]

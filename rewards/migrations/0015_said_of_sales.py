import django.db.models.deletion
from django.db import migrations, models

from loyaltycrm.lib.constraints import append_only


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0012_notes_households_duplicates"),
        ("rewards", "0014_audiences"),
    ]

    operations = [
        migrations.CreateModel(
            name="SaidOfSale",
            fields=[
                (
                    "visit",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="said_of_sale",
                        serialize=False,
                        to="customers.visit",
                    ),
                ),
                ("facts", models.JSONField()),
            ],
            options={
                "verbose_name": "words of a till",
                "verbose_name_plural": "words of tills",
            },
        ),
        append_only("rewards_saidofsale"),
    ]

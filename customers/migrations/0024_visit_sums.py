import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0023_referrals_that_end_with_an_erasure"),
    ]

    operations = [
        migrations.CreateModel(
            name="SummedVisits",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("changed_since", models.DateTimeField()),
                ("summed_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="customers_summed_visits_one_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="VisitSums",
            fields=[
                (
                    "customer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="visit_sums",
                        serialize=False,
                        to="customers.customer",
                    ),
                ),
                ("last_visit_on", models.DateField(null=True)),
                ("visits_of_year", models.PositiveIntegerField()),
                ("spent_of_year_cents", models.BigIntegerField()),
                ("changes_on", models.DateField(null=True)),
                ("summed_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["-last_visit_on", "customer"], name="customers_visitsums_last"),
                    models.Index(fields=["visits_of_year"], name="customers_visitsums_visits"),
                    models.Index(fields=["spent_of_year_cents"], name="customers_visitsums_spent"),
                    models.Index(fields=["changes_on"], name="customers_visitsums_changes"),
                ],
            },
        ),
    ]

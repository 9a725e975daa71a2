import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Altering the fields would drop their foreign keys too and check every visit anew, while no till can write.
INDEXES = {"customer": "68cca658", "store": "79e4fbae", "voided_by": "a182d538"}


def drop_index(column: str, mark: str) -> migrations.RunSQL:
    name = f"customers_visit_{column}_{mark}"
    return migrations.RunSQL(sql=f"DROP INDEX {name}", reverse_sql=f"CREATE INDEX {name} ON customers_visit ({column})")


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0006_tills_and_pins"),
        ("customers", "0010_shipped_segments"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[drop_index(f"{field}_id", mark) for field, mark in INDEXES.items()],
            state_operations=[
                migrations.AlterField(
                    model_name="visit",
                    name="customer",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="visits",
                        to="customers.customer",
                    ),
                ),
                migrations.AlterField(
                    model_name="visit",
                    name="store",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="visits",
                        to="core.store",
                    ),
                ),
                migrations.AlterField(
                    model_name="visit",
                    name="voided_by",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # A row for each customer: the night does not wait while the index is built.
    atomic = False

    dependencies = [
        ("customers", "0025_what_changed_is_found"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="classification",
            index=models.Index(
                models.Func(
                    models.F("last_visit_on"),
                    models.F("usual_gap_days"),
                    arg_joiner=" + ceil(greatest(",
                    output_field=models.DateField(),
                    template="(%(expressions)s, 2))::integer)",
                ),
                condition=models.Q(("usual_gap_days__gt", 0)),
                name="customers_classif_late",
            ),
        ),
    ]

from typing import Any

from django.db import migrations

HOURS = {
    ("complaint", ""): 48,
    ("complaint", "silver"): 36,
    ("complaint", "gold"): 24,
    ("question", ""): 48,
    ("question", "gold"): 24,
    ("suggestion", ""): 120,
    ("praise", ""): 120,
}


def ship_deadlines(apps: Any, schema_editor: Any) -> None:
    policy = apps.get_model("feedback", "DeadlinePolicy")
    policy.objects.bulk_create(policy(kind=kind, tier=tier, hours=hours) for (kind, tier), hours in HOURS.items())


class Migration(migrations.Migration):
    dependencies = [("feedback", "0001_initial")]

    operations = [migrations.RunPython(ship_deadlines, migrations.RunPython.noop)]

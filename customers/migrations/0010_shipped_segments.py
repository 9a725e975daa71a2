from typing import Any

from django.db import migrations

SHIPPED: list[tuple[str, str, dict[str, Any]]] = [
    ("loyal", "Loyal customers", {"loyal": {"is": True}}),
    ("at_risk", "At risk and valuable", {"late": {"least": 15}, "expected": {"least": 100_00}}),
    ("birthday", "Birthday this month", {"birthday": {"op": "any", "values": ["this"]}}),
    ("new", "New, without a second visit", {"known": {"most": 60}, "visits": {"least": 1, "most": 1}}),
]


def ship(apps: Any, _editor: Any) -> None:
    segments = apps.get_model("customers", "Segment").objects
    for key, name, definition in SHIPPED:
        segments.create(key=key, name=name, definition=definition)


class Migration(migrations.Migration):
    """The segments that every shop begins with."""

    dependencies = [("customers", "0009_segments")]

    operations = [migrations.RunPython(ship, migrations.RunPython.noop)]

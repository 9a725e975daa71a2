from typing import Any

from django.db import migrations

from loyaltycrm.lib.constraints import append_only

SHIPPED_RULES = {
    "earning": {
        "points": 1,
        "step_cents": 100,
        "multipliers": [
            {
                "names": {
                    "en": "Double points at the weekend",
                    "lv": "Nedēļas nogalē dubulti punkti",
                    "ru": "Двойные баллы в выходные",
                },
                "factor": 2,
                "weekdays": [5, 6],
            }
        ],
        "pending_days": 0,
    },
    "expiry": {"policy": "days_after_earning", "days": 365},
    "redemption": {"points": 500, "value_cents": 500},
    "refunds": {"shortfall": "arrears", "grace_days": 14},
    "tiers": {
        "qualify_on": "net_spend",
        "window_days": 365,
        "levels": [
            {"key": "member", "from_cents": 0},
            {"key": "silver", "from_cents": 100000},
            {"key": "gold", "from_cents": 250000},
        ],
    },
}


def ship_programme(apps: Any, schema_editor: Any) -> None:
    apps.get_model("rewards", "ProgrammeVersion").objects.create(
        number=1, starts_on=None, rules=SHIPPED_RULES, note="As shipped"
    )
    account = apps.get_model("rewards", "Account")
    account.objects.bulk_create(account(kind=kind) for kind in ("issued", "redeemed", "lapsed", "goodwill"))


class Migration(migrations.Migration):
    dependencies = [("rewards", "0001_initial")]

    operations = [
        migrations.RunPython(ship_programme, migrations.RunPython.noop),
        append_only("rewards_posting"),
        append_only("rewards_lotuse"),
        append_only("rewards_programmeversion"),
    ]

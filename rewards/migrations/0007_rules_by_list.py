"""The rules of versions written before rules had conditions, as the same rules in the new words."""

from typing import Any

from django.db import migrations

RATE = {
    "en": "Points for what is paid",
    "lv": "Punkti par samaksāto",
    "ru": "Баллы за оплаченное",
}
TIER_NAMES = {
    "member": {"en": "Member", "lv": "Dalībnieks", "ru": "Участник"},
    "silver": {"en": "Silver", "lv": "Sudraba", "ru": "Серебряный"},
    "gold": {"en": "Gold", "lv": "Zelta", "ru": "Золотой"},
}
ALWAYS: dict[str, Any] = {
    **{name: [] for name in ("stores", "channels", "weekdays", "products", "categories", "tiers", "partners")},
    **dict.fromkeys(("from_time", "until_time", "birthday", "first_day", "last_day")),
    "payment_methods": [],
    "min_net_cents": 0,
    "first_purchase": False,
}
UNLIMITED = {"group": None, "cap": None, "budget_points": None}


def rewritten(old: dict[str, Any]) -> dict[str, Any]:
    """The same rules in the new shape."""
    earning, expiry, tiers = old["earning"], old["expiry"], old["tiers"]
    rate = {
        "key": "rate",
        "names": RATE,
        "gives": {
            "kind": "per_amount",
            "points": earning["points"],
            "step_cents": earning["step_cents"],
            "proportional": False,
        },
        "when": ALWAYS,
        **UNLIMITED,
    }
    multipliers = [
        {
            "key": "weekend" if number == 1 else f"times_{number}",
            "names": one["names"],
            "gives": {"kind": "times", "numerator": one["factor"], "denominator": 1},
            "when": {**ALWAYS, "weekdays": one["weekdays"]},
            **UNLIMITED,
        }
        for number, one in enumerate(earning["multipliers"], start=1)
        if one["weekdays"]
    ]
    life = {"policy": "never"} if expiry["policy"] == "never" else expiry
    return {
        "earning": {
            "base": {
                "paid_with_points": "counts",
                "gift_cards": "counts",
                "gift_card_categories": [],
                "tax": "with",
                "tax_basis_points": 0,
            },
            "rounding": "down",
            "pending_days": earning["pending_days"],
            "rules": [rate, *multipliers],
        },
        "expiry": {"earned": life, "goodwill": life, "bonus": life},
        "redemption": {**old["redemption"], "minimum_points": 0},
        "refunds": old["refunds"],
        "tiers": {
            "qualify_on": tiers["qualify_on"],
            "window": {"kind": "trailing", "days": tiers["window_days"]},
            "review": "daily",
            "grace_days": 0,
            "levels": [
                {
                    "key": level["key"],
                    "names": TIER_NAMES.get(level["key"], {"en": level["key"]}),
                    "threshold": level["from_cents"],
                    "privileges": [],
                }
                for level in tiers["levels"]
            ],
        },
        "membership": None,
        "volume_discount": None,
    }


def rewrite(apps: Any, schema_editor: Any) -> None:
    # The one time that versions are rewritten: their words change, what they give does not.
    schema_editor.execute("ALTER TABLE rewards_programmeversion DISABLE TRIGGER rewards_programmeversion_append_only")
    for version in apps.get_model("rewards", "ProgrammeVersion").objects.order_by("number"):
        if "rules" not in version.rules["earning"]:
            version.rules = rewritten(version.rules)
            version.save(update_fields=["rules"])
    schema_editor.execute("ALTER TABLE rewards_programmeversion ENABLE TRIGGER rewards_programmeversion_append_only")


class Migration(migrations.Migration):
    dependencies = [("rewards", "0006_lots_and_accounts_keep_what_they_are")]

    operations = [migrations.RunPython(rewrite, migrations.RunPython.noop)]

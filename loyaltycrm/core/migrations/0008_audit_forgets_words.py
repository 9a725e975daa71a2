from django.db import migrations

from loyaltycrm.lib.constraints import forgetting


class Migration(migrations.Migration):
    """Of an audit row only the words that somebody wrote can be taken away, when the person they are about is erased."""

    dependencies = [("core", "0007_import_jobs")]

    operations = [
        forgetting(
            "core_auditevent",
            ["id", "at", "by_id", "action", "subject_type", "subject_id"],
            data="OLD.data - ARRAY['reason', 'reply', 'note']",
        ),
    ]

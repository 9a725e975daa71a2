from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Who holds a tier that few hold is found without looking at everybody."""

    atomic = False

    dependencies = [
        ("rewards", "0029_drafts_of_each_person"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="tierstanding",
            index=models.Index(fields=["tier", "customer"], name="rewards_standing_of_tier"),
        ),
    ]

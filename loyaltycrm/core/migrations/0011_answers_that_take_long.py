from django.db import migrations, models


class Migration(migrations.Migration):
    """How long an answer took to find says whether a page waits for it."""

    dependencies = [
        ("core", "0010_kept_answers"),
    ]

    operations = [
        migrations.AddField(
            model_name="keptanswer",
            name="seconds",
            field=models.FloatField(default=0),
        ),
    ]

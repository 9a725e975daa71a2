from django.db import migrations, models


class Migration(migrations.Migration):
    """A step is kept with what it is made of, which is longer than the sentence."""

    dependencies = [
        ("core", "0011_answers_that_take_long"),
    ]

    operations = [
        migrations.AlterField(
            model_name="importjob",
            name="step",
            field=models.TextField(blank=True, default=""),
        ),
    ]

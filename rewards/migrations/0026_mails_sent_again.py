from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rewards", "0025_closed_accounts"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="may_have_arrived",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0022_answers_and_fresh_links_by_mail"),
    ]

    operations = [
        migrations.AlterField(
            model_name="referral",
            name="ended_because",
            field=models.CharField(
                blank=True,
                choices=[
                    ("household", "One household"),
                    ("known", "No new customer"),
                    ("erased", "Erased customer"),
                ],
                default="",
                max_length=12,
            ),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0009_imports_forget"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=200, unique=True)),
                ("answer", models.JSONField()),
                ("since", models.DateTimeField()),
                ("changes", models.JSONField()),
                ("kept_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]

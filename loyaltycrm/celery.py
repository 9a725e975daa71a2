"""The Celery application and the one list of what ticks."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyaltycrm.settings")

app = Celery("loyaltycrm")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "customers-tick": {"task": "customers.tasks.tick", "schedule": 60.0, "options": {"expires": 55}},
    "visit-sums": {"task": "customers.tasks.keep_visit_sums", "schedule": 60.0, "options": {"expires": 55}},
    "segments": {"task": "customers.tasks.count_segments", "schedule": 60.0, "options": {"expires": 55}},
    "rewards-tick": {"task": "rewards.tasks.tick", "schedule": 60.0, "options": {"expires": 55}},
    "unusual-use": {"task": "rewards.tasks.look_for_unusual_use", "schedule": 900.0, "options": {"expires": 890}},
    "feedback-tick": {"task": "feedback.tasks.tick", "schedule": 60.0, "options": {"expires": 55}},
    "webhooks-tick": {"task": "loyaltycrm.core.tasks.webhooks_tick", "schedule": 10.0, "options": {"expires": 55}},
    "books": {"task": "rewards.tasks.keep_books", "schedule": 600.0, "options": {"expires": 590}},
    "mails": {"task": "loyaltycrm.shop.tasks.send_mails", "schedule": 20.0, "options": {"expires": 19}},
    "imports-tick": {"task": "loyaltycrm.shop.tasks.imports_tick", "schedule": 5.0, "options": {"expires": 30}},
    "overview": {"task": "loyaltycrm.shop.tasks.keep_overview", "schedule": 300.0, "options": {"expires": 290}},
    "nightly": {"task": "loyaltycrm.shop.tasks.run_due_nights", "schedule": 300.0, "options": {"expires": 290}},
}

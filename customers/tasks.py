"""What this app does every minute."""

from celery import shared_task

from customers.actions.duplicates import run_waiting_search
from customers.actions.segment_counts import count_segments
from customers.actions.visit_sums import sum_visits
from loyaltycrm.lib.locks import only_one

LONGEST_SECONDS = 3_600


@shared_task(name="customers.tasks.tick", soft_time_limit=LONGEST_SECONDS, time_limit=LONGEST_SECONDS + 30)
def tick() -> None:
    """Do the search for duplicates that was asked for. While one is under way, and without one, nothing happens."""
    run_waiting_search()


@shared_task(name="customers.tasks.keep_visit_sums", soft_time_limit=LONGEST_SECONDS, time_limit=LONGEST_SECONDS + 30)
def keep_visit_sums() -> None:
    """Make the sums of those whose visits changed anew. While that is under way, nothing happens."""
    with only_one("customers.visit_sums") as is_ours:
        if is_ours:
            sum_visits()


@shared_task(name="customers.tasks.count_segments", soft_time_limit=LONGEST_SECONDS, time_limit=LONGEST_SECONDS + 30)
def count_due_segments() -> None:
    """Count the segments that are due, where they are too many customers for a page. One process does it at a time."""
    with only_one("customers.segment_counts") as is_ours:
        if is_ours:
            count_segments()

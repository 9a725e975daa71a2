"""What this app does every minute."""

from celery import shared_task

from customers.actions.duplicates import run_waiting_search

LONGEST_SECONDS = 3_600


@shared_task(name="customers.tasks.tick", soft_time_limit=LONGEST_SECONDS, time_limit=LONGEST_SECONDS + 30)
def tick() -> None:
    """Do the search for duplicates that was asked for. While one is under way, and without one, nothing happens."""
    run_waiting_search()

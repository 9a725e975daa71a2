"""What ticks for the whole shop."""

from celery import shared_task

from loyaltycrm.shop.actions.night import run_night


@shared_task(name="loyaltycrm.shop.tasks.run_due_nights")
def run_due_nights() -> None:
    """Do the night's work once after midnight of the company's calendar; asked again, it does nothing."""
    run_night()

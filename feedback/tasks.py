"""What this app does every minute."""

from celery import shared_task

from feedback.actions.surveys import settle_lost_mails
from feedback.actions.tickets import mark_missed


@shared_task(name="feedback.tasks.tick")
def tick() -> None:
    """Record missed deadlines and invitations whose sending broke off. Running twice does no harm."""
    mark_missed()
    settle_lost_mails()

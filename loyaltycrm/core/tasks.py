"""What the worker does for webhooks. A message only says that there is work: the rows say what."""

from __future__ import annotations

import logging
from typing import Final

from celery import shared_task
from kombu.exceptions import OperationalError

from loyaltycrm.core.actions.webhook_deliveries import endpoints_to_send, expire_claims
from loyaltycrm.core.actions.webhook_resending import continue_resends
from loyaltycrm.core.actions.webhook_sending import send_due_webhooks
from loyaltycrm.core.actions.webhook_upkeep import switch_off_failing_webhooks, tell_admins_of_switched_off

logger = logging.getLogger(__name__)

# Longer than a turn of sending offers takes, so that there is a worker free for it in time.
EXPIRES_SECONDS: Final = 55


@shared_task(name="loyaltycrm.core.tasks.webhooks_tick")
def webhooks_tick() -> None:
    """Every ten seconds: tidy up, and say which receivers there is something for. Twice at once does no harm."""
    expire_claims()
    switch_off_failing_webhooks()
    tell_admins_of_switched_off()
    continue_resends()
    try:
        for endpoint_id in endpoints_to_send():
            send_webhooks.apply_async((endpoint_id,), expires=EXPIRES_SECONDS)
    except OperationalError:
        logger.warning("The message broker does not answer; the next tick tries again.")


@shared_task(name="loyaltycrm.core.tasks.send_webhooks")
def send_webhooks(endpoint_id: int) -> None:
    """One receiver's turn. What is not sent in it has to wait for the next, so that every receiver gets one."""
    send_due_webhooks(endpoint_id=endpoint_id)

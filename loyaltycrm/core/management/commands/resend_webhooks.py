"""Have a receiver of webhooks told again of what happened in a period."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyaltycrm.core.actions.webhook_resending import ENDED, continue_resends, resend_webhooks_of_period
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.event_kinds import REGISTRY
from loyaltycrm.core.models import Company, WebhookEndpoint


class Command(BaseCommand):
    help = "Queue the events of a period for a receiver again, under the numbers they had. The worker sends them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("receiver", metavar="NAME", help="the receiver's name")
        parser.add_argument(
            "--since", metavar="TIME", required=True, help="such as 2026-07-14T08:00; the company's time"
        )
        parser.add_argument("--until", metavar="TIME", help="the end, not included; now where left out")
        parser.add_argument("--kind", default="", choices=sorted(REGISTRY), help="only events of this kind")
        parser.add_argument("--only", default="", choices=[str(one) for one in ENDED], help="only with this outcome")

    def handle(self, *args: Any, **options: Any) -> None:
        endpoint = WebhookEndpoint.objects.kept().filter(name=options["receiver"]).order_by("pk").first()
        if endpoint is None:
            raise CommandError(_("No receiver is called %(name)s.") % {"name": options["receiver"]})
        try:
            resend = resend_webhooks_of_period(
                endpoint=endpoint,
                since=_instant(options["since"]),
                until=_instant(options["until"]) if options["until"] else timezone.now(),
                kind=options["kind"],
                only=options["only"],
                by=None,
            )
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        continue_resends()
        words = ngettext("%(count)s event waits again.", "%(count)s events wait again.", resend.total)
        self.stdout.write(words % {"count": resend.total})


def _instant(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(_("Write the time as 2026-07-14T08:00, not %(time)s.") % {"time": text}) from error
    return given if given.tzinfo else given.replace(tzinfo=Company.current().zone)

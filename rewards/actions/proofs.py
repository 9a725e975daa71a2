"""Looking at an offer's mail before anybody gets it: as a real customer, and in one's own mailbox."""

from __future__ import annotations

from smtplib import SMTPException

from django.db import transaction
from django.utils.translation import gettext as _

from customers.models import Customer
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from rewards.choices.showing import ShownOption
from rewards.emails import why_not_to_send
from rewards.models import OWN, Offer
from rewards.previews import letters_of


@transaction.atomic
def look_as(*, offer: Offer, customer: Customer, by: User) -> None:
    """Write down that somebody looked at an offer's mail as this customer, whose name and points it shows."""
    audit.record("preview offer", customer, by=by, data={"offer": offer.pk})


@transaction.atomic
def send_test_mail(*, offer: Offer, customer: Customer | None, shown: ShownOption, by: User) -> list[str]:
    """Send the mail to one's own address in every language whose words are there; give the languages.

    It is the mail as this customer would get it with this choice, with a code that no till takes and links that lead
    nowhere. Raises `Refused` when no mail may leave, when no language is complete, or when the mail server does not
    take it.
    """
    why = why_not_to_send()
    if why is not None:
        raise Refused(why)
    letters = letters_of(offer, customer, shown=shown, address=by.email)
    if not letters:
        raise Refused(_("Write every text of at least one language first."))
    try:
        for letter in letters.values():
            letter.as_message().send()
    except (SMTPException, OSError) as error:
        raise Refused(_("The mail server did not take it. Try again in a minute.")) from error
    choice = {} if shown.number == OWN else {"choice": shown.number}
    audit.record("send test mail", offer, by=by, data={"languages": list(letters), **choice})
    return list(letters)

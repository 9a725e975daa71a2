"""Through whose eyes, and with which choice, an offer's mail is looked at or tried."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from customers.models import Customer
from loyaltycrm.core.models import User
from loyaltycrm.lib.translated import pick
from rewards.choices import Option
from rewards.choices.showing import ShownOption, shown_to
from rewards.models import OWN, Offer
from rewards.previews import options_to_be, preview_reader, readers_called


@dataclass(frozen=True, slots=True)
class Seen:
    """What was typed for the reader and whom that leads to, the reader, and the choice among all of the offer."""

    typed: str
    found: list[Customer]
    reader: Customer | None
    options: dict[int, Option]
    shown: ShownOption

    @property
    def is_chosen(self) -> bool:
        """Whether the reader is somebody whom a person named."""
        return bool(self.typed) and len(self.found) == 1

    @property
    def names(self) -> list[tuple[int, str]]:
        """Each choice with its name; none where there is nothing to choose from."""
        return (
            [(number, pick(one.given.names)) for number, one in self.options.items()] if len(self.options) > 1 else []
        )


def seen_by(user: User, offer: Offer, asked: QueryDict) -> Seen:
    """By the parameters `reader` and `choice`; a reader who is not one person is somebody of the audience, and a choice
    that there is not is the offer's own benefit."""
    typed = asked.get("reader", "")[:64].strip()
    found = readers_called(typed)
    reader = found[0] if len(found) == 1 else preview_reader(offer.audience)
    options = options_to_be(offer)
    by_text = {str(number): one for number, one in options.items()}
    option = by_text.get(asked.get("choice", ""), options[OWN])
    return Seen(typed, found, reader, options, shown_to(reader, option, user=user))

"""Answers which customer a member of staff is (`loyaltycrm.core.own_customers`)."""

from customers.models import Customer, Identifier
from loyaltycrm.lib.contacts import card_key


class Numbers:
    """Customers by their number, or by an active card."""

    def id_of(self, number: str) -> int | None:
        """The customer that a customer or card number names, the customer number first; None for nobody."""
        own = Customer.objects.filter(external_id=number).first()
        if own is not None:
            return own.current.pk
        cards = Identifier.objects.filter(kind=Identifier.Kind.CARD, value=card_key(number), is_active=True)
        return cards.values_list("customer", flat=True).first()

    def number_of(self, customer_id: int) -> str:
        """The customer's number; blank for nobody."""
        return Customer.objects.filter(pk=customer_id).values_list("external_id", flat=True).first() or ""

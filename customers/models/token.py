from django.db import models
from django.utils import timezone

from customers.models.consent import Channel, Purpose
from customers.models.customer import Customer


class UnsubscribeToken(models.Model):
    """What an unsubscribe link names: the customer and the list. Stored hashed; never ends, depends on no offer."""

    token_hash = models.CharField(max_length=64, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=10, choices=Purpose)
    channel = models.CharField(max_length=10, choices=Channel)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.purpose} {self.channel}"

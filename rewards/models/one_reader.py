from django.db import models

from customers.models import Customer
from rewards.models.offer import Run


class OneReader(models.Model):
    """The one customer to whom somebody sends an offer from the profile: nobody else is asked for this run.

    It names the profile as it was then; `current` of it stands for the person.
    """

    run = models.OneToOneField(Run, primary_key=True, on_delete=models.PROTECT, related_name="one_reader")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.run_id}: {self.customer_id}"

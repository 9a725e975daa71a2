from django.contrib.postgres.fields import ArrayField
from django.db import models

from customers.models import Merge
from rewards.models.account import Account


class AccountMerge(models.Model):
    """What a merge of customers did to their accounts, kept for its undoing and for the check of the ledger.

    `lots_before` is the largest id of a lot at the time: what came with the merge, or after it, has a larger one.
    `family` are the accounts that the merged one stood for: its own and those merged into it before.
    """

    merge = models.OneToOneField(Merge, primary_key=True, on_delete=models.PROTECT, related_name="points")
    survivor = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    merged = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    lots_before = models.BigIntegerField()
    family = ArrayField(models.BigIntegerField())

    def __str__(self) -> str:
        return f"{self.merged_id} → {self.survivor_id}"

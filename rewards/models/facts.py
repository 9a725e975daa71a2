from django.db import models

from customers.models import Visit
from rewards.models.programme import ProgrammeVersion


class SaleFacts(models.Model):
    """What a visit was when it earned: a sale is evaluated once, and later questions ask this row.

    Only visits under a version that asks for more than net and day, and those on which a code gave points, have one.
    `facts` is `rewards.programme.as_facts` of the basket, `given` the points by key of the rule. Append-only.
    """

    visit = models.OneToOneField(Visit, primary_key=True, on_delete=models.PROTECT, related_name="sale_facts")
    programme_version = models.ForeignKey(ProgrammeVersion, on_delete=models.PROTECT, related_name="+", db_index=False)
    facts = models.JSONField()
    given = models.JSONField()

    class Meta:
        verbose_name = "facts of a sale"
        verbose_name_plural = "facts of sales"

    def __str__(self) -> str:
        return f"{self.visit_id}"


class SaidOfSale(models.Model):
    """What the till said of a sale without a customer, for whoever claims its receipt later.

    Only where the version of its day asks for more than net and day. `facts` is `rewards.programme.as_facts` of what
    the till said; what is to be known of the customer is found at the claim. Append-only.
    """

    visit = models.OneToOneField(Visit, primary_key=True, on_delete=models.PROTECT, related_name="said_of_sale")
    facts = models.JSONField()

    class Meta:
        verbose_name = "words of a till"
        verbose_name_plural = "words of tills"

    def __str__(self) -> str:
        return f"{self.visit_id}"


class RuleBudget(models.Model):
    """What a rule with a budget gave so far to all customers under its version; the visits that stand, none undone.

    Only tills at which such a rule applies lock its row.
    """

    programme_version = models.ForeignKey(ProgrammeVersion, on_delete=models.PROTECT, related_name="+", db_index=False)
    rule_key = models.CharField(max_length=30)
    points_given = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["programme_version", "rule_key"], name="rewards_budget_one_of_each_rule"),
            models.CheckConstraint(condition=models.Q(points_given__gte=0), name="rewards_budget_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.programme_version_id}/{self.rule_key}"

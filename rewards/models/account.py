from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from rewards.models.partner import Partner


class AccountKind(models.TextChoices):
    CUSTOMER = "customer", _("Customer")
    ISSUED = "issued", _("Issued by the programme")
    REDEEMED = "redeemed", _("Redeemed")
    LAPSED = "lapsed", _("Lapsed")
    GOODWILL = "goodwill", _("Goodwill")
    ADJUSTED = "adjusted", _("Adjusted by hand")
    OPENING = "opening", _("Opening balances")
    CLOSED = "closed", _("Closed accounts")
    PARTNER = "partner", _("Partner")


class Account(models.Model):
    """A place where points are. Only customers' accounts store a balance: one shared row would queue every till.

    The programme has one account of each kind; every partner has one of its own, which points earned there come from
    and points used there go to.

    `book_balance` = sum of postings = sum of lots − `arrears`, at every instant. The available balance leaves out
    lapsed and pending lots (`rewards.queries`). One of an erased customer is closed: nothing is earned or used on it,
    and what a late refund brings is posted out of it again. While its customer is merged into another an account is
    empty and nothing is posted to it.
    """

    kind = models.CharField(max_length=10, choices=AccountKind)
    customer = models.OneToOneField(Customer, null=True, on_delete=models.PROTECT, related_name="account")
    partner = models.OneToOneField(Partner, null=True, on_delete=models.PROTECT, related_name="account")
    book_balance = models.BigIntegerField(default=0)
    arrears = models.BigIntegerField(default=0)
    merged_into = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="former", db_index=False)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="customer", customer__isnull=False, partner__isnull=True)
                | Q(kind="partner", partner__isnull=False, customer__isnull=True, book_balance=0, arrears=0)
                | (
                    ~Q(kind__in=["customer", "partner"])
                    & Q(customer__isnull=True, partner__isnull=True, book_balance=0, arrears=0)
                ),
                name="rewards_account_of_customer_or_of_programme",
            ),
            models.UniqueConstraint(
                fields=["kind"],
                condition=~Q(kind__in=["customer", "partner"]),
                name="rewards_account_one_of_each_programme_kind",
            ),
            models.CheckConstraint(condition=Q(arrears__gte=0), name="rewards_account_arrears_not_negative"),
            models.CheckConstraint(
                condition=Q(book_balance__gte=-models.F("arrears")), name="rewards_account_not_overdrawn"
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | Q(kind="customer", book_balance=0, arrears=0),
                name="rewards_account_merged_is_empty",
            ),
        ]
        indexes = [
            models.Index(fields=["merged_into"], name="rewards_account_former", condition=Q(merged_into__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.customer_id or self.partner_id or ''}"

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.models.customer import Customer
from customers.models.product import Product
from loyaltycrm.core.models import Store

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


class PaymentMethod(models.TextChoices):
    CASH = "cash", _("Cash")
    CARD = "card", pgettext_lazy("payment card", "Card")
    MOBILE = "mobile", _("Phone")
    POINTS = "points", _("Points")
    UNKNOWN = "", _("Not known")


class VisitChannel(models.TextChoices):
    TILL = "till", _("Till")
    IMPORT = "import", _("Import")
    API = "api", _("Connected till")
    WEB = "web", _("Web shop")


class VisitQuerySet(models.QuerySet["Visit"]):
    def for_staff(self, user: User) -> VisitQuerySet:
        """The visits of this person's stores."""
        return self if user.sees_all_stores else self.filter(store__staff=user)

    def standing(self) -> VisitQuerySet:
        """Visits that were not undone."""
        return self.filter(voided_at__isnull=True)


class Visit(models.Model):
    """One receipt at a store. Without a customer it is anonymous and counts only in denominators.

    `first_recorded_at` is set where it took the place of a visit saved for somebody else: when that one was saved.
    """

    # The indexes below begin with customer and store; each more is written by every sale.
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="visits", db_index=False
    )
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="visits", db_index=False)
    receipt_id = models.CharField(_("receipt number"), max_length=64)
    receipt_key = models.CharField(max_length=64, editable=False)
    channel = models.CharField(_("channel"), max_length=10, choices=VisitChannel, default=VisitChannel.TILL)
    payment_method = models.CharField(
        _("payment"), max_length=10, choices=PaymentMethod, default=PaymentMethod.UNKNOWN, blank=True
    )
    occurred_at = models.DateTimeField(_("time"))
    business_date = models.DateField(_("day"))
    gross_cents = models.BigIntegerField(_("before discount"))
    discount_cents = models.BigIntegerField(_("discount"), default=0)
    net_cents = models.BigIntegerField(_("paid"))
    items = models.PositiveIntegerField(_("items"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True, default="")
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # When a sale without a customer was given to one; a till that sends it again still knows of none.
    claimed_at = models.DateTimeField(null=True, blank=True)
    first_recorded_at = models.DateTimeField(null=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    voided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    void_reason = models.CharField(max_length=200, blank=True, default="", db_default="")

    objects = VisitQuerySet.as_manager()

    class Meta:
        verbose_name = _("visit")
        verbose_name_plural = _("visits")
        constraints = [
            models.UniqueConstraint(fields=["store", "receipt_key"], name="customers_visit_receipt_once"),
            models.CheckConstraint(
                condition=Q(gross_cents=F("discount_cents") + F("net_cents")), name="customers_visit_amounts_add_up"
            ),
            models.CheckConstraint(
                condition=Q(gross_cents__gte=0, discount_cents__gte=0, net_cents__gte=0),
                name="customers_visit_amounts_not_negative",
            ),
            models.CheckConstraint(condition=~Q(receipt_key=""), name="customers_visit_has_receipt"),
            models.CheckConstraint(
                condition=Q(voided_at__isnull=False) | Q(void_reason=""), name="customers_visit_reason_of_a_void"
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-occurred_at", "-id"], name="customers_visit_of_customer"),
            models.Index(fields=["business_date", "store"], name="customers_visit_day_store"),
            models.Index(fields=["store", "-recorded_at"], name="customers_visit_latest_here"),
            models.Index(fields=["receipt_key"], name="customers_visit_receipt_key"),
            models.Index(fields=["voided_at"], condition=Q(voided_at__isnull=False), name="customers_visit_undone"),
            models.Index(fields=["claimed_at"], condition=Q(claimed_at__isnull=False), name="customers_visit_claimed"),
        ]

    def __str__(self) -> str:
        return self.receipt_id


class VisitLine(models.Model):
    """One line of a receipt."""

    visit = models.ForeignKey(Visit, on_delete=models.CASCADE, related_name="lines")
    line_no = models.PositiveIntegerField(_("line"))
    product = models.ForeignKey(Product, null=True, on_delete=models.PROTECT, related_name="+")
    quantity = models.DecimalField(_("quantity"), max_digits=12, decimal_places=3)
    gross_cents = models.BigIntegerField(_("before discount"))
    discount_cents = models.BigIntegerField(_("discount"), default=0)
    net_cents = models.BigIntegerField(_("paid"))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["visit", "line_no"], name="customers_line_number_once"),
            models.CheckConstraint(
                condition=Q(gross_cents=F("discount_cents") + F("net_cents")), name="customers_line_amounts_add_up"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.visit_id}/{self.line_no}"


class Refund(models.Model):
    """Money given back on a visit, in part or whole; amounts are positive and never exceed what was paid."""

    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="refunds")
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+")
    receipt_id = models.CharField(_("receipt number"), max_length=64)
    receipt_key = models.CharField(max_length=64, editable=False)
    occurred_at = models.DateTimeField(_("time"))
    business_date = models.DateField(_("day"))
    net_cents = models.BigIntegerField(_("given back"))
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.UniqueConstraint(fields=["store", "receipt_key"], name="customers_refund_receipt_once"),
            models.CheckConstraint(condition=Q(net_cents__gt=0), name="customers_refund_gives_back"),
        ]
        indexes = [
            models.Index(fields=["business_date", "store"], name="customers_refund_day_store"),
            models.Index(fields=["recorded_at"], name="customers_refund_recorded"),
        ]

    def __str__(self) -> str:
        return self.receipt_id


class RefundLine(models.Model):
    """What a refund gives back of one line of its receipt. A refund without any names no goods, only money."""

    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="lines", db_index=False)
    line = models.ForeignKey(VisitLine, on_delete=models.PROTECT, related_name="returned")
    quantity = models.DecimalField(_("quantity"), max_digits=12, decimal_places=3)
    net_cents = models.BigIntegerField(_("given back"))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["refund", "line"], name="customers_refund_names_a_line_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="customers_refund_line_has_goods"),
            models.CheckConstraint(condition=Q(net_cents__gte=0), name="customers_refund_line_gives_back"),
        ]

    def __str__(self) -> str:
        return f"{self.refund_id}/{self.line_id}"


class UndoneRefund(models.Model):
    """A refund typed by mistake and undone at the till: what it was, and who undid it. It counts nowhere.

    `refund` is the number that its row had: its postings are named after it. `goods` are the lines that were said to
    have come back: number, quantity, cents.
    """

    refund = models.BigIntegerField(unique=True)
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="undone_refunds")
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)
    receipt_id = models.CharField(_("receipt number"), max_length=64)
    receipt_key = models.CharField(max_length=64, editable=False)
    occurred_at = models.DateTimeField(_("time"))
    business_date = models.DateField(_("day"))
    net_cents = models.BigIntegerField(_("given back"))
    goods = models.JSONField(default=list)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    undone_at = models.DateTimeField(default=timezone.now, db_index=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.CheckConstraint(condition=Q(net_cents__gt=0), name="customers_undone_refund_gave_back"),
        ]
        indexes = [models.Index(fields=["store", "receipt_key"], name="customers_undone_refund_number")]

    def __str__(self) -> str:
        return self.receipt_id

    @property
    def returned(self) -> tuple[tuple[int, int], ...]:
        """The number of each line that was said to have come back, and the cents given back for it."""
        return tuple((number, cents) for number, _quantity, cents in self.goods)

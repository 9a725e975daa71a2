from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer

if TYPE_CHECKING:
    from loyaltycrm.core.models import User

LONGEST_NOTE = 2_000
LONGEST_TILL_NOTE = 160
models.TextField.register_lookup(Length)


class NoteKind(models.TextChoices):
    TEAM = "team", _("For the team")
    TILL = "till", _("For the till")


class CustomerNoteQuerySet(models.QuerySet["CustomerNote"]):
    def for_staff(self, user: User) -> CustomerNoteQuerySet:
        """Customers are chain-wide, and so is what the team should know of them."""
        return self

    def standing(self) -> CustomerNoteQuerySet:
        """Notes that were not removed."""
        return self.filter(removed_at__isnull=True)


class CustomerNote(models.Model):
    """What the team should know of a customer; the customer does not see it.

    The one note for the till is what whoever serves the customer reads on a screen that the customer may see: one
    short line. Earlier texts are kept as versions.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="notes")
    kind = models.CharField(max_length=5, choices=NoteKind, default=NoteKind.TEAM)
    text = models.TextField(_("note"), max_length=LONGEST_NOTE)
    written_at = models.DateTimeField(default=timezone.now)
    written_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    edited_at = models.DateTimeField(null=True)
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    removed_at = models.DateTimeField(null=True)
    removed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = CustomerNoteQuerySet.as_manager()

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        constraints = [
            models.CheckConstraint(condition=~Q(text=""), name="customers_note_not_blank"),
            models.CheckConstraint(
                condition=~Q(kind="till") | Q(text__length__lte=LONGEST_TILL_NOTE),
                name="customers_note_for_the_till_is_short",
            ),
            models.UniqueConstraint(
                fields=["customer"],
                condition=Q(kind="till", removed_at__isnull=True),
                name="customers_note_one_for_the_till",
            ),
        ]
        indexes = [models.Index(fields=["customer", "-written_at"], name="customers_note_of_customer")]

    def __str__(self) -> str:
        return self.text[:60]


class NoteVersion(models.Model):
    """A text that a note had before it was edited, with who wrote it and when."""

    note = models.ForeignKey(CustomerNote, on_delete=models.CASCADE, related_name="versions")
    text = models.TextField(max_length=LONGEST_NOTE)
    written_at = models.DateTimeField()
    written_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return self.text[:60]

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models import Store

if TYPE_CHECKING:
    from loyaltycrm.core.models import User

SHIPPED_NAMES = {
    "loyal": gettext_noop("Loyal customers"),
    "at_risk": gettext_noop("At risk and valuable"),
    "birthday": gettext_noop("Birthday this month"),
    "new": gettext_noop("New, without a second visit"),
}


class SegmentQuerySet(models.QuerySet["Segment"]):
    def for_staff(self, user: User) -> SegmentQuerySet:
        """The own ones and the shared ones; not those that tell who came to a store that is not this person's.

        An own one that names a store its owner left is not there until the owner is of that store again.
        """
        own = self.filter(Q(is_shared=True) | Q(owner=user))
        if user.sees_all_stores:
            return own
        stores = [str(pk) for pk in Store.objects.for_staff(user).values_list("pk", flat=True)]
        return own.filter(Q(definition__store__isnull=True) | Q(definition__store__values__contained_by=stores))

    def kept(self) -> SegmentQuerySet:
        """Those that were not removed."""
        return self.filter(removed_at__isnull=True)


class Segment(models.Model):
    """A saved set of customers: `definition` says by which facts, as `customers.segments` reads it.

    It holds no customers: who is in it is asked anew each time. Of the four that are shipped `key` names which one;
    their names are translated. A removed one stays for the runs that went by it.
    """

    key = models.CharField(max_length=20, blank=True, default="")
    name = models.CharField(_("name"), max_length=80)
    definition = models.JSONField()
    is_shared = models.BooleanField(_("shared"), default=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="segments")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)
    removed_at = models.DateTimeField(null=True)

    objects = SegmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="customers_segment_shipped_once"),
            models.CheckConstraint(condition=~Q(name=""), name="customers_segment_has_name"),
            models.CheckConstraint(
                condition=Q(is_shared=True) | Q(owner__isnull=False), name="customers_segment_own_has_owner"
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(is_shared=True, removed_at__isnull=True),
                name="customers_segment_shared_name_once",
            ),
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=Q(is_shared=False, removed_at__isnull=True),
                name="customers_segment_own_name_once",
            ),
        ]

    def __str__(self) -> str:
        return self.shown_name

    @property
    def shown_name(self) -> str:
        """The name; of a shipped one in the reader's language, until somebody gives it another."""
        return gettext(self.name) if self.name == SHIPPED_NAMES.get(self.key) else self.name

from django.conf import settings
from django.db import models
from django.utils import timezone


class KnobValue(models.Model):
    """One value that a manager gave to a programme setting; the newest one holds, the older ones are history."""

    key = models.CharField(max_length=60)
    value = models.JSONField()
    set_at = models.DateTimeField(default=timezone.now)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["key", "-set_at", "-id"], name="core_knob_newest")]

    def __str__(self) -> str:
        return f"{self.key} = {self.value}"

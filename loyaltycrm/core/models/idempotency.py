from django.db import models
from django.utils import timezone


class IdempotencyRecord(models.Model):
    """The answer given to a request with a one-time key, kept so that a retry gets the same answer."""

    scope = models.CharField(max_length=80)
    key = models.CharField(max_length=80)
    fingerprint = models.CharField(max_length=64)
    response = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="core_idempotency_key_once")]

    def __str__(self) -> str:
        return f"{self.scope}:{self.key}"

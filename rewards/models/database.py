from __future__ import annotations

from django.db import models
from django.utils import timezone


class KnownDatabase(models.Model):
    """The database that mails leave from, as it knew itself when it was last looked at. One row.

    A backup that is restored brings along the row of the database it was made of, and so gives itself away.
    """

    id = models.SmallAutoField(primary_key=True)
    identity = models.CharField(max_length=200)
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="rewards_known_database_is_one")]

    def __str__(self) -> str:
        return self.identity

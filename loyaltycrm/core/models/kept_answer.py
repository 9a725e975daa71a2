from django.db import models


class KeptAnswer(models.Model):
    """An answer that takes long to find, with what tells whether it still holds.

    `changes` are counts of what was recorded from `since` on, as they were before the answer was looked for; the answer
    holds while they are the same (`loyaltycrm.core.actions.kept_answers`). `seconds` is how long it took to find.
    """

    key = models.CharField(max_length=200, unique=True)
    answer = models.JSONField()
    since = models.DateTimeField()
    changes = models.JSONField()
    kept_at = models.DateTimeField(db_index=True)
    seconds = models.FloatField(default=0)

    def __str__(self) -> str:
        return self.key

from __future__ import annotations

from django.db import models

from customers.models.segment import Segment


class SegmentCount(models.Model):
    """How many customers a segment held at `counted_at`, when it asked for `definition`.

    Kept where there are so many customers that a page cannot count them itself.
    """

    segment = models.OneToOneField(Segment, on_delete=models.CASCADE, primary_key=True, related_name="kept_count")
    definition = models.JSONField()
    count = models.PositiveBigIntegerField()
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.segment_id}: {self.count}"

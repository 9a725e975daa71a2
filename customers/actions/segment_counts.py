"""How many customers segments hold: counted by the page where customers are few, else kept and counted in turn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from customers.actions.visit_sums import Sums
from customers.models import Customer, Segment, SegmentCount
from customers.segments import counts_of
from loyaltycrm.core.tables import bounded_count, pages_hold

KEPT_FOR: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many customers a segment holds: now, or (`at`) when it was counted last; None: not counted yet."""

    count: int | None
    at: datetime | None = None


def sizes_of(segments: Iterable[Segment]) -> dict[int, Counted]:
    """{segment: how many it holds}, in as many queries for one as for many."""
    asked = {one.pk: one.definition for one in segments}
    if pages_hold(bounded_count(Customer.objects.known())):
        return {pk: Counted(count) for pk, count in counts_of(asked).items()}
    found = dict.fromkeys(asked, Counted(None))
    for kept in SegmentCount.objects.filter(segment__in=asked):
        if kept.definition == asked[kept.segment_id]:
            found[kept.segment_id] = Counted(kept.count, kept.counted_at)
    return found


def count_segments() -> int:
    """Count the segments that were counted a while ago, or never as they are now, longest ago first; return how many
    that were. Nothing where pages count them themselves. It may be repeated and cut short."""
    if pages_hold(bounded_count(Customer.objects.known())):
        return 0
    is_old = Q(kept_count=None) | Q(kept_count__counted_at__lt=timezone.now() - KEPT_FOR)
    is_other = ~Q(kept_count__definition=F("definition"))
    due = Segment.objects.kept().filter(is_old | is_other).order_by(F("kept_count__counted_at").asc(nulls_first=True))
    counted = 0
    for segment in due.iterator():
        _count(segment)
        counted += 1
    return counted


@transaction.atomic
def _count(segment: Segment) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
    began = timezone.now()
    count = counts_of({segment.pk: segment.definition}, by_sums=Sums().hold)[segment.pk]
    SegmentCount.objects.update_or_create(
        segment=segment, defaults={"definition": segment.definition, "count": count, "counted_at": began}
    )

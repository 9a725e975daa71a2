"""Figures of runs: what became of the mails, and how many codes were used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import Count

from rewards.models import Delivery, DeliveryStatus, Redemption

NOT_MAILED = (DeliveryStatus.SUPPRESSED, DeliveryStatus.CONTROL, DeliveryStatus.HELD_OUT)
WAITING = (DeliveryStatus.PENDING, DeliveryStatus.CLAIMED, DeliveryStatus.HANDING_OVER)


@dataclass(frozen=True, slots=True)
class RunFigures:
    """One run in numbers: deliveries by status, those left out by reason, and codes used."""

    by_status: dict[str, int] = field(default_factory=dict)
    by_reason: dict[str, int] = field(default_factory=dict)
    redeemed: int = 0

    @property
    def audience(self) -> int:
        return sum(self.by_status.values())

    @property
    def to_mail(self) -> int:
        """Everyone for whom a mail was written."""
        return self.audience - sum(self.by_status.get(status, 0) for status in NOT_MAILED)

    @property
    def waiting(self) -> int:
        return sum(self.by_status.get(status, 0) for status in WAITING)

    @property
    def sent(self) -> int:
        return self.by_status.get(DeliveryStatus.SENT, 0)

    @property
    def unknown(self) -> int:
        return self.by_status.get(DeliveryStatus.UNKNOWN, 0)

    @property
    def failed(self) -> int:
        return self.by_status.get(DeliveryStatus.FAILED, 0)

    @property
    def left_out(self) -> int:
        return self.by_status.get(DeliveryStatus.SUPPRESSED, 0)

    @property
    def control(self) -> int:
        return self.by_status.get(DeliveryStatus.CONTROL, 0)

    @property
    def done_share(self) -> float:
        """The part of the mails that has an end, 0 to 1."""
        return 1 - self.waiting / self.to_mail if self.to_mail else 1.0


def figures_of(run_ids: Collection[int]) -> dict[int, RunFigures]:
    """The figures of these runs, in two queries."""
    by_status: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    by_reason: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    counted = (
        Delivery.objects.filter(run__in=run_ids)
        .order_by("run", "status", "reason")
        .values_list("run", "status", "reason")
        .annotate(Count("pk"))
    )
    for run_id, status, reason, count in counted:
        by_status[run_id][status] += count
        if reason:
            by_reason[run_id][reason] += count
    redeemed = dict(
        Redemption.objects.filter(voucher__delivery__run__in=run_ids, undone_at__isnull=True)
        .order_by("voucher__delivery__run")
        .values_list("voucher__delivery__run")
        .annotate(Count("pk"))
    )
    return {
        run_id: RunFigures(dict(by_status[run_id]), dict(by_reason[run_id]), redeemed.get(run_id, 0))
        for run_id in run_ids
    }


def used_of_offers(offer_ids: Collection[int]) -> dict[int, int]:
    """{offer: how many of its codes were used at a till and not undone}; offers without any are left out."""
    used = Redemption.objects.filter(voucher__delivery__run__offer__in=offer_ids, undone_at__isnull=True)
    return dict(
        used.order_by("voucher__delivery__run__offer")
        .values_list("voucher__delivery__run__offer")
        .annotate(Count("pk"))
    )

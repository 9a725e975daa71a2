"""What a customer gets for bringing others, and whom they brought."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse

from customers.models import Customer, Invitation, Referral
from loyaltycrm.core.knobs import value
from rewards.knobs import REFERRAL_FRIEND_POINTS, REFERRAL_POINTS


@dataclass(frozen=True, slots=True)
class Inviting:
    """A customer's link and code, the points for both sides, and how many friends bought or are still to buy."""

    link: str
    code: str
    points: int
    friend_points: int
    came: int
    waiting: int


def inviting_of(customer: Customer) -> Inviting | None:
    """What the own page says about bringing friends; None where nobody gets anything for it."""
    points, friend_points = value(REFERRAL_POINTS), value(REFERRAL_FRIEND_POINTS)
    profiles = [customer.pk, *Customer.objects.filter(merged_into=customer).values_list("pk", flat=True)]
    invitation = max(
        Invitation.objects.filter(customer__in=profiles),
        key=lambda one: (one.customer_id == customer.pk, one.pk),
        default=None,
    )
    if invitation is None or not (points or friend_points):
        return None
    standing = Q(ended_at__isnull=True)
    counted = Referral.objects.filter(referrer__in=profiles).aggregate(
        came=Count("pk", filter=standing & Q(visit__isnull=False)),
        waiting=Count("pk", filter=standing & Q(visit__isnull=True)),
    )
    return Inviting(
        link=settings.BASE_URL + reverse("shop:invitation", args=[invitation.code]),
        code=invitation.code,
        points=points,
        friend_points=friend_points,
        **counted,
    )

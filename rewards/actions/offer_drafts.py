"""Drafts: what was typed for an offer stays, also where it cannot be saved as one yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import User
from rewards.benefits import BenefitKind
from rewards.models import Offer, OfferDraft

Typed = Mapping[str, Sequence[str]]


@transaction.atomic
def keep_offer_draft(
    *, kind: BenefitKind, typed: Typed, by: User | None, draft: OfferDraft | None = None, offer: Offer | None = None
) -> OfferDraft:
    """Keep what was typed, instead of what the draft (or the offer's draft there is) said before."""
    if offer is not None:
        Offer.objects.select_for_update().get(pk=offer.pk)  # it has one draft, also where two people begin it at once
    known = OfferDraft.objects.select_for_update()
    kept = known.filter(pk=draft.pk).first() if draft is not None else None
    if kept is None and offer is not None:
        kept = known.filter(offer=offer).first()
    kept = kept or OfferDraft(offer=offer)
    kept.kind = kind
    kept.typed = {name: list(values) for name, values in typed.items()}
    kept.saved_at = timezone.now()
    kept.saved_by = by
    kept.save()
    audit.record("keep offer draft", kept, by=by, data={"offer": kept.offer_id, "name": kept.name})
    return kept


@transaction.atomic
def remove_offer_draft(*, draft: OfferDraft, by: User | None) -> None:
    """Throw a draft away; the offer that it was to change stays as it is. A second time it does nothing."""
    if OfferDraft.objects.filter(pk=draft.pk).exists():
        audit.record("remove offer draft", draft, by=by, data={"offer": draft.offer_id, "name": draft.name})
        OfferDraft.objects.filter(pk=draft.pk).delete()

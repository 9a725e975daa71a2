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
    """Keep what was typed, instead of what this person's draft said before.

    Of the changes of an offer each person has one draft; going on with a colleague's begins an own one. A draft of a
    new offer is whoever's goes on with it.
    """
    known = OfferDraft.objects.select_for_update()
    if offer is not None:
        Offer.objects.select_for_update().get(pk=offer.pk)  # one draft, also where it is sent twice at once
        kept = known.filter(offer=offer, saved_by=by).first()
    else:
        kept = known.filter(pk=draft.pk).first() if draft is not None else None
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

"""What an offer still needs before it can be sent."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from customers.segments import conditions_of
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Company, User
from rewards.audience import TEXT_FIELDS, readers_by_language
from rewards.emails import why_not_to_send
from rewards.models import Offer, OfferDraft

LANGUAGE_NAMES = {"en": _lazy("English"), "lv": _lazy("Latvian"), "ru": _lazy("Russian")}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to fix: what to do, and the form's field it is about (empty where it is none of the offer's)."""

    text: str
    field: str


def what_is_missing(offer: Offer) -> list[Problem]:
    """Everything that keeps this offer from being active; empty when nothing does.

    Every language that its audience reads needs every text; without anybody in it, the company's language does.
    """
    why = why_not_to_send()
    problems = [Problem(str(why), "")] if why is not None else []
    unusable = why_nobody_is_asked(offer)
    problems += [Problem(unusable, "segment")] if unusable else []
    readers = readers_by_language(offer.audience) or {Company.current().language: 0}
    for code, _name in settings.LANGUAGES:
        if code in readers:
            problems += [
                Problem(_with_readers(_write_words()[code][field], readers[code], code), f"{field}_{code}")
                for field in ("benefit", *TEXT_FIELDS)
                if not _text(offer, code, field)
            ]
    return problems


def why_nobody_is_asked(offer: Offer) -> str:
    """What is wrong with the segment that names the audience; blank where nothing is."""
    try:
        conditions_of(offer.audience)
    except Refused as refusal:
        return str(refusal.message)
    return ""


def drafts_of_others(offer: Offer, *, by: User, but: OfferDraft | None = None) -> list[OfferDraft]:
    """What colleagues of this person typed as changes of an offer and could not save yet, newest first."""
    others = OfferDraft.objects.for_staff(by).filter(offer=offer).exclude(saved_by=by)
    if but is not None:
        others = others.exclude(pk=but.pk)
    return list(others.select_related("saved_by").order_by("-saved_at", "-pk"))


def saved_since(draft: OfferDraft) -> bool:
    """Whether the offer of a draft was edited after the draft was kept: saving the draft takes that back."""
    edits = AuditEvent.objects.filter(
        subject_type=Offer._meta.label_lower, subject_id=draft.offer_id, action="edit offer", data__has_key="changed"
    )
    return draft.offer_id is not None and edits.filter(at__gt=draft.saved_at).exists()


def _text(offer: Offer, code: str, field: str) -> str:
    if field == "benefit":
        return str(offer.benefit_names.get(code, "")).strip()
    return str((offer.texts.get(code) or {}).get(field, "")).strip()


def _with_readers(text: str, count: int, code: str) -> str:
    if not count:
        return f"{text}."
    return f"{text}. {_reading(count)[code]}"


def _reading(count: int) -> dict[str, str]:
    sentences = {
        "en": ngettext("%(count)s customer reads English.", "%(count)s customers read English.", count),
        "lv": ngettext("%(count)s customer reads Latvian.", "%(count)s customers read Latvian.", count),
        "ru": ngettext("%(count)s customer reads Russian.", "%(count)s customers read Russian.", count),
    }
    return {code: text % {"count": count} for code, text in sentences.items()}


def _write_words() -> dict[str, dict[str, str]]:
    return {
        "en": {
            "benefit": _("Write the benefit in English"),
            "subject": _("Write the English subject line"),
            "heading": _("Write the English heading"),
            "body": _("Write the English message"),
        },
        "lv": {
            "benefit": _("Write the benefit in Latvian"),
            "subject": _("Write the Latvian subject line"),
            "heading": _("Write the Latvian heading"),
            "body": _("Write the Latvian message"),
        },
        "ru": {
            "benefit": _("Write the benefit in Russian"),
            "subject": _("Write the Russian subject line"),
            "heading": _("Write the Russian heading"),
            "body": _("Write the Russian message"),
        },
    }

"""Segments: saved, changed and removed. Who is in one is nobody's decision but that of the facts."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import Segment
from customers.segments import conditions_of
from customers.segments.conditions import Definition
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User

LONGEST_NAME = 80


@transaction.atomic
def save_segment(*, name: str, definition: Any, is_shared: bool, by: User) -> Segment:
    """Keep a set of customers under a name. Raises `Refused`, naming the field, for what cannot be."""
    segment = Segment(owner=by)
    _fill(segment, name=name, definition=definition, is_shared=is_shared)
    segment.save(force_insert=True)
    audit.record("save segment", segment, by=by, data={"definition": segment.definition, "shared": is_shared})
    return segment


@transaction.atomic
def change_segment(*, segment: Segment, name: str, definition: Any, is_shared: bool, by: User) -> Segment:
    """Change what a segment is called, asks for, or who sees it; whatever goes by it follows from now on.

    Raises `Refused` for what cannot be, and for a segment that was removed.
    """
    segment = _standing(segment)
    _fill(segment, name=name, definition=definition, is_shared=is_shared)
    if not segment.is_shared and segment.owner_id is None:
        segment.owner = by
    segment.changed_at = timezone.now()
    segment.save()
    audit.record("change segment", segment, by=by, data={"definition": segment.definition, "shared": is_shared})
    return segment


@transaction.atomic
def remove_segment(*, segment: Segment, by: User) -> Segment:
    """Take a segment off the list. Offers that go by it still do. Sent again, nothing more happens."""
    segment = Segment.objects.select_for_update().get(pk=segment.pk)
    if segment.removed_at is None:
        segment.removed_at = timezone.now()
        segment.save(update_fields=["removed_at"])
        audit.record("remove segment", segment, by=by)
    return segment


def _standing(segment: Segment) -> Segment:
    segment = Segment.objects.select_for_update().get(pk=segment.pk)
    if segment.removed_at is not None:
        raise Refused(_("This segment was removed. Make a new one."))
    return segment


def _fill(segment: Segment, *, name: str, definition: Any, is_shared: bool) -> None:
    segment.name = _free_name(name, segment, is_shared=is_shared)
    segment.definition = _checked(definition)
    segment.is_shared = is_shared


def _checked(definition: Any) -> Definition:
    conditions = conditions_of(definition)
    if not conditions:
        raise Refused(_("Choose at least one fact."))
    for one in conditions:
        if not one.fact.can_be_chosen(one.asked):
            raise Refused(_("Choose again: %(fact)s") % {"fact": one.fact.label}, field=one.fact.key)
    return {one.fact.key: one.asked for one in conditions}


def _free_name(text: str, segment: Segment, *, is_shared: bool) -> str:
    name = " ".join(text.split())
    if not name or not name.isprintable():
        raise Refused(_("Give the segment a name, for example: Regulars of Riga"), field="name")
    if len(name) > LONGEST_NAME:
        raise Refused(_("Shorten the name to %(count)s characters") % {"count": LONGEST_NAME}, field="name")
    others = Segment.objects.kept().filter(name=name, is_shared=is_shared).exclude(pk=segment.pk)
    if (others if is_shared else others.filter(owner=segment.owner)).exists():
        raise Refused(_("There is a segment of this name. Choose another name."), field="name")
    return name

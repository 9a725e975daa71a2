"""Notes on a customer: for the team, and the one line for the till. Earlier texts are kept."""

from __future__ import annotations

import unicodedata

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.standing import who_stands_for
from customers.models import Customer, CustomerNote, NoteKind, NoteVersion
from customers.models.note import LONGEST_NOTE, LONGEST_TILL_NOTE
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User


@transaction.atomic
def write_note(*, customer: Customer, text: str, by: User) -> CustomerNote:
    """Write something down for the team. Raises `Refused` for a blank text and one that is too long."""
    text = _clean(text, NoteKind.TEAM)
    customer = who_stands_for(customer)
    note = CustomerNote.objects.create(customer=customer, text=text, written_by=by)
    audit.record("write note", customer, by=by, data={"note": note.pk})
    return note


@transaction.atomic
def tell_the_till(*, customer: Customer, text: str, by: User) -> CustomerNote | None:
    """Set the line that staff at the till read about a customer; a blank text takes it away (None).

    Raises `Refused` for a text that does not fit in one short line.
    """
    text = _clean(text, NoteKind.TILL) if text.strip() else ""
    customer = who_stands_for(customer, alone=True)
    note = CustomerNote.objects.standing().filter(customer=customer, kind=NoteKind.TILL).first()
    if note is not None and text:
        return edit_note(note=note, text=text, by=by)
    if not text:
        if note is not None:
            remove_note(note=note, by=by)
        return None
    note = CustomerNote.objects.create(customer=customer, kind=NoteKind.TILL, text=text, written_by=by)
    audit.record("write note", customer, by=by, data={"note": note.pk})
    return note


@transaction.atomic
def edit_note(*, note: CustomerNote, text: str, by: User) -> CustomerNote:
    """Change a note; the text it had is kept. The same text again changes nothing.

    Raises `Refused` for a blank or too long text, and for a note that was removed.
    """
    note = CustomerNote.objects.select_for_update(of=("self",)).select_related("customer").get(pk=note.pk)
    if note.removed_at is not None:
        raise Refused(_("This note was removed. Write a new one."))
    text = _clean(text, NoteKind(note.kind))
    if text == note.text:
        return note
    NoteVersion.objects.create(
        note=note,
        text=note.text,
        written_at=note.edited_at or note.written_at,
        written_by=note.edited_by if note.edited_at else note.written_by,
    )
    note.text, note.edited_at, note.edited_by = text, timezone.now(), by
    note.save(update_fields=["text", "edited_at", "edited_by"])
    audit.record("edit note", note.customer, by=by, data={"note": note.pk})
    return note


@transaction.atomic
def remove_note(*, note: CustomerNote, by: User) -> CustomerNote:
    """Take a note off the profile. Sent again, nothing more happens."""
    note = CustomerNote.objects.select_for_update(of=("self",)).select_related("customer").get(pk=note.pk)
    if note.removed_at is None:
        note.removed_at, note.removed_by = timezone.now(), by
        note.save(update_fields=["removed_at", "removed_by"])
        audit.record("remove note", note.customer, by=by, data={"note": note.pk})
    return note


def _clean(text: str, kind: NoteKind) -> str:
    lines = [
        " ".join("".join(sign if sign.isprintable() else " " for sign in line).split())
        for line in unicodedata.normalize("NFC", text).splitlines()
    ]
    cleaned = "\n".join(lines).strip() if kind == NoteKind.TEAM else " ".join(filter(None, lines))
    longest = LONGEST_NOTE if kind == NoteKind.TEAM else LONGEST_TILL_NOTE
    if not cleaned:
        raise Refused(_("Write the note first."), field="text")
    if len(cleaned) > longest:
        raise Refused(
            _("Shorten the note to %(count)s characters; it has %(now)s.") % {"count": longest, "now": len(cleaned)},
            field="text",
        )
    return cleaned

"""What staff wrote about a customer and changed on the profile, for the timeline; and who looked at the contact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.models import Customer, CustomerNote, NoteKind
from loyaltycrm.core.models import AuditEvent
from loyaltycrm.shop.queries.timeline_points import Entry

LONGEST_SHOWN = 200
SUBJECT = "customers.customer"
_LOOKS: dict[str, tuple[str, Any]] = {
    "add customer": ("user-add", gettext_lazy("Customer added")),
    "change customer": ("edit", gettext_lazy("Profile changed")),
    "add card": ("scan", gettext_lazy("Card added")),
    "see contact": ("show", gettext_lazy("Contact looked at")),
    "flag loyalty": ("flag", gettext_lazy("Loyalty set by hand")),
    "lift loyalty flag": ("flag", gettext_lazy("Loyalty is no longer set by hand")),
    "merge customers": ("customers", gettext_lazy("Another profile merged into this one")),
    "undo merge of customers": ("undo", gettext_lazy("Merge undone")),
    "erase customer": ("erase", gettext_lazy("Customer erased")),
    "link household": ("customers", gettext_lazy("Put into a household")),
    "leave household": ("customers", gettext_lazy("Taken out of a household")),
    "send offer": ("send", gettext_lazy("Offer sent by hand")),
    "edit note": ("note", gettext_lazy("Note changed")),
    "remove note": ("note", gettext_lazy("Note removed")),
}
ACTIONS = list(_LOOKS)
_FIELDS: dict[str, Any] = {
    "first_name": gettext_lazy("First name"),
    "last_name": gettext_lazy("Last name"),
    "email": gettext_lazy("Email"),
    "phone": gettext_lazy("Phone"),
    "language": gettext_lazy("Language"),
    "birthday": gettext_lazy("Birthday"),
    "home_store": gettext_lazy("Usual store"),
}


def profiles_of(customer: Customer) -> list[int]:
    """The customer and those merged into it now: what was done on each is told of one."""
    return [customer.pk, *customer.former.values_list("pk", flat=True)]


def read_edits(ids: list[int]) -> Iterable[tuple[int, Entry]]:
    """(audit event, its line) of each: what was done, on what, by whom. Values are not kept, so none are told."""
    for event in AuditEvent.objects.filter(id__in=ids).select_related("by"):
        symbol, title = _LOOKS[event.action]
        who = event.by.name if event.by else _("By the system")
        yield event.pk, Entry(event.at, symbol, "edit", str(title), " · ".join(filter(None, [_what(event), who])))


def _what(event: AuditEvent) -> str:
    """Which fields were changed or looked at; an added customer's are no news."""
    if event.action == "add customer":
        return ""
    names = event.data.get("fields") or ([event.data["field"]] if "field" in event.data else [])
    return ", ".join(str(_FIELDS[name]) for name in names if name in _FIELDS)


def read_notes(ids: list[int]) -> Iterable[tuple[int, Entry]]:
    """(note, its line) of each."""
    for note in CustomerNote.objects.filter(id__in=ids).select_related("written_by"):
        title = _("Note for the till") if note.kind == NoteKind.TILL else _("Note")
        who = note.written_by.name if note.written_by else ""
        text = " · ".join(filter(None, [Truncator(note.text).chars(LONGEST_SHOWN), who]))
        url = reverse("customers:note", args=[note.pk])
        yield note.pk, Entry(note.written_at, "note", "gift", title, text, url=url, team_only=True)

"""Notes on a customer: all of them with their history, writing and changing one, and the line for the till."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from customers.actions.notes import edit_note, remove_note, tell_the_till, write_note
from customers.models import CustomerNote, NoteKind
from customers.note_forms import NoteForm, TillNoteForm
from customers.queries import found_profile, till_note_of
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.permissions import Permission, permission

PER_PAGE = 25

page = require_http_methods(["GET", "HEAD", "POST"])


@page
@permission(Permission.EDIT_CUSTOMERS)
def notes(request: HttpRequest, pk: int) -> HttpResponse:
    """Every note on a customer, removed ones too, and the form of a new one."""
    by = person(request)
    customer = found_profile(by, pk)
    form = NoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            once(
                scope=f"customers.note:{by.pk}",
                key=one_time_key(request),
                content=[pk, form.cleaned_data["text"]],
                produce=lambda: {"note": write_note(customer=customer, text=form.cleaned_data["text"], by=by).pk},
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("shop:profile", pk=customer.pk)
    written = CustomerNote.objects.for_staff(by).filter(customer=customer)
    found = written.select_related("written_by", "edited_by", "removed_by").prefetch_related("versions__written_by")
    shown = Paginator(found.order_by("-written_at", "-pk"), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "customers/staff/notes.html", {"form": form, "customer": customer, "page_obj": shown})


@page
@permission(Permission.EDIT_CUSTOMERS)
def till_note(request: HttpRequest, pk: int) -> HttpResponse:
    """The one line that staff at the till read about a customer."""
    customer = found_profile(person(request), pk)
    note = till_note_of(customer)
    form = TillNoteForm(request.POST or None, initial={"text": note.text if note else ""})
    if request.method == "POST" and form.is_valid():
        try:
            tell_the_till(customer=customer, text=form.cleaned_data["text"], by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved. The till shows it from now on."))
            return redirect("shop:profile", pk=customer.pk)
    return render(request, "customers/staff/till_note.html", {"form": form, "customer": customer})


@page
@permission(Permission.EDIT_CUSTOMERS)
def note(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a note."""
    shown = _note(request, pk)
    if shown.kind == NoteKind.TILL:
        return redirect("customers:till_note", pk=shown.customer_id)
    form = NoteForm(request.POST or None, initial={"text": shown.text})
    if request.method == "POST" and form.is_valid():
        try:
            edit_note(note=shown, text=form.cleaned_data["text"], by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("shop:profile", pk=shown.customer_id)
    return render(request, "customers/staff/note.html", {"form": form, "note": shown, "customer": shown.customer})


@require_POST
@permission(Permission.EDIT_CUSTOMERS)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a note off the profile; the list of notes keeps it."""
    shown = remove_note(note=_note(request, pk), by=person(request))
    messages.success(request, _("The note was removed."))
    return redirect("shop:profile", pk=shown.customer_id)


def _note(request: HttpRequest, pk: int) -> CustomerNote:
    found = CustomerNote.objects.for_staff(person(request)).select_related("customer")
    return get_object_or_404(found, pk=pk)

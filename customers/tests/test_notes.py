"""Notes on customers: for the team, for the till, their history, and what merging makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from customers.actions.customers import show_contact, update_customer
from customers.actions.notes import edit_note, remove_note, tell_the_till, write_note
from customers.models import Customer, CustomerNote, NoteKind
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from loyaltycrm.shop.queries.timeline import timeline

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def line_of(customer: Customer) -> str:
    note = CustomerNote.objects.standing().filter(customer=customer, kind=NoteKind.TILL).first()
    return note.text if note else ""


def told(customer: Customer, user: User, kind: str) -> list[tuple[str, str]]:
    shown = timeline(Customer.objects.get(pk=customer.pk), user=user, kind=kind)
    return [(entry.title, entry.detail) for day in shown.days for entry in day.entries]


def test_earlier_texts_and_who_wrote_them_are_kept(nameless: Customer, dace: User, admin: User) -> None:
    note = write_note(customer=nameless, text=" Likes   the window\n\ntable\x07 ", by=dace)
    assert note.text == "Likes the window\n\ntable"
    edit_note(note=note, text="Likes the door", by=admin)
    edit_note(note=note, text="Likes the door", by=dace)
    edit_note(note=note, text="Likes both", by=dace)
    note.refresh_from_db()
    assert (note.text, note.edited_by) == ("Likes both", dace)
    assert list(note.versions.order_by("pk").values_list("text", "written_by__name")) == [
        ("Likes the window\n\ntable", dace.name),
        ("Likes the door", admin.name),
    ]
    remove_note(note=note, by=admin)
    remove_note(note=note, by=dace)
    note.refresh_from_db()
    assert note.removed_by == admin
    with pytest.raises(Refused, match="was removed"):
        edit_note(note=note, text="Again", by=dace)
    actions = AuditEvent.objects.filter(subject_id=nameless.pk, action__contains="note").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == ["write note", "edit note", "edit note", "remove note"]


def test_the_till_has_one_short_line(nameless: Customer, dace: User) -> None:
    tell_the_till(customer=nameless, text="Likes the\nwindow  table", by=dace)
    assert line_of(nameless) == "Likes the window table"
    tell_the_till(customer=nameless, text="x" * 160, by=dace)
    with pytest.raises(Refused, match="Shorten the note to 160 characters; it has 161"):
        tell_the_till(customer=nameless, text="x" * 161, by=dace)
    assert line_of(nameless) == "x" * 160
    assert CustomerNote.objects.count() == 1
    tell_the_till(customer=nameless, text="  ", by=dace)
    tell_the_till(customer=nameless, text="", by=dace)
    assert line_of(nameless) == ""
    for text in ("", " \n\x00 ", "x" * 2_001):
        with pytest.raises(Refused):
            write_note(customer=nameless, text=text, by=dace)


def test_the_database_holds_to_one_short_line(nameless: Customer) -> None:
    CustomerNote.objects.create(customer=nameless, kind=NoteKind.TILL, text="One")
    for wrong in ({"text": "Two"}, {"text": ""}):
        with pytest.raises(IntegrityError), transaction.atomic():
            CustomerNote.objects.create(customer=nameless, kind=NoteKind.TILL, **wrong)
    CustomerNote.objects.update(removed_at="2026-01-01T00:00Z")
    with pytest.raises(IntegrityError), transaction.atomic():
        CustomerNote.objects.create(customer=nameless, kind=NoteKind.TILL, text="x" * 161)


def test_the_line_is_at_the_till_and_the_notes_are_not(
    nameless: Customer, barona_iela: Store, dace: User, liga: User, signed_in: SignIn
) -> None:
    write_note(customer=nameless, text="Complains about the soup", by=dace)
    tell_the_till(customer=nameless, text="Likes <b>the window</b>", by=dace)
    client = signed_in(liga)
    session = client.session
    session["till_store"] = barona_iela.pk
    session.save()
    till = client.get(f"/till/customers/{nameless.pk}/", follow=True).content.decode()
    assert "Likes &lt;b&gt;the window&lt;/b&gt;" in till
    assert "Complains" not in till
    profile = signed_in(dace).get(f"/customers/{nameless.pk}/").content.decode()
    assert "Complains about the soup" in profile
    assert "Likes &lt;b&gt;the window" in profile


def test_notes_at_the_page(nameless: Customer, dace: User, liga: User, signed_in: SignIn) -> None:
    client = signed_in(dace)

    def post(path: str, key: str = "", **fields: Any) -> Any:
        return client.post(path, {"idempotency_key": key or str(uuid4()), **fields})

    here = f"/customers/{nameless.pk}/notes/"
    key = str(uuid4())
    for _again in range(2):
        assert post(here, key, text="Likes the window").status_code == 302
    (note,) = CustomerNote.objects.all()
    assert post(here, text="").context["form"].errors == {"text": ["Write the note first."]}
    assert post(f"/notes/{note.pk}/", text="Likes the door").status_code == 302
    assert post(f"{here}till/", text="Window").status_code == 302
    page = client.get(here).content.decode()
    for words in ("Likes the door", "Earlier texts", "Likes the window", "At the till"):
        assert words in page
    assert post(f"/notes/{note.pk}/remove/").status_code == 302
    assert "Likes the door" not in client.get(f"/customers/{nameless.pk}/").content.decode().split("<h2", 1)[0]
    assert "removed by" in client.get(here).content.decode()
    assert post(f"/notes/{note.pk}/", text="Again").context["form"].errors
    assert client.get("/notes/999999/").status_code == 404
    assert signed_in(liga).get(here).status_code == 403


def test_the_timeline_tells_notes_and_edits_without_their_values(nameless: Customer, dace: User) -> None:
    write_note(customer=nameless, text="Likes the window", by=dace)
    update_customer(customer=nameless, first_name="Zane", phone="+371 26124829", by=dace)
    show_contact(customer=nameless, field="phone", by=dace)
    assert told(nameless, dace, "notes") == [("Note", f"Likes the window · {dace.name}")]
    assert told(nameless, dace, "edits") == [
        ("Contact looked at", f"Phone · {dace.name}"),
        ("Profile changed", f"First name, Phone · {dace.name}"),
        ("Card added", "By the system"),
        ("Customer added", "By the system"),
    ]
    assert "26124829" not in str(told(nameless, dace, "edits"))


def test_merging_moves_notes_and_the_survivors_line_holds(nameless: Customer, olga: Customer, dace: User) -> None:
    write_note(customer=olga, text="Olga's", by=dace)
    tell_the_till(customer=olga, text="Olga's line", by=dace)
    tell_the_till(customer=nameless, text="Own line", by=dace)
    merge = merge_customers(survivor=nameless, merged=olga, reason="One person", by=dace)
    assert line_of(nameless) == "Own line"
    assert [title for title, _text in told(nameless, dace, "notes")].count("Note") == 1
    assert write_note(customer=olga, text="Meanwhile", by=dace).customer == nameless
    undo_merge(merge=merge, by=dace)
    assert line_of(olga) == "Olga's line"
    assert {note.text for note in CustomerNote.objects.filter(customer=olga)} == {"Olga's", "Olga's line"}
    assert {note.text for note in CustomerNote.objects.filter(customer=nameless)} == {"Own line", "Meanwhile"}
    merge = merge_customers(survivor=olga, merged=nameless, reason="One person", by=dace)
    tell_the_till(customer=olga, text="", by=dace)
    undo_merge(merge=merge, by=dace)
    assert (line_of(olga), line_of(nameless)) == ("", "Own line")

"""Who works on a ticket until when: owner, pauses, misses, conversation."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from customers.models import Customer
from feedback.actions.conversation import add_customer_words, add_note, answer
from feedback.actions.resolving import resolve_ticket
from feedback.actions.tickets import assign_ticket, mark_missed, pause_ticket, resume_ticket, take_ticket
from feedback.deadlines import deadline_of
from feedback.models import ResolutionKind, Ticket, TicketMessage, TicketPause, TicketStatus
from feedback.queries import conversation_of, late_count
from feedback.tasks import tick
from feedback.tests.stories import complain, everything
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User

pytestmark = pytest.mark.django_db
RIGA = ZoneInfo("Europe/Riga")


def test_one_takes_a_ticket_and_a_colleague_is_told_who(
    nameless: Customer, barona_iela: Store, dace: User, admin: User
) -> None:
    ticket = complain(nameless, barona_iela)
    assert take_ticket(ticket=ticket, by=dace).owner == dace
    before = everything()

    with pytest.raises(Refused, match="Dace Krūmiņa has taken"):
        take_ticket(ticket=ticket, by=admin)

    assert everything() == before
    assert take_ticket(ticket=ticket, by=dace).owner == dace, "taking one's own again changes nothing"
    assert everything() == before


def test_a_ticket_is_given_to_whoever_may_answer_it_there(
    *, nameless: Customer, barona_iela: Store, centrs: Store, dace: User, liga: User, admin: User
) -> None:
    ticket, elsewhere = complain(nameless, barona_iela), complain(nameless, centrs)

    assert assign_ticket(ticket=ticket, owner=admin, by=dace).owner == admin
    assert assign_ticket(ticket=ticket, owner=dace, by=dace).owner == dace
    assert assign_ticket(ticket=ticket, owner=None, by=dace).owner is None
    before = everything()
    for wrong, where in ((liga, ticket), (dace, elsewhere)):
        with pytest.raises(Refused, match="cannot answer"):
            assign_ticket(ticket=where, owner=wrong, by=admin)
    assert everything() == before


def test_a_pause_moves_the_deadline_by_its_length(nameless: Customer, barona_iela: Store, dace: User) -> None:
    opened = datetime(2026, 7, 14, 9, 0, tzinfo=RIGA)
    ticket = complain(nameless, barona_iela, at=opened)
    pause_ticket(ticket=ticket, reason="Waiting for a photo", by=dace, at=opened + timedelta(hours=10))
    ticket = resume_ticket(ticket=ticket, by=dace, at=opened + timedelta(hours=36))

    assert ticket.status == TicketStatus.OPEN
    assert ticket.due_at == opened + timedelta(hours=48 + 26)
    assert ticket.opened_at == opened
    assert list(ticket.pauses.values_list("reason", "paused_by", "ended_by")) == [
        ("Waiting for a photo", dace.pk, dace.pk)
    ]
    assert deadline_of(ticket, opened + timedelta(hours=36)).share == pytest.approx(10 / 48)


def test_a_pause_over_the_night_when_clocks_go_forward_is_as_long_as_it_really_was(
    nameless: Customer, barona_iela: Store, dace: User
) -> None:
    ticket = complain(nameless, barona_iela, at=datetime(2026, 3, 28, 12, 0, tzinfo=RIGA))
    pause_ticket(ticket=ticket, reason="Waiting", by=dace, at=datetime(2026, 3, 28, 22, 0, tzinfo=RIGA))
    ticket = resume_ticket(ticket=ticket, by=dace, at=datetime(2026, 3, 29, 8, 0, tzinfo=RIGA))

    assert ticket.due_at == datetime(2026, 3, 30, 22, 0, tzinfo=RIGA), "48 h and 9 h later, one hour of them skipped"


def test_a_paused_ticket_stands_still_and_is_never_late(nameless: Customer, barona_iela: Store, dace: User) -> None:
    opened = timezone.now() - timedelta(days=10)
    ticket = complain(nameless, barona_iela, at=opened)
    ticket = pause_ticket(ticket=ticket, reason="Waiting", by=dace, at=opened + timedelta(hours=24))

    shown = deadline_of(ticket)
    assert shown.state == "paused"
    assert shown.share == pytest.approx(0.5)
    assert shown.when.startswith("Waiting, 9")
    assert mark_missed() == 0
    assert late_count(dace) == 0


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_pause_needs_a_reason(nameless: Customer, barona_iela: Store, dace: User, reason: str) -> None:
    ticket = complain(nameless, barona_iela)
    before = everything()

    with pytest.raises(Refused):
        pause_ticket(ticket=ticket, reason=reason, by=dace)

    assert everything() == before
    assert not TicketPause.objects.exists()


def test_what_stands_is_not_paused_twice_and_what_runs_is_not_resumed(
    nameless: Customer, barona_iela: Store, dace: User
) -> None:
    ticket = complain(nameless, barona_iela)
    with pytest.raises(Refused, match="not paused"):
        resume_ticket(ticket=ticket, by=dace)
    pause_ticket(ticket=ticket, reason="Waiting", by=dace)
    before = everything()
    with pytest.raises(Refused, match="paused already"):
        pause_ticket(ticket=ticket, reason="Again", by=dace)
    assert everything() == before


def test_the_tick_records_each_miss_once_and_for_good(nameless: Customer, barona_iela: Store, dace: User) -> None:
    opened = timezone.now() - timedelta(hours=49)
    late, early = complain(nameless, barona_iela, at=opened), complain(nameless, barona_iela)
    assert late_count(dace) == 1

    tick()
    tick()

    late.refresh_from_db()
    early.refresh_from_db()
    assert (late.missed_at, early.missed_at) == (late.due_at, None)
    misses = AuditEvent.objects.filter(action="miss deadlines")
    assert [event.data for event in misses] == [{"tickets": [late.pk]}]

    resolve_ticket(ticket=late, kind=ResolutionKind.WORDS, words="We are sorry.", by=dace)
    late.refresh_from_db()
    assert late.missed_at == late.due_at


@pytest.mark.parametrize("then", ["pause", "resolve"])
def test_a_miss_that_no_tick_saw_is_recorded_when_the_clock_stops(
    nameless: Customer, barona_iela: Store, dace: User, then: str
) -> None:
    ticket = complain(nameless, barona_iela, at=timezone.now() - timedelta(hours=50))
    due = ticket.due_at
    if then == "pause":
        pause_ticket(ticket=ticket, reason="Waiting", by=dace)
    else:
        resolve_ticket(ticket=ticket, kind=ResolutionKind.WORDS, words="We are sorry.", by=dace)

    ticket.refresh_from_db()
    assert ticket.missed_at == due


def test_late_tickets_of_other_stores_are_not_counted(
    nameless: Customer, barona_iela: Store, centrs: Store, dace: User, admin: User
) -> None:
    complain(nameless, centrs, at=timezone.now() - timedelta(hours=50))

    assert (late_count(dace), late_count(admin)) == (0, 1)


def test_the_conversation_keeps_who_said_what_in_order(
    nameless: Customer, barona_iela: Store, dace: User, liga: User
) -> None:
    ticket = complain(nameless, barona_iela, by=liga)
    add_note(ticket=ticket, words="The soup warmer was off.", by=liga)
    answer(ticket=ticket, words="Atvainojamies.", language="lv", by=dace)
    first_answer = Ticket.objects.get(pk=ticket.pk).first_answer_at
    add_customer_words(ticket=ticket, words="Paldies.", by=dace)
    answer(ticket=ticket, words="Lūdzu.", by=dace)
    pause_ticket(ticket=ticket, reason="Waiting", by=dace)

    entries = conversation_of(ticket)
    assert [(entry.kind, entry.body, entry.by) for entry in entries] == [
        ("customer", "Zupa bija auksta.", liga),
        ("note", "The soup warmer was off.", liga),
        ("staff", "Atvainojamies.", dace),
        ("customer", "Paldies.", dace),
        ("staff", "Lūdzu.", dace),
        ("paused", "Waiting", dace),
    ]
    assert entries[2].language == "lv"
    assert first_answer is not None
    assert Ticket.objects.get(pk=ticket.pk).first_answer_at == first_answer


@pytest.mark.parametrize("words", ["", " \n ", "x" * 4001])
def test_words_that_are_none_or_too_many_are_refused(
    nameless: Customer, barona_iela: Store, dace: User, words: str
) -> None:
    ticket = complain(nameless, barona_iela)
    before = everything()

    for action in (answer, add_note, add_customer_words):
        with pytest.raises(Refused) as refusal:
            action(ticket=ticket, words=words, by=dace)
        assert refusal.value.field == "words"

    assert everything() == before


def test_an_answer_in_a_language_we_do_not_speak_is_refused(nameless: Customer, barona_iela: Store, dace: User) -> None:
    ticket = complain(nameless, barona_iela)

    with pytest.raises(Refused):
        answer(ticket=ticket, words="Bonjour", language="fr", by=dace)

    assert not ticket.messages.filter(voice=TicketMessage.Voice.STAFF).exists()


def test_the_database_refuses_states_that_cannot_be(nameless: Customer, barona_iela: Store) -> None:
    ticket = complain(nameless, barona_iela)
    tickets = Ticket.objects.filter(pk=ticket.pk)

    for wrong in ({"status": "paused"}, {"status": "resolved"}, {"due_at": ticket.due_from}, {"subject": ""}):
        with pytest.raises(IntegrityError), transaction.atomic():
            tickets.update(**wrong)

"""Two people at one ticket, and one customer with two fingers: one effect, and the other is told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection

from customers.models import Customer, Signal
from feedback.actions.resolving import reopen_ticket, resolve_ticket
from feedback.actions.surveys import answer_survey, invite_to_survey
from feedback.actions.tickets import mark_missed, take_ticket
from feedback.models import Resolution, ResolutionKind, SurveyInvitation, Ticket
from feedback.tests.stories import complain
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User
from rewards.models import Posting, PostingKind
from rewards.queries import balance_of

AT_ONCE = 6


def at_once(action: Callable[[int], Any]) -> tuple[list[Any], list[Refused]]:
    """What came of so many threads starting together: the results, and the refusals. Anything else is raised."""
    start = Barrier(AT_ONCE)

    def run(number: int) -> Any:
        try:
            start.wait(timeout=300)
            return action(number)
        except Refused as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(run, range(AT_ONCE)))
    refused = [result for result in results if isinstance(result, Refused)]
    return [result for result in results if not isinstance(result, Refused)], refused


def test_a_ticket_solved_and_reopened_by_many_gives_and_takes_its_points_once(
    committed_db: str, nameless: Customer, barona_iela: Store, dace: User, admin: User
) -> None:
    ticket = complain(nameless, barona_iela)
    people = [dace, admin]

    def resolve(number: int) -> Resolution:
        by = people[number % 2]
        return resolve_ticket(ticket=ticket, kind=ResolutionKind.GOODWILL, points=200, words="Sorry.", by=by)

    solved, told = at_once(resolve)
    assert (len(solved), len(told)) == (1, AT_ONCE - 1)
    assert balance_of(nameless).available == 200
    assert Posting.objects.filter(kind=PostingKind.GOODWILL).count() == 1

    reopened, told = at_once(lambda number: reopen_ticket(ticket=ticket, by=people[number % 2]))
    assert (len(reopened), len(told)) == (1, AT_ONCE - 1)
    assert balance_of(nameless).available == 0
    assert Resolution.objects.count() == 1


def test_a_ticket_taken_by_many_has_one_owner(
    committed_db: str, nameless: Customer, barona_iela: Store, dace: User, admin: User
) -> None:
    ticket = complain(nameless, barona_iela)

    taken, told = at_once(lambda number: take_ticket(ticket=ticket, by=[dace, admin][number % 2]))

    owner = Ticket.objects.get().owner
    assert {one.owner for one in taken} == {owner}
    assert len(told) == AT_ONCE / 2
    assert AuditEvent.objects.filter(action="assign ticket").count() == 1


def test_an_answer_sent_by_many_fingers_counts_once(committed_db: str, olga: Customer, barona_iela: Store) -> None:
    token = invite_to_survey(customer=olga, by=None).link.rstrip("/").rsplit("/", 1)[1]

    answers, told = at_once(lambda number: answer_survey(token=token, rating=number % 4))

    assert told == []
    assert sum(answer.first for answer in answers) == 1
    survey = SurveyInvitation.objects.get()
    assert Ticket.objects.get() == survey.opened_ticket
    assert {answer.invitation.rating for answer in answers} == {survey.rating}
    assert Signal.objects.count() == 1


def test_misses_looked_for_by_many_beats_are_recorded_once(
    committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    late = [complain(nameless, barona_iela) for _ in range(5)]
    later = max(ticket.due_at for ticket in late) + (late[0].due_at - late[0].due_from)

    counts, _told = at_once(lambda _number: mark_missed(later))

    assert sum(counts) == len(late)
    assert not Ticket.objects.filter(missed_at__isnull=True).exists()

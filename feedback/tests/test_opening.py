"""Opening a ticket: its deadline, what it records about the customer, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from customers.models import Customer, Group, Visit
from feedback.models import DeadlinePolicy, Ticket, TicketKind, TicketMessage, TicketSource
from feedback.queries import open_complaint_of
from feedback.tests.stories import complain, everything, is_held, strengths
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User

pytestmark = pytest.mark.django_db
RIGA = ZoneInfo("Europe/Riga")


def hours(ticket: Ticket) -> float:
    return (ticket.due_at - ticket.opened_at) / timedelta(hours=1)


def test_a_gold_customer_is_answered_in_half_the_time(anna: Customer, janis: Customer, barona_iela: Store) -> None:
    gold, member = complain(anna, barona_iela), complain(janis, barona_iela)

    assert (gold.tier_at_opening, hours(gold)) == ("gold", 24)
    assert (member.tier_at_opening, hours(member)) == ("member", 48)


def test_a_tier_without_a_rule_of_its_own_has_the_time_of_everyone_else(anna: Customer, barona_iela: Store) -> None:
    assert hours(complain(anna, barona_iela, kind=TicketKind.SUGGESTION)) == 120


def test_someone_who_is_no_customer_has_the_time_of_everyone_else(barona_iela: Store) -> None:
    ticket = complain(None, barona_iela, kind=TicketKind.QUESTION)

    assert (ticket.tier_at_opening, ticket.group_at_opening, hours(ticket)) == ("", "", 48)


def test_a_later_tier_does_not_move_the_deadline(anna: Customer, barona_iela: Store) -> None:
    ticket = complain(anna, barona_iela)
    DeadlinePolicy.objects.filter(kind=TicketKind.COMPLAINT, tier="gold").update(hours=2)
    ticket.refresh_from_db()

    assert hours(ticket) == 24


@pytest.mark.parametrize(
    ("opened", "due"),
    [
        (datetime(2026, 3, 28, 22, 0, tzinfo=RIGA), datetime(2026, 3, 30, 23, 0, tzinfo=RIGA)),
        (datetime(2025, 10, 25, 22, 0, tzinfo=RIGA), datetime(2025, 10, 27, 21, 0, tzinfo=RIGA)),
        (datetime(2026, 7, 14, 9, 30, tzinfo=RIGA), datetime(2026, 7, 16, 9, 30, tzinfo=RIGA)),
    ],
    ids=["clocks go forward", "clocks go back", "summer"],
)
def test_48_hours_are_48_real_hours_when_clocks_change(
    nameless: Customer, barona_iela: Store, opened: datetime, due: datetime
) -> None:
    assert complain(nameless, barona_iela, at=opened).due_at == due


def test_a_complaint_holds_back_offers_and_speaks_against_attachment(
    nameless: Customer, barona_iela: Store, liga: User
) -> None:
    ticket = complain(nameless, barona_iela, by=liga)

    assert is_held(nameless)
    assert strengths(nameless) == {f"ticket:{ticket.pk}:opened": -0.6}
    assert open_complaint_of(nameless) == ticket
    assert list(ticket.messages.values_list("voice", "body", "written_by")) == [
        (TicketMessage.Voice.CUSTOMER, "Zupa bija auksta.", liga.pk)
    ]
    assert AuditEvent.objects.filter(action="open ticket", subject_id=ticket.pk, by=liga).count() == 1


def test_praise_speaks_for_attachment_as_strongly_as_the_manager_set(
    nameless: Customer, barona_iela: Store, dace: User
) -> None:
    set_knob(key="feedback.praise_strength", new=0.4, by=dace)
    ticket = complain(nameless, barona_iela, kind=TicketKind.PRAISE)

    assert strengths(nameless) == {f"ticket:{ticket.pk}:opened": 0.4}
    assert not is_held(nameless)
    assert open_complaint_of(nameless) is None


@pytest.mark.parametrize("kind", [TicketKind.QUESTION, TicketKind.SUGGESTION])
def test_a_question_or_idea_says_nothing_about_attachment(nameless: Customer, barona_iela: Store, kind: str) -> None:
    complain(nameless, barona_iela, kind=kind)

    assert strengths(nameless) == {}
    assert not is_held(nameless)


def test_a_customer_nobody_classified_is_in_no_known_group(nameless: Customer, barona_iela: Store) -> None:
    assert complain(nameless, barona_iela).group_at_opening == Group.UNKNOWN


def test_the_ticket_can_name_the_visit(anna: Customer, barona_iela: Store) -> None:
    visit = Visit.objects.filter(customer=anna).latest("occurred_at")

    assert complain(anna, barona_iela, visit=visit).visit == visit


def test_what_cannot_be_a_ticket_is_refused(nameless: Customer, barona_iela: Store) -> None:
    cases = [
        ({"words": "  \n "}, "words"),
        ({"subject": " "}, "subject"),
        ({"words": "x" * 4001}, "words"),
        ({"subject": "x" * 121}, "subject"),
        ({"kind": "threat"}, "kind"),
        ({"severity": "apocalyptic"}, "kind"),
        ({"source": "telepathy"}, "kind"),
    ]
    before = everything()

    for wrong, field in cases:
        with pytest.raises(Refused) as refusal:
            complain(nameless, barona_iela, **wrong)  # type: ignore[arg-type]
        assert refusal.value.field == field

    assert everything() == before


def test_the_visit_of_somebody_else_is_refused(anna: Customer, janis: Customer, barona_iela: Store) -> None:
    visit = Visit.objects.filter(customer=anna).latest("occurred_at")
    before = everything()

    with pytest.raises(Refused, match="visit of this customer"):
        complain(janis, barona_iela, visit=visit)

    assert everything() == before


def test_a_kind_without_any_deadline_is_refused(nameless: Customer, barona_iela: Store) -> None:
    DeadlinePolicy.objects.filter(kind=TicketKind.COMPLAINT).delete()
    before = everything()

    with pytest.raises(Refused, match="No deadline"):
        complain(nameless, barona_iela)

    assert everything() == before


def test_a_ticket_of_the_past_takes_the_tier_of_that_day(anna: Customer, barona_iela: Store) -> None:
    last_year = datetime(2025, 2, 3, 12, 0, tzinfo=UTC)

    assert complain(anna, barona_iela, at=last_year, source=TicketSource.PROFILE).tier_at_opening == "member"

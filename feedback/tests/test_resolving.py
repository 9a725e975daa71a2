"""How a ticket ends: words, a refund at the till, goodwill in the same transaction; and how it is opened again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from customers.models import Customer, Visit
from feedback.actions import resolving
from feedback.actions.resolving import reopen_ticket, resolve_ticket
from feedback.actions.tickets import pause_ticket
from feedback.models import Resolution, ResolutionKind, Ticket, TicketKind, TicketMessage, TicketStatus
from feedback.queries import conversation_of, open_complaint_of
from feedback.tests.stories import complain, everything, is_held, strengths
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User
from loyaltycrm.testing import visit as pays
from rewards.actions.earning import refund_visit
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.models import Posting, PostingKind, Reward
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db

GOODWILL: dict[str, Any] = {"kind": ResolutionKind.GOODWILL, "points": 200, "words": "Atvainojamies."}
WORDS: dict[str, Any] = {"kind": ResolutionKind.WORDS, "words": "Atvainojamies."}


def test_goodwill_is_on_the_account_when_the_ticket_is_solved(anna: Customer, barona_iela: Store, dace: User) -> None:
    before = balance_of(anna).available
    ticket = complain(anna, barona_iela)

    resolution = resolve_ticket(ticket=ticket, **GOODWILL, language="lv", by=dace)

    ticket.refresh_from_db()
    assert (ticket.status, ticket.resolved_at, ticket.missed_at) == (
        TicketStatus.RESOLVED, resolution.resolved_at, None,
    )  # fmt: skip
    assert balance_of(anna).available == before + 200
    posting = resolution.posting
    assert posting is not None
    assert (posting.reference, posting.kind, posting.points) == (f"goodwill:ticket:{ticket.pk}:1", "goodwill", 200)
    assert posting.posted_by == dace
    said = ticket.messages.get(voice=TicketMessage.Voice.STAFF)
    assert (said.body, said.language, said.written_by) == ("Atvainojamies.", "lv", dace)
    assert ticket.first_answer_at == ticket.resolved_at


def test_a_complaint_put_right_frees_the_customer_and_speaks_for_attachment(
    nameless: Customer, barona_iela: Store, dace: User
) -> None:
    ticket = complain(nameless, barona_iela)

    resolve_ticket(ticket=ticket, **WORDS, by=dace)

    assert not is_held(nameless)
    assert open_complaint_of(nameless) is None
    assert strengths(nameless) == {f"ticket:{ticket.pk}:opened": -0.6, f"ticket:{ticket.pk}:resolved:1": 0.5}


def test_of_two_complaints_the_open_one_still_holds_back_offers(
    nameless: Customer, barona_iela: Store, dace: User
) -> None:
    first, second = complain(nameless, barona_iela), complain(nameless, barona_iela)

    resolve_ticket(ticket=first, **WORDS, by=dace)

    assert is_held(nameless)
    assert open_complaint_of(nameless) == second


def test_a_question_answered_says_nothing_about_attachment(nameless: Customer, barona_iela: Store, dace: User) -> None:
    ticket = complain(nameless, barona_iela, kind=TicketKind.QUESTION)

    resolve_ticket(ticket=ticket, **WORDS, by=dace)

    assert strengths(nameless) == {}


def test_a_refund_is_noted_and_moves_no_points(anna: Customer, barona_iela: Store, dace: User) -> None:
    visit = Visit.objects.filter(customer=anna).latest("occurred_at")
    before, postings = balance_of(anna), Posting.objects.count()
    ticket = complain(anna, barona_iela, visit=visit)

    resolution = resolve_ticket(
        ticket=ticket, kind=ResolutionKind.REFUND_NOTE, refund_cents=780, words="Atnāciet pie kases.", by=dace
    )

    assert (resolution.refund_cents, resolution.points, resolution.posting) == (780, 0, None)
    assert (balance_of(anna), Posting.objects.count()) == (before, postings)


def test_someone_who_is_no_customer_gets_words_but_no_points(barona_iela: Store, dace: User) -> None:
    ticket = complain(None, barona_iela)
    before = everything()
    with pytest.raises(Refused, match="Only a customer") as refusal:
        resolve_ticket(ticket=ticket, **GOODWILL, by=dace)
    assert refusal.value.field == "kind"
    assert everything() == before

    resolve_ticket(ticket=ticket, **WORDS, by=dace)
    assert Ticket.objects.get(pk=ticket.pk).status == TicketStatus.RESOLVED


def test_solving_a_paused_ticket_ends_the_pause(nameless: Customer, barona_iela: Store, dace: User) -> None:
    ticket = complain(nameless, barona_iela)
    pause_ticket(ticket=ticket, reason="Waiting", by=dace)

    resolve_ticket(ticket=ticket, **WORDS, by=dace)

    ticket.refresh_from_db()
    assert (ticket.status, ticket.pause) == (TicketStatus.RESOLVED, None)
    assert ticket.pauses.get().ended_by == dace


@pytest.mark.parametrize(
    ("role", "points", "sentence"),
    [
        ("liga", 101, "up to 100\xa0points. Ask a manager, who can give 101\xa0points."),
        ("liga", 1_001, "up to 100\xa0points. Ask an admin, who can give 1,001\xa0points."),
        ("dace", 1_001, "up to 1,000\xa0points. Ask an admin, who can give 1,001\xa0points."),
        ("dace", 5_001, "up to 1,000\xa0points, and nobody can give more than 5,000\xa0points."),
        ("admin", 5_001, "up to 5,000\xa0points, and nobody can give more than 5,000\xa0points."),
    ],
)
def test_above_the_guide_it_is_said_who_can(
    *, request: pytest.FixtureRequest, nameless: Customer, barona_iela: Store, role: str, points: int, sentence: str
) -> None:
    person = request.getfixturevalue(role)
    ticket = complain(nameless, barona_iela)
    before = everything()

    with pytest.raises(Refused) as refusal:
        resolve_ticket(ticket=ticket, kind=ResolutionKind.GOODWILL, points=points, words="Sorry.", by=person)

    assert sentence in str(refusal.value)
    assert refusal.value.field == "points"
    assert everything() == before


def test_the_guide_itself_may_be_given_and_a_manager_can_move_it(
    nameless: Customer, barona_iela: Store, dace: User, admin: User
) -> None:
    set_knob(key="feedback.goodwill_limit_manager", new=300, by=admin)
    ticket = complain(nameless, barona_iela)
    with pytest.raises(Refused, match="up to 300"):
        resolve_ticket(ticket=ticket, kind=ResolutionKind.GOODWILL, points=301, words="Sorry.", by=dace)

    resolve_ticket(ticket=ticket, kind=ResolutionKind.GOODWILL, points=300, words="Sorry.", by=dace)

    assert balance_of(nameless).available == 300


def test_nobody_gives_points_to_themselves(nameless: Customer, barona_iela: Store, dace: User, admin: User) -> None:
    dace.customer_id = nameless.pk
    dace.save()
    ticket = complain(nameless, barona_iela)
    before = everything()

    with pytest.raises(Refused, match="to yourself"):
        resolve_ticket(ticket=ticket, **GOODWILL, by=dace)

    assert everything() == before
    resolve_ticket(ticket=ticket, **GOODWILL, by=admin)
    assert balance_of(nameless).available == 200


def test_an_ending_that_does_not_add_up_changes_nothing(nameless: Customer, barona_iela: Store, dace: User) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"kind": "bribe", "words": "Sorry."}, "kind"),
        ({"kind": "words", "words": "  "}, "words"),
        ({"kind": "words", "words": "Sorry.", "points": 50}, "kind"),
        ({"kind": "words", "words": "Sorry.", "refund_cents": 50}, "kind"),
        ({"kind": "goodwill", "words": "Sorry.", "points": 0}, "points"),
        ({"kind": "goodwill", "words": "Sorry.", "points": -5}, "points"),
        ({"kind": "goodwill", "words": "Sorry.", "points": 50, "refund_cents": 50}, "kind"),
        ({"kind": "refund_note", "words": "Sorry."}, "refund"),
        ({"kind": "refund_note", "words": "Sorry.", "refund_cents": -1}, "refund"),
        ({"kind": "refund_note", "words": "Sorry.", "refund_cents": 10_001}, "refund"),
        ({"kind": "words", "words": "Bonjour", "language": "fr"}, "language"),
    ]
    ticket = complain(nameless, barona_iela)
    before = everything()

    for given, field in cases:
        with pytest.raises(Refused) as refusal:
            resolve_ticket(ticket=ticket, by=dace, **given)
        assert refusal.value.field == field, given

    assert everything() == before


def test_no_more_is_given_back_than_was_paid_and_not_given_back_before(
    janis: Customer, barona_iela: Store, dace: User
) -> None:
    visit = Visit.objects.get(customer=janis)
    refund_visit(visit=visit, net_cents=240, receipt_id="RF-1", occurred_at=None, store=barona_iela, by=None)
    ticket = complain(janis, barona_iela, visit=visit)
    before = everything()

    with pytest.raises(Refused, match=r"At most €10\.00"):
        resolve_ticket(ticket=ticket, kind=ResolutionKind.REFUND_NOTE, refund_cents=1_001, words="Sorry.", by=dace)
    assert everything() == before

    resolve_ticket(ticket=ticket, kind=ResolutionKind.REFUND_NOTE, refund_cents=1_000, words="Sorry.", by=dace)


def test_a_solved_ticket_is_not_solved_again(nameless: Customer, barona_iela: Store, dace: User) -> None:
    ticket = complain(nameless, barona_iela)
    resolve_ticket(ticket=ticket, **GOODWILL, by=dace)
    before = everything()

    with pytest.raises(Refused, match="solved already"):
        resolve_ticket(ticket=ticket, **GOODWILL, by=dace)

    assert everything() == before
    assert balance_of(nameless).available == 200


@pytest.mark.parametrize("step", ["release_hold", "record_signal", "write_message"])
def test_what_fails_after_the_points_takes_them_back(
    nameless: Customer, barona_iela: Store, dace: User, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    ticket = complain(nameless, barona_iela)
    before = everything()
    posted_before_the_failure = []

    def fail(*_args: Any, **_kwargs: Any) -> None:
        posted_before_the_failure.append(Posting.objects.filter(kind=PostingKind.GOODWILL).count())
        raise RuntimeError(step)

    monkeypatch.setattr(resolving, step, fail)
    with pytest.raises(RuntimeError, match=step):
        resolve_ticket(ticket=ticket, **GOODWILL, by=dace)

    assert posted_before_the_failure == [1]
    assert everything() == before


def test_a_refused_posting_leaves_the_ticket_open(
    nameless: Customer, barona_iela: Store, dace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_kwargs: Any) -> None:
        raise Refused("The ledger is closed.")

    ticket = complain(nameless, barona_iela)
    before = everything()
    monkeypatch.setattr(resolving, "post_goodwill", refuse)

    with pytest.raises(Refused, match="ledger is closed"):
        resolve_ticket(ticket=ticket, **GOODWILL, by=dace)

    assert everything() == before


def test_reopening_takes_everything_back_and_the_second_ending_stands(
    nameless: Customer, barona_iela: Store, dace: User
) -> None:
    opened = timezone.now() - timedelta(hours=60)
    ticket = complain(nameless, barona_iela, at=opened)
    resolve_ticket(ticket=ticket, **GOODWILL, by=dace)

    ticket = reopen_ticket(ticket=ticket, reason="She is still cross.", by=dace)

    assert balance_of(nameless).available == 0
    assert is_held(nameless)
    assert strengths(nameless) == {f"ticket:{ticket.pk}:opened": -0.6}
    assert (ticket.status, ticket.resolved_at) == (TicketStatus.OPEN, None)
    assert ticket.due_at - ticket.due_from == timedelta(hours=48)
    assert ticket.due_at > timezone.now() + timedelta(hours=47)
    assert ticket.missed_at == opened + timedelta(hours=48), "a deadline that was missed stays missed"
    reversal = Posting.objects.get(reverses__reference=f"goodwill:ticket:{ticket.pk}:1")
    assert (reversal.points, reversal.posted_by) == (200, dace)
    assert ticket.messages.get(voice=TicketMessage.Voice.NOTE).body == "She is still cross."

    resolve_ticket(ticket=ticket, kind=ResolutionKind.GOODWILL, points=300, words="Once more.", by=dace)

    assert balance_of(nameless).available == 300
    assert not is_held(nameless)
    assert strengths(nameless) == {f"ticket:{ticket.pk}:opened": -0.6, f"ticket:{ticket.pk}:resolved:2": 0.5}
    assert [entry.kind for entry in conversation_of(ticket)] == [
        "customer", "staff", "resolved", "note", "reopened", "staff", "resolved",
    ]  # fmt: skip
    call_command("audit_ledger")


def test_reopening_after_the_points_were_spent_leaves_arrears_and_says_so_in_the_books(
    nameless: Customer, barona_iela: Store, dace: User
) -> None:
    ticket = complain(nameless, barona_iela)
    resolve_ticket(ticket=ticket, kind=ResolutionKind.GOODWILL, points=500, words="Sorry.", by=dace)
    spend_500(nameless, barona_iela, dace)

    reopen_ticket(ticket=ticket, by=dace)

    balance = balance_of(nameless)
    assert (balance.available, balance.arrears) == (-500, 500)
    pays(nameless, barona_iela, 60_000)
    assert balance_of(nameless).arrears == 0
    call_command("audit_ledger")


def test_an_open_ticket_is_not_reopened(nameless: Customer, barona_iela: Store, dace: User) -> None:
    ticket = complain(nameless, barona_iela)
    before = everything()

    with pytest.raises(Refused, match="open already"):
        reopen_ticket(ticket=ticket, by=dace)

    assert everything() == before


def test_every_ending_has_one_audit_row(nameless: Customer, barona_iela: Store, dace: User) -> None:
    ticket = complain(nameless, barona_iela)
    resolve_ticket(ticket=ticket, **GOODWILL, by=dace)
    reopen_ticket(ticket=ticket, by=dace)
    resolve_ticket(ticket=ticket, **WORDS, by=dace)

    rows = AuditEvent.objects.filter(subject_type="feedback.ticket", subject_id=ticket.pk).order_by("id")
    assert [(row.action, row.by) for row in rows] == [
        ("open ticket", None), ("resolve ticket", dace), ("reopen ticket", dace), ("resolve ticket", dace),
    ]  # fmt: skip
    assert Resolution.objects.filter(ticket=ticket).count() == 2


def spend_500(customer: Customer, store: Store, by: User) -> None:
    reward = Reward.objects.create(
        key="bread", names={"en": "A loaf"}, points_cost=500, benefit=FreeItem(worth_cents=300)
    )
    use_reward(customer=customer, reward=reward, store=store, reference="till:1", by=by)

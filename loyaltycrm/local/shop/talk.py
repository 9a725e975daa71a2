"""What the invented customers say, and how the shop answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from customers.models import Customer
from feedback.actions.conversation import add_note
from feedback.actions.resolving import resolve_ticket
from feedback.actions.surveys import answer_survey, invite_to_survey
from feedback.actions.tickets import open_ticket, pause_ticket, take_ticket
from loyaltycrm.core.models import Store, User

ClockAt = Callable[[datetime], AbstractContextManager[None]]

SUBJECTS = {
    "complaint": (
        ("The bread was stale", "The rye loaf I bought was hard on the same evening."),
        ("Charged twice", "The till charged my card twice for one order."),
        ("Rude answer at the counter", "I asked about gluten and was told to read the label."),
        ("The cake box was crushed", "The box was crushed, the cake with it."),
        ("Long wait on Saturday", "Twenty minutes for two buns."),
    ),
    "question": (
        ("Is there a loaf without salt", "My doctor asks me to avoid salt."),
        ("Can I order a cake by phone", "For next Friday, ten people."),
    ),
    "suggestion": (
        ("A smaller cake for two", "The honey cake is lovely and far too big."),
        ("Open at seven on Sundays", "Before church, please."),
    ),
    "praise": (("Thank you, Līga", "She remembered my order after half a year."),),
}
LATVIAN = {
    "subject": "The soup was cold",
    "words": (
        "Parasti viss ir lieliski. Šoreiz zupa bija auksta, un neviens to nepamanīja. "
        "Žēl, jo nākam gandrīz katru nedēļu."
    ),
}
ANSWERS = "Thank you for telling us. We are sorry, and we have spoken with the bakery about it."
RATING_WEIGHTS = (1, 1, 1, 2, 2, 4, 6, 12, 22, 26, 23)
SOLVED, SURVEYS, SHARE_ANSWERED = 45, 260, 0.7
HOURS_OPEN = (2, 20, 30, 52, 5, 10)


@dataclass(frozen=True, slots=True)
class Scene:
    """Who talks, where, by which dice and under which clock."""

    now: datetime
    staff: dict[str, User]
    stores: dict[str, Store]
    dice: Random
    clock_at: ClockAt


def fill_feedback(scene: Scene) -> None:
    """Some forty solved tickets, a dozen open ones in every state, and a few hundred survey answers."""
    dice, now = scene.dice, scene.now
    customers = list(Customer.objects.filter(visits__isnull=False).distinct().order_by("external_id"))
    for customer in dice.sample(customers, SOLVED):
        _solved(scene, customer, now - timedelta(days=dice.uniform(4, 300)))
    for number, customer in enumerate(dice.sample(customers, 12)):
        _open(scene, customer, number)
    for customer in dice.sample(customers, SURVEYS):
        _survey(scene, customer, now - timedelta(days=dice.uniform(4, 330)))


def _solved(scene: Scene, customer: Customer, at: datetime) -> None:
    dice, manager = scene.dice, scene.staff["manager"]
    kind = dice.choices(list(SUBJECTS), [5, 2, 2, 1])[0]
    subject, words = dice.choice(SUBJECTS[kind])
    store = dice.choice(list(scene.stores.values()))
    with scene.clock_at(at):
        ticket = open_ticket(
            customer=customer, store=store, kind=kind, subject=subject, words=words, source="till", by=manager
        )
        take_ticket(ticket=ticket, by=manager)
    gives_points = kind == "complaint" and dice.random() < 0.6
    with scene.clock_at(at + timedelta(hours=dice.uniform(1, 60))):
        resolve_ticket(
            ticket=ticket,
            kind="goodwill" if gives_points else "words",
            words=ANSWERS,
            points=dice.choice((50, 100, 200)) if gives_points else 0,
            by=manager,
        )


def _open(scene: Scene, customer: Customer, number: int) -> None:
    manager, till = scene.staff["manager"], scene.staff["till"]
    kind = list(SUBJECTS)[number % 3]
    subject, words = SUBJECTS[kind][number % len(SUBJECTS[kind])]
    with scene.clock_at(scene.now - timedelta(hours=HOURS_OPEN[number % len(HOURS_OPEN)])):
        ticket = open_ticket(
            customer=customer,
            store=list(scene.stores.values())[number % 3],
            kind=kind,
            subject=subject,
            words=words,
            source="till",
            by=till if number % 3 == 0 else manager,
        )
        if number % 4 == 1:
            take_ticket(ticket=ticket, by=manager)
        if number % 5 == 4:
            pause_ticket(ticket=ticket, reason="Waiting for a photo", by=manager)


def _survey(scene: Scene, customer: Customer, at: datetime) -> None:
    with scene.clock_at(at):
        invited = invite_to_survey(customer=customer, by=None)
    if scene.dice.random() < SHARE_ANSWERED:
        rating = scene.dice.choices(range(11), RATING_WEIGHTS)[0]
        with scene.clock_at(at + timedelta(hours=scene.dice.uniform(1, 70))):
            answered = answer_survey(token=invited.link.rstrip("/").rsplit("/", 1)[1], rating=rating)
        ticket = answered.invitation.opened_ticket
        if ticket is not None:
            with scene.clock_at(at + timedelta(hours=scene.dice.uniform(72, 95))):
                resolve_ticket(ticket=ticket, kind="words", words=ANSWERS, by=scene.staff["manager"])


def complain(scene: Scene, customer: Customer, store: Store) -> None:
    """The complaint of the pictures: cold soup, told in Latvian, with a note by the till."""
    with scene.clock_at(scene.now - timedelta(hours=21)):
        ticket = open_ticket(
            customer=customer,
            store=store,
            kind="complaint",
            subject=LATVIAN["subject"],
            words=LATVIAN["words"],
            language="lv",
            source="till",
            by=scene.staff["till"],
        )
        take_ticket(ticket=ticket, by=scene.staff["manager"])
    with scene.clock_at(scene.now - timedelta(minutes=50)):
        add_note(
            ticket=ticket,
            words="Said sorry. Anna was kind about it. The soup warmer was off from 12:00 to 13:30.",
            by=scene.staff["till"],
        )

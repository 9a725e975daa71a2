"""Small audiences for tests of offers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Any

from django.utils import timezone

from customers.actions.classifying import classify, flag_loyalty
from customers.actions.consent import record_consent
from customers.actions.customers import create_customer
from customers.models import Channel, ConsentEvent, Customer, Purpose
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import Company
from rewards.actions.choices import ChoiceContent, add_choice, set_own_choice
from rewards.actions.offers import OfferContent, activate_offer, create_offer
from rewards.actions.planning import plan_run
from rewards.actions.runs import start_run
from rewards.benefits import MoneyOff, PercentOff
from rewards.models import Motive, Offer, Run, Schedule

TEXTS = {
    "en": {"subject": "{first_name}, {benefit} for you", "heading": "Hello, {first_name}", "body": "Come by soon."},
    "lv": {"subject": "{first_name}, Jums {benefit}", "heading": "Sveiki, {first_name}", "body": "Ienāciet drīz."},
    "ru": {"subject": "{first_name}, Вам {benefit}", "heading": "Здравствуйте, {first_name}", "body": "Заходите."},
}
BENEFIT = {"en": "€3 off", "lv": "3\u00a0€ atlaide", "ru": "скидка 3\u00a0€"}


def open_shop(**changes: Any) -> Company:
    """The company with what every offer mail needs, sending day and night."""
    company = Company.current()
    for name, new in {
        "name": "Rudzi",
        "postal_address": "Parauga iela 1, Rīga",
        "from_email": "hello@rudzi.example",
        **changes,
    }.items():
        setattr(company, name, new)
    company.save()
    send_at_any_hour()
    return company


def send_at_any_hour() -> None:
    """So that no test depends on the time of day."""
    set_knob(key="send_from_hour", new=0, by=None)
    set_knob(key="send_until_hour", new=24, by=None)


def make_loyal(customers: Iterable[Customer]) -> None:
    """A manager says that these customers are loyal."""
    for customer in customers:
        flag_loyalty(
            customer=customer,
            loyal=True,
            reason="Tells everyone about us",
            ends_on=Company.current().today() + timedelta(days=90),
            by=None,
        )


def add_reader(number: int, *, consents: bool | None = True, loyal: bool = True, **fields: Any) -> Customer:
    """One customer; `consents` None says nothing about offers."""
    customer = create_customer(
        **{
            "first_name": f"Reader{number}",
            "email": f"reader{number}@example.com",
            "language": "en",
            "joined_on": date(2025, 1, 1),
            "external_id": f"R-{number}",
            **fields,
        },
        by=None,
    )
    if consents is not None:
        say(customer, given=consents)
    if loyal:
        make_loyal([customer])
    return customer


def say(customer: Customer, *, given: bool, days_ago: int = 30) -> None:
    """The customer's word on offers by email."""
    record_consent(
        customer=customer,
        purpose=Purpose.OFFERS,
        channel=Channel.EMAIL,
        given=given,
        source=ConsentEvent.Source.TILL,
        occurred_at=timezone.now() - timedelta(days=days_ago),
        by=None,
    )


def content(**changes: Any) -> OfferContent:
    """What an offer of the tests is made of."""
    return OfferContent(
        **{
            "name": "Thanks",
            "benefit_names": BENEFIT,
            "benefit": MoneyOff(value_cents=3_00, minimum_spend_cents=6_00),
            "texts": TEXTS,
            "schedule": Schedule.WEEKLY,
            "day": 0,
            "send_at": time(10),
            "control_percent": 0,
            **changes,
        }
    )


def some_choice(**changes: Any) -> ChoiceContent:
    """A choice beside the own benefit of an offer: 10% off, for whom the price moves."""
    names = {"en": "10% off", "lv": "10% atlaide", "ru": "скидка 10%"}
    return ChoiceContent(
        **{"benefit": PercentOff(basis_points=1_000), "names": names, "motive": Motive.PRICE, **changes}
    )


def active_offer(**changes: Any) -> Offer:
    """An offer that may be sent, everyone being classified."""
    classify()
    return activate_offer(offer=create_offer(content=content(**changes), by=None), by=None)


def planned_run(**changes: Any) -> Run:
    """A run of a fresh offer with its audience frozen."""
    run = start_run(offer=active_offer(**changes), by=None)
    assert plan_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def personal_run(*choices: ChoiceContent, **changes: Any) -> Run:
    """The same of an offer with these choices."""
    own = {name: changes.pop(name) for name in ("motive", "own_time_days") if name in changes}
    offer = active_offer(**changes)
    for choice in choices:
        add_choice(offer=offer, content=choice, by=None)
    set_own_choice(offer=offer, **{"motive": "", "own_time_days": 0, **own}, by=None)
    offer.refresh_from_db()
    run = start_run(offer=offer, by=None)
    assert plan_run(run_id=run.pk)
    run.refresh_from_db()
    return run

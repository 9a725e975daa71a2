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
from loyaltycrm.core.models import Company
from rewards.actions.offers import OfferContent, activate_offer, create_offer
from rewards.actions.planning import plan_run
from rewards.actions.runs import start_run
from rewards.models import Offer, Run, Schedule

TEXTS = {
    "en": {"subject": "{first_name}, {benefit} for you", "heading": "Hello, {first_name}", "body": "Come by soon."},
    "lv": {"subject": "{first_name}, Jums {benefit}", "heading": "Sveiki, {first_name}", "body": "Ienāciet drīz."},
    "ru": {"subject": "{first_name}, Вам {benefit}", "heading": "Здравствуйте, {first_name}", "body": "Заходите."},
}
BENEFIT = {"en": "€3 off", "lv": "3\u00a0€ atlaide", "ru": "скидка 3\u00a0€"}


def open_shop(**changes: Any) -> Company:
    """The company with what every offer mail needs."""
    company = Company.current()
    for name, new in {
        "name": "Rudzi",
        "postal_address": "Parauga iela 1, Rīga",
        "from_email": "hello@rudzi.example",
        **changes,
    }.items():
        setattr(company, name, new)
    company.save()
    return company


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
            "value_cents": 300,
            "minimum_spend_cents": 600,
            "texts": TEXTS,
            "schedule": Schedule.WEEKLY,
            "day": 0,
            "send_at": time(10),
            "control_percent": 0,
            **changes,
        }
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

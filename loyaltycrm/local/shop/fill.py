"""Filling an empty database with the sample shop, by the same actions that staff and imports use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest import mock

from django.utils import timezone

from customers.actions.classifying import classify, flag_loyalty
from customers.actions.consent import record_consent
from customers.actions.customers import create_customer
from customers.actions.valuing import fit_value
from customers.models import Channel, ConsentEvent, Customer, Purpose
from loyaltycrm.core.actions.company import change_company
from loyaltycrm.core.actions.staff import add_person
from loyaltycrm.core.actions.stores import add_store
from loyaltycrm.core.imports.run import running_import
from loyaltycrm.core.models import Role, Store, User
from loyaltycrm.local.shop import talk
from loyaltycrm.local.shop.files import STORES, ZONE, make_shop, write_people, write_visits
from loyaltycrm.local.shop.partners import fill_partner
from loyaltycrm.shop.actions.importing import import_shop, open_folder
from rewards.actions.earning import record_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.offers import activate_offer
from rewards.actions.planning import plan_run
from rewards.actions.redeeming import use_code, use_reward
from rewards.actions.runs import start_run
from rewards.actions.shipped import ship_thank_you_offer
from rewards.models import Delivery, DeliveryStatus, Offer, Reward, Run, RunStatus

PASSWORD = "rye-and-caraway"  # noqa: S105 - the demo's, printed on its screen
RUNS_DAYS_AGO = (98, 70, 42)
EFFECT = 0.3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Login:
    """Who can log in to the sample shop."""

    role: str
    email: str
    password: str


@contextmanager
def clock_at(moment: datetime) -> Iterator[None]:
    """Let the product's own clock stand at a moment of the past, so that what it does then is dated then."""
    with mock.patch.object(timezone, "now", return_value=moment):
        yield


def fill_shop(*, today: date, now: datetime, seed: int, say: Say) -> list[Login]:
    """Make the sample shop up to `now`. Needs an empty database; takes well under a minute on two cores."""
    dice = Random(f"fill/{seed}/{today.isoformat()}")
    logins, staff, stores = open_company()
    _fill_catalogue()
    offer = ship_thank_you_offer(by=staff["manager"])
    say("Inventing two years of visits…")
    shop = make_shop(today, seed)
    anna = _anna(now, staff, stores)
    past = [datetime.combine(today - timedelta(days=days), time(10), ZONE) for days in RUNS_DAYS_AGO]
    since = datetime.combine(shop.first_day - timedelta(days=1), time.min, ZONE)
    with TemporaryDirectory() as folder:
        write_people(shop, Path(folder))
        _import(Path(folder))
        for file in Path(folder).iterdir():
            file.unlink()
        for moment in past:
            say(f"Importing visits up to {moment:%d.%m.%Y}…")
            write_visits(shop, Path(folder), since=since, until=moment)
            _import(Path(folder))
            since = moment
            _send_offer_of_the_past(offer, moment, staff["manager"], stores, dice)
        say("Importing visits up to now…")
        write_visits(shop, Path(folder), since=since, until=now)
        _import(Path(folder))
    say("Writing tickets and survey answers…")
    scene = talk.Scene(now, staff, stores, dice, clock_at)
    talk.fill_feedback(scene)
    talk.complain(scene, anna, stores["BARONA"])
    fill_partner(now=now, today=today, by=staff["manager"], dice=dice)
    sweep_expired(today=today)
    say("Deciding who is regular and who is loyal…")
    classify(as_of=today)
    fit_value(as_of=today)
    with clock_at(now):
        start_run(offer=offer, by=staff["manager"])
    return logins


def open_company() -> tuple[list[Login], dict[str, User], dict[str, Store]]:
    """The company Rudzi with its stores and the people who log in."""
    change_company(by=None, name="Rudzi", time_zone="Europe/Riga", postal_address="Rudzi, Parauga iela 1, Rīga")
    stores = {code: add_store(code=code, name=name, time_zone="Europe/Riga", by=None) for code, name in STORES.items()}
    return (*add_logins(list(stores.values())), stores)


def add_logins(stores: list[Store]) -> tuple[list[Login], dict[str, User]]:
    """One person of each role, who works at all of these stores."""
    people = {
        Role.TILL: ("Līga Ozola", "liga@rudzi.example", stores[:1]),
        Role.MANAGER: ("Dace Krūmiņa", "dace@rudzi.example", stores),
        Role.ADMIN: ("Aivars Lācis", "admin@rudzi.example", []),
    }
    staff = {
        str(role): add_person(email=email, name=name, role=role, stores=own, password=PASSWORD, by=None)
        for role, (name, email, own) in people.items()
    }
    return [Login(str(role), email, PASSWORD) for role, (_name, email, _own) in people.items()], staff


def _fill_catalogue() -> None:
    for key, cost, cents, kind, names in (
        ("coffee", 120, 250, "free_item", ("Free coffee", "Bezmaksas kafija", "Бесплатный кофе")),
        ("bread", 300, 480, "free_item", ("Bread of the week", "Nedēļas maize", "Хлеб недели")),
        ("five-off", 500, 500, "money_off", ("€5 off", "5 € atlaide", "Скидка 5 €")),
    ):
        texts = dict(zip(("en", "lv", "ru"), names, strict=True))
        Reward.objects.create(key=key, names=texts, kind=kind, points_cost=cost, value_cents=cents)


def _import(folder: Path) -> None:
    with running_import(dry_run=False, encoding=None, time_zone=None, progress=lambda *_said: None) as run:
        import_shop(run, open_folder(folder), by=None)
        refused = sum(file.counts()["refused"] for file in run.files)
    if refused:
        raise RuntimeError(f"The sample shop's own files were refused in {refused} rows.")


def _send_offer_of_the_past(offer: Offer, moment: datetime, by: User, stores: dict[str, Store], dice: Random) -> None:
    """A run as it was: planned that day on what was known, and some of those who got it came for it.

    Its mails are not sent again today; their rows are marked as sent that day.
    """
    classify(as_of=moment.date())
    with clock_at(moment):
        if offer.activated_at is None:
            activate_offer(offer=offer, by=by)
            offer.refresh_from_db()
        run = start_run(offer=offer, by=by)
        plan_run(run_id=run.pk, at=moment)
    mailed = Delivery.objects.filter(run=run, status=DeliveryStatus.PENDING)
    mailed.update(status=DeliveryStatus.SENT, sent_at=moment, reply="250 OK", attempts=1)
    Run.objects.filter(pk=run.pk).update(status=RunStatus.DONE, finished_at=moment + timedelta(minutes=3))
    sent = Delivery.objects.filter(run=run, status=DeliveryStatus.SENT).select_related("customer", "voucher")
    for delivery in sent.order_by("id"):
        if dice.random() < EFFECT:
            _come_for_it(delivery, moment, dice.choice(list(stores.values())), dice)


def _come_for_it(delivery: Delivery, moment: datetime, store: Store, dice: Random) -> None:
    at = moment + timedelta(days=dice.randint(1, 12), hours=dice.randint(0, 8), minutes=dice.randint(0, 59))
    with clock_at(at):
        outcome = record_visit(
            customer=delivery.customer,
            store=store,
            net_cents=dice.randint(650, 2400),
            receipt_id=f"O-{delivery.pk}",
            payment_method="card",
            by=None,
        )
        if delivery.voucher is not None and dice.random() < 0.7:
            use_code(
                code=delivery.voucher.code,
                customer=delivery.customer,
                store=store,
                reference=f"demo-{delivery.pk}",
                visit=outcome.visit,
                by=None,
            )


def _anna(now: datetime, staff: dict[str, User], stores: dict[str, Store]) -> Customer:
    """Anna Bērziņa, whom a newcomer finds first: gold, loyal, every six days at the counter for two years."""
    noon = datetime.combine(now.astimezone(ZONE).date(), time(12, 40), ZONE)
    store, till = stores["BARONA"], staff["till"]
    with clock_at(noon - timedelta(days=725)):
        anna = create_customer(
            first_name="Anna",
            last_name="Bērziņa",
            email="anna.berzina@example.com",
            phone="+441914960999",
            language="lv",
            joined_on=(noon - timedelta(days=1350)).date(),
            card="0042 1187 00",
            home_store=store,
            by=staff["manager"],
        )
        for purpose in (Purpose.OFFERS, Purpose.SURVEYS):
            record_consent(
                customer=anna,
                purpose=purpose,
                channel=Channel.EMAIL,
                given=True,
                source=ConsentEvent.Source.TILL,
                by=till,
            )
    for number, days in enumerate(range(724, 1, -6)):
        if number % 23 == 22:
            continue  # away on holiday
        with clock_at(noon - timedelta(days=days - number % 3, hours=number % 5, minutes=number * 7 % 50)):
            record_visit(
                customer=anna,
                store=store,
                net_cents=3100 + number * 617 % 3700,
                receipt_id=f"A-{number:03d}",
                payment_method="mobile" if number % 3 else "card",
                by=till,
            )
            if number in (40, 75, 110):
                coffee = Reward.objects.get(key="coffee")
                use_reward(customer=anna, reward=coffee, store=store, reference=f"demo-anna-{number}", by=till)
    with clock_at(noon - timedelta(days=200)):
        flag_loyalty(
            customer=anna,
            loyal=True,
            reason="Brought her whole choir",
            ends_on=(noon + timedelta(days=120)).date(),
            by=staff["manager"],
        )
    return anna


def is_empty() -> bool:
    """Whether the database holds nobody yet: no customer and no member of staff."""
    return not Customer.objects.exists() and not User.objects.exists()

"""Filling an empty database with the sample shop, by the same actions that staff and imports use."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest import mock

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from customers.actions.classifying import classify, flag_loyalty
from customers.actions.consent import record_consent
from customers.actions.customers import create_customer
from customers.actions.segments import save_segment
from customers.actions.valuing import fit_value
from customers.models import Channel, ConsentEvent, Customer, Purpose
from loyaltycrm.core.actions.company import change_company
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.actions.staff import add_person
from loyaltycrm.core.actions.stores import add_store
from loyaltycrm.core.imports.run import running_import
from loyaltycrm.core.models import Role, Store, User
from loyaltycrm.local.shop import talk
from loyaltycrm.local.shop.choices import offer_for_each
from loyaltycrm.local.shop.files import STORES, ZONE, make_shop, write_people, write_visits
from loyaltycrm.local.shop.imports import fill_import
from loyaltycrm.local.shop.offers import fill_offers
from loyaltycrm.local.shop.partners import fill_partner
from loyaltycrm.shop.actions.importing import import_shop, open_folder
from rewards.actions.earning import record_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.hold_outs import keep_hold_out, measure_hold_out
from rewards.actions.measuring import measure_runs
from rewards.actions.offers import activate_offer, content_of, create_offer, edit_offer, pause_offer
from rewards.actions.planning import plan_run
from rewards.actions.redeeming import use_code, use_reward
from rewards.actions.runs import start_run
from rewards.actions.shipped import ship_thank_you_offer
from rewards.benefits import EarlyAccess, FreeItem, Gift, MoneyOff, PercentOff
from rewards.hold_out import held_out_through
from rewards.models import Delivery, DeliveryStatus, Offer, Reward, Run, RunStatus

PASSWORD = "rye-and-caraway"  # noqa: S105 - the demo's, printed on its screen
RUNS_DAYS_AGO = (98, 70, 42)
# Two weeks, so that its readers may get the newest run, and after the weeks in which the run before it is measured.
OWN_CHOICE_DAYS_AGO = 14
HELD_OUT_DAYS_AGO = 100
# How many of those who got the mail come for it: a thank-you that works, and a try to win people back that hardly does.
LOAF_CENTS = 3_20
EFFECT = 0.55
EFFECT_ON_THE_LATE = 0.1
CONTROL_PERCENT = 30
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
    measurable = replace(content_of(offer), control_percent=CONTROL_PERCENT)
    offer = edit_offer(offer=offer, content=measurable, by=staff["manager"])
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
        hold_some_out(today - timedelta(days=HELD_OUT_DAYS_AGO), but=anna)
        for moment in past:
            say(f"Importing visits up to {moment:%d.%m.%Y}…")
            write_visits(shop, Path(folder), since=since, until=moment)
            _import(Path(folder))
            since = moment
            _send_offer_of_the_past(offer, moment, staff["manager"], stores, dice, effect=EFFECT)
            if moment == past[1]:
                late, soon = _win_back(offer, staff["manager"]), moment + timedelta(days=1)
                _send_offer_of_the_past(late, soon, staff["manager"], stores, dice, effect=EFFECT_ON_THE_LATE)
                pause_offer(offer=late, by=staff["manager"])
        own = datetime.combine(today - timedelta(days=OWN_CHOICE_DAYS_AGO), time(10), ZONE)
        write_visits(shop, Path(folder), since=since, until=own)
        _import(Path(folder))
        since, each = own, offer_for_each(offer, staff["manager"])
        _send_offer_of_the_past(each, own, staff["manager"], stores, dice, effect=EFFECT)
        pause_offer(offer=each, by=staff["manager"])
        say("Importing visits up to now…")
        write_visits(shop, Path(folder), since=since, until=now)
        _import(Path(folder))
    say("Writing tickets and survey answers…")
    scene = talk.Scene(now, staff, stores, dice, clock_at)
    talk.fill_feedback(scene)
    talk.complain(scene, anna, stores["BARONA"])
    fill_partner(now=now, today=today, by=staff["manager"], dice=dice)
    fill_import(today=today, by=staff["manager"], dice=dice)
    sweep_expired(today=today)
    say("Deciding who is regular and who is loyal…")
    classify(as_of=today)
    fit_value(as_of=today)
    measure_runs(today=today)
    for month in range(4, -1, -1):
        measure_hold_out(today=(today - timedelta(days=30 * month)).replace(day=1))
    fill_offers(by=staff["manager"])
    with clock_at(now):
        start_run(offer=offer, by=staff["manager"])
    return logins


def open_company() -> tuple[list[Login], dict[str, User], dict[str, Store]]:
    """The company Rudzi with its stores and the people who log in."""
    change_company(by=None, name="Rudzi", time_zone="Europe/Riga", postal_address="Rudzi, Parauga iela 1, Rīga")
    # Whoever tries the shop at night sees the mails too.
    set_knob(key="send_from_hour", new=0, by=None)
    set_knob(key="send_until_hour", new=24, by=None)
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
    for key, cost, benefit, names in (
        ("coffee", 120, FreeItem(worth_cents=2_50), ("Free coffee", "Bezmaksas kafija", "Бесплатный кофе")),
        ("bread", 300, FreeItem(worth_cents=4_80), ("Bread of the week", "Nedēļas maize", "Хлеб недели")),
        ("five-off", 500, MoneyOff(value_cents=5_00), ("€5 off", "5 € atlaide", "Скидка 5 €")),
        (
            "tenth-off",
            700,
            PercentOff(basis_points=1_000, cap_cents=15_00),
            ("10% off one visit", "10 % atlaide vienam apmeklējumam", "Скидка 10 % на одну покупку"),
        ),
        (
            "apron",
            1_500,
            Gift(worth_cents=6_00, within_days=7),
            ("A baker's apron", "Maiznieka priekšauts", "Фартук пекаря"),
        ),
        (
            "new-first",
            2_000,
            EarlyAccess(days_before=2, within_days=30),
            ("New loaves before everybody", "Jaunā maize pirms citiem", "Новый хлеб раньше всех"),
        ),
    ):
        texts = dict(zip(("en", "lv", "ru"), names, strict=True))
        Reward.objects.create(key=key, names=texts, benefit=benefit, points_cost=cost)


def _import(folder: Path) -> None:
    with running_import() as run:
        import_shop(run, open_folder(folder), by=None)
        refused = sum(file.counts()["refused"] for file in run.files)
    if refused:
        raise RuntimeError(f"The sample shop's own files were refused in {refused} rows.")


def hold_some_out(day: date, *, but: Customer) -> None:
    """A draw of the past in which this customer is not."""
    for seed in itertools.count():
        with transaction.atomic():
            keep_hold_out(today=day, seed=seed)
            if held_out_through(but, day) is None:
                return
            transaction.set_rollback(True)


def _win_back(offer: Offer, by: User) -> Offer:
    """The same benefit for few: whoever stays away for three times their own usual gap, or longer."""
    late = save_segment(name="Long away", definition={"late": {"least": 30}}, is_shared=True, by=by)
    return create_offer(content=replace(content_of(offer), name="We miss you", segment=late), by=by)


def _send_offer_of_the_past(
    offer: Offer, moment: datetime, by: User, stores: dict[str, Store], dice: Random, *, effect: float
) -> None:
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
    at_own_time = When(next_at__lt=moment + timedelta(days=OWN_CHOICE_DAYS_AGO - 1), then=F("next_at"))
    left_at = Case(at_own_time, default=Value(moment))
    mailed.update(status=DeliveryStatus.SENT, sent_at=left_at, reply="250 OK", attempts=1)
    Run.objects.filter(pk=run.pk).update(status=RunStatus.DONE, finished_at=moment + timedelta(minutes=3))
    sent = Delivery.objects.filter(run=run, status=DeliveryStatus.SENT).select_related("customer", "voucher")
    for delivery in sent.order_by("id"):
        if dice.random() < effect:
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
                item_cents=LOAF_CENTS,
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
        for purpose in (Purpose.OFFERS, Purpose.SURVEYS, Purpose.RECEIPTS):
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

"""The sample shop: the same for the same day, believable, and whole."""

from __future__ import annotations

import csv
import hashlib
import itertools
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from customers.models import Customer
from loyaltycrm.core.models import User
from loyaltycrm.local.shop.files import ZONE, Shop, make_shop, write_people, write_visits
from loyaltycrm.local.shop.fill import open_company
from loyaltycrm.local.shop.offers import fill_offers

DAY = date(2026, 7, 15)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(DAY)


def fingerprint(shop: Shop, folder: Path) -> str:
    folder.mkdir()
    write_people(shop, folder)
    start = datetime(2020, 1, 1, tzinfo=ZONE)
    write_visits(shop, folder, since=start, until=datetime(2026, 7, 15, 23, 59, 59, tzinfo=ZONE))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.iterdir()))).hexdigest()


@pytest.mark.long
def test_the_same_day_and_seed_make_the_same_files(shop: Shop, tmp_path: Path) -> None:
    same, other = make_shop(DAY), make_shop(DAY, seed=2)
    prints = {name: fingerprint(made, tmp_path / name) for name, made in {"a": shop, "b": same, "c": other}.items()}
    assert prints["a"] == prints["b"]
    assert prints["a"] != prints["c"]


def test_the_shop_is_as_large_and_as_mixed_as_promised(shop: Shop) -> None:
    languages = Counter(who.language for who, _joined, _email, _sms in shop.people)
    assert len(shop.people) == 2000
    assert min(languages[code] for code in ("en", "lv", "ru")) >= 200
    assert {sale.store for sale in shop.sales} == {"BARONA", "AGENSKALNS", "CENTRS"}
    assert min(sale.at for sale in shop.sales).date() <= DAY - timedelta(days=720)
    assert max(sale.at for sale in shop.sales).date() == DAY
    assert shop.refunds
    assert shop.redemptions
    assert shop.lines
    by_month = Counter(sale.at.month for sale in shop.sales if sale.at.year == 2025)
    assert by_month[12] > by_month[7]
    anonymous = sum(1 for sale in shop.sales if not sale.customer)
    assert 0.15 < anonymous / len(shop.sales) < 0.35


def test_people_drift_away_and_come_back(shop: Shop) -> None:
    days: dict[str, list[date]] = {}
    for sale in shop.sales:
        if sale.customer:
            days.setdefault(sale.customer, []).append(sale.at.date())
    regulars = {who: sorted(own) for who, own in days.items() if len(own) >= 12}
    gone = [who for who, own in regulars.items() if own[-1] < DAY - timedelta(days=120)]
    back = [
        who
        for who, own in regulars.items()
        if who not in gone
        and max((later - earlier).days for earlier, later in itertools.pairwise(own))
        > 6 * sorted((later - earlier).days for earlier, later in itertools.pairwise(own))[len(own) // 2]
    ]
    assert len(gone) > 20
    assert len(back) > 20


@pytest.mark.django_db
def test_it_is_not_put_into_a_shop_that_is_in_use(settings: object, anna: Customer) -> None:
    settings.DEMO = True  # type: ignore[attr-defined]
    before = (Customer.objects.count(), User.objects.count())
    with pytest.raises(CommandError, match="holds a shop already"):
        call_command("demo_shop")
    assert (Customer.objects.count(), User.objects.count()) == before


@pytest.mark.django_db
def test_its_known_logins_stay_out_of_a_real_installation(settings: object) -> None:
    settings.DEMO = False  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="DEMO=true"):
        call_command("demo_shop")
    assert User.objects.count() == 0


@pytest.mark.django_db
def test_it_has_offers_of_several_kinds_one_for_birthdays_and_one_that_waits_for_its_words() -> None:
    _logins, staff, _stores = open_company()
    offers = fill_offers(by=staff["manager"])
    assert [(str(one.benefit.kind), one.status, one.event) for one in offers] == [
        ("free_item", "active", "birthday"),
        ("percent_off", "active", ""),
        ("early_access", "draft", ""),
    ]
    assert [bool(one.budget_cents) for one in offers] == [False, True, False]


def test_two_of_three_say_when_they_were_born(shop: Shop, tmp_path: Path) -> None:
    write_people(shop, tmp_path)
    with (tmp_path / "customers.csv").open(encoding="utf-8") as file:
        born = [row["birthday"] for row in csv.DictReader(file)]
    assert sum(map(bool, born)) * 3 == pytest.approx(2 * len(born), abs=3)
    assert len({day[5:] for day in born if day}) > 300

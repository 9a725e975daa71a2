"""What customers are expected to bring: the published yardstick, the shop's own fit, its page and its files."""

from __future__ import annotations

import csv
import json
import math
import os
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from customers.actions.valuing import fit_value
from customers.models import Customer, CustomerValue, ValueFit
from customers.tests.facts import ShopOfFacts
from customers.value.bgnbd import BgNbd, NotFitted, fit_bgnbd
from customers.value.fit import predictions
from customers.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from customers.value.histories import Histories, histories
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, User
from loyaltycrm.shop.export import customer_lines

PROJECT = Path(__file__).resolve().parents[2]
CDNOW = Path(os.environ.get("CDNOW_DATA") or PROJECT.parent / "shared" / "data" / "cdnow")
with_cdnow = pytest.mark.skipif(
    not (CDNOW / "purchases.csv").is_file(),
    reason=f"no purchases.csv in {CDNOW}: the files are not part of the project",
)
# Fader, Hardie and Lee (2005), table 2; Fader and Hardie, "The Gamma-Gamma Model of Monetary Value" (2013).
PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, log_likelihood=-9582.4)
PUBLISHED_SPEND = GammaGamma(p=6.25, q=3.74, gamma=15.44, log_likelihood=0)
TODAY = date(2026, 6, 30)


def people(*rows: tuple[float, float, float, float]) -> Histories:
    """Customers by purchase days after the first, recency and age in weeks, and mean spend."""
    x, recency, age, spend = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return Histories(np.arange(len(rows)), x, recency, age, spend, np.zeros(len(rows)))


# The models


def test_the_published_customer() -> None:
    """Customer 1 of the paper's spreadsheet: 1.226 purchases in the 39 weeks to come, at 24.66 each."""
    one = people((2, 30.43, 38.86, 22.35))
    assert PUBLISHED.expected_purchases(one, 39)[0] == pytest.approx(1.226, abs=0.001)
    assert PUBLISHED_SPEND.expected_spend(one)[0] == pytest.approx(24.66, abs=0.01)


@with_cdnow
def test_the_published_parameters() -> None:
    end = date(1997, 9, 30)
    spend: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    with (CDNOW / "purchases.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            day = date.fromisoformat(row["purchased_at"][:10])
            if day <= end:
                spend[row["customer_id"]][day] += float(row["net_amount"])
    rows = []
    for days in spend.values():
        known = sorted(days)
        later = [days[day] for day in known[1:]]
        mean = sum(later) / len(later) if later else 0.0
        rows.append((len(later), (known[-1] - known[0]).days / 7, (end - known[0]).days / 7, mean))
    sample = people(*rows)
    found = fit_bgnbd(sample)
    for name in ("r", "alpha", "a", "b", "log_likelihood"):
        assert getattr(found, name) == pytest.approx(getattr(PUBLISHED, name), rel=0.01), name
    spent = fit_gamma_gamma(sample)
    for name in ("p", "q", "gamma"):
        assert getattr(spent, name) == pytest.approx(getattr(PUBLISHED_SPEND, name), rel=0.01), name


def test_the_chance_to_be_active_is_the_share_of_the_likelihood() -> None:
    """By Bayes: of the two ways to the same history, still active or stopped after the last purchase."""
    r, alpha, a, b = 0.7, 5.0, 1.3, 2.9
    x, recency, age = 4.0, 10.0, 30.0
    active = (alpha + age) ** -(r + x)
    stopped = a / (b + x - 1) * (alpha + recency) ** -(r + x)
    model = BgNbd(r, alpha, a, b, 0)
    assert model.chance_active(people((x, recency, age, 0)))[0] == pytest.approx(active / (active + stopped))


def test_expected_purchases_add_up_over_time() -> None:
    """A newcomer's expectation is what simulating the model's own story gives, within its error."""
    model = BgNbd(r=0.8, alpha=6.0, a=0.9, b=2.5, log_likelihood=0)
    rng = np.random.default_rng(3)
    counts = []
    for _customer in range(20_000):
        rate, stop = rng.gamma(model.r, 1 / model.alpha), rng.beta(model.a, model.b)
        clock, bought = rng.exponential(1 / rate), 0
        while clock < 26:
            bought += 1
            if rng.random() < stop:
                break
            clock += rng.exponential(1 / rate)
        counts.append(bought)
    error = np.std(counts) / math.sqrt(len(counts))
    assert abs(model.expected_of_newcomer(26) - np.mean(counts)) < 4 * error
    newcomer = people((0, 0, 0, 0))
    assert model.expected_purchases(newcomer, 26)[0] == pytest.approx(model.expected_of_newcomer(26))


def test_daily_buyers_do_not_overflow() -> None:
    model = BgNbd(r=1.2, alpha=0.3, a=0.05, b=9.0, log_likelihood=0)
    expected = model.expected_purchases(people((3_000, 520.0, 520.1, 9)), 52.14)[0]
    assert 250 < expected < 320


def test_who_bought_once_has_no_chance_to_show() -> None:
    told = predictions(PUBLISHED, PUBLISHED_SPEND, people((0, 0, 38.86, 0), (2, 30.43, 38.86, 22.35)))
    assert np.isnan(told["chance_active"][0])
    assert 0 < told["chance_active"][1] < 1
    assert (told["visits"] > 0).all()
    assert (told["spend"] > 0).all()


def test_nothing_is_fitted_to_nothing() -> None:
    with pytest.raises(NotFitted):
        fit_gamma_gamma(people((0, 0, 10, 0)))


# The shop's own customers


@pytest.fixture
def year_of_visits(tmp_path: Path) -> None:
    """45 customers who come every 20 to 64 days; each fifth came three times and no more, each ninth once."""
    rows: list[tuple[str, ...]] = []
    for number in range(45):
        start = date(2025, 7, 1) + timedelta(days=number)
        gap = timedelta(days=20 + number)
        last = start if number % 9 == 0 else start + 2 * gap if number % 5 == 0 else TODAY
        day = start
        while day <= last:
            amount = f"{10 + number / 2:.2f}"
            rows.append((f"R{len(rows)}", f"c{number:03}", "HOME", f"{day}T12:00:00+00:00", amount, "0.00", amount))
            day += gap
    people = tmp_path / "customers.csv"
    people.write_text("customer_id,joined_on\n" + "".join(f"c{number:03},2025-07-01\n" for number in range(45)))
    visits = tmp_path / "purchases.csv"
    header = "receipt_id,customer_id,store_id,purchased_at,gross_amount,discount_amount,net_amount\n"
    visits.write_text(header + "".join(",".join(row) + "\n" for row in rows))
    call_command("import_customers", str(people), verbosity=0)
    call_command("import_visits", str(visits), verbosity=0)


@pytest.mark.django_db
def test_histories_count_days_and_what_was_kept() -> None:
    shop = ShopOfFacts()
    shop.bought("ann", date(2026, 5, 1), gross=900, net=900)
    shop.bought("ann", date(2026, 5, 15), gross=1000, net=1000)
    shop.bought("ann", date(2026, 5, 15), gross=600, net=600)
    shop.bought("ann", date(2026, 6, 12), gross=2000, net=2000)
    shop.bought("ben", date(2026, 6, 20))
    shop.bought("late", date(2026, 7, 1))
    told = histories(TODAY)
    ann = shop.customer("ann").pk
    assert list(told.customers) == [ann, shop.customer("ben").pk]
    assert (told.frequency[0], told.recency[0]) == (2, 6)
    assert told.age[0] == pytest.approx(60 / 7)
    assert told.spend[0] == pytest.approx((16.00 + 20.00) / 2)
    assert (told.frequency[1], told.spend[1]) == (0, 0)
    earlier = histories(date(2026, 5, 31), later_through=TODAY)
    assert (list(earlier.customers), list(earlier.frequency), list(earlier.later)) == ([ann], [1], [1])


@pytest.mark.django_db
@pytest.mark.usefixtures("year_of_visits")
def test_a_fit_is_kept_and_shown(dace: User, signed_in: Callable[[User], Client], tmp_path: Path) -> None:
    client = signed_in(dace)
    assert "Not worked out yet" in client.get(reverse("customers:value")).content.decode()
    call_command("fit_value", "--as-of", TODAY.isoformat(), "--json", str(tmp_path / "fit.json"), stdout=StringIO())
    told = json.loads((tmp_path / "fit.json").read_text())
    fit = ValueFit.objects.get()
    assert (fit.customers, fit.came_back) == (45, 40)
    assert told["r"] == fit.parameters["r"] > 0
    assert AuditEvent.objects.filter(action="fit value").count() == 1
    assert CustomerValue.objects.count() == 45
    once = CustomerValue.objects.get(customer__external_id="c000")
    often = CustomerValue.objects.get(customer__external_id="c001")
    assert (once.frequency, once.chance_active) == (0, None)
    assert often.chance_active is not None
    assert often.visits_12_months > once.visits_12_months
    answer = client.get(reverse("customers:value")).content.decode()
    assert "When checked, the model expected" in answer
    profile = client.get(reverse("shop:profile", args=[often.customer_id])).content.decode()
    assert "expected in the next 12 months" in profile
    assert "too early to say" in client.get(reverse("shop:profile", args=[once.customer_id])).content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("year_of_visits")
def test_the_export_tells_what_is_expected() -> None:
    Customer.objects.create(external_id="never", joined_on=TODAY)
    before = {row["customer_id"]: row for row in csv.DictReader(customer_lines(as_of=TODAY))}
    assert (before["c001"]["frequency"], before["c001"]["chance_active"]) == ("17", "")
    fit_value(as_of=TODAY)
    rows = {row["customer_id"]: row for row in csv.DictReader(customer_lines(as_of=TODAY))}
    assert float(rows["c001"]["chance_active"]) > 0.9 > float(rows["c005"]["chance_active"])
    assert float(rows["c001"]["T"]) == pytest.approx((TODAY - date(2025, 7, 2)).days / 7, abs=1e-4)
    assert (rows["c000"]["frequency"], rows["c000"]["chance_active"]) == ("0", "")
    assert float(rows["c000"]["expected_purchases_12_months"]) > 0
    assert (rows["never"]["frequency"], rows["never"]["expected_value_12_months"]) == ("", "")


@pytest.mark.django_db
@pytest.mark.usefixtures("year_of_visits")
def test_an_earlier_day_answers_but_does_not_replace() -> None:
    newest, _model = fit_value(as_of=TODAY)
    fit_value(as_of=TODAY - timedelta(days=30))
    assert set(CustomerValue.objects.values_list("fit", flat=True)) == {newest.pk}


@pytest.mark.django_db
def test_too_few_customers_say_so_and_change_nothing() -> None:
    ShopOfFacts().bought("ann", date(2026, 5, 1), date(2026, 5, 9))
    with pytest.raises(Refused, match="Too few customers"):
        fit_value(as_of=TODAY)
    with pytest.raises(CommandError, match="Write the day as"):
        call_command("fit_value", "--as-of", "30.06.2026")
    assert not ValueFit.objects.exists()
    assert not AuditEvent.objects.filter(action="fit value").exists()

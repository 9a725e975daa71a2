"""Choosing for each reader: what moves them, which product is theirs, when they come, and with which chance."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from customers.actions.visits import insert_visit
from customers.models import Customer, Product, VisitLine
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store
from loyaltycrm.shop.queries.offered import offers_of
from rewards.actions.choices import add_choice, edit_choice, remove_choice
from rewards.actions.offers import copy_offer, create_offer, end_offer
from rewards.actions.planning import plan_run
from rewards.actions.runs import start_run
from rewards.benefits import BonusPoints, PercentOff
from rewards.choices import Given, Option
from rewards.choices.drawing import chances, draw
from rewards.choices.estimates import Group, by_choice, estimate
from rewards.choices.goods import known_goods, learn
from rewards.choices.habits import Counts, UsualTime, own_moment
from rewards.choices.motives import Rules, moved_by
from rewards.choices.results import results_of
from rewards.choices.words import why_they
from rewards.emails import LinkTokens, OfferMail
from rewards.models import OWN, ChosenBenefit, Delivery, DeliveryStatus, Drawn, Motive, OwnProduct, Run, RunStatus
from rewards.tests.audiences import active_offer, add_reader, content, open_shop, personal_run, some_choice

RIGA = ZoneInfo("Europe/Riga")
ASKED = Rules(fewest_visits=6, least_times=1.5)
PRODUCT_NAMES = {"en": "10% off {product}", "lv": "10% atlaide: {product}", "ru": "скидка 10%: {product}"}


def options(*motives: str) -> list[Option]:
    return [Option(number, motive, "", Given(BonusPoints(points=1), {})) for number, motive in enumerate(motives)]


def at_noon(day: date, hour: int = 12) -> datetime:
    return datetime.combine(day, time(hour), RIGA)


def came(customer: Customer, store: Store, *days: date, hour: int = 12, off: int = 0, goods: str = "") -> None:
    """Visits of 10.00 on these days, less what is taken off, with one piece of each of the goods."""
    for day in days:
        number = f"{customer.pk}-{day}-{hour}"
        visit, _is_new = insert_visit(
            customer=customer, store=store, net_cents=1000 - off, discount_cents=off, receipt_id=number,
            occurred_at=at_noon(day, hour), payment_method="cash", by=None,
        )  # fmt: skip
        for line, name in enumerate(goods.split(), 1):
            product = Product.objects.get_or_create(
                product_id=f"P-{name}", defaults={"name": name, "category": "Bakery"}
            )[0]
            VisitLine.objects.create(
                visit=visit, line_no=line, product=product, quantity=Decimal(1), gross_cents=100, net_cents=100
            )


def weekly(count: int, *, until: date, every: int = 7) -> list[date]:
    return [until - timedelta(days=every * (back + 1)) for back in range(count)]


class TestChances:
    def test_the_documents_example_of_three_choices(self) -> None:
        three = options(Motive.PRICE, Motive.CONVENIENCE, Motive.ATTENTION)
        assert chances(three, Motive.PRICE, explore=0.1) == pytest.approx({0: 0.9 + 0.1 / 3, 1: 0.1 / 3, 2: 0.1 / 3})
        assert chances(three, "", explore=0.1) == pytest.approx({0: 1 / 3, 1: 1 / 3, 2: 1 / 3})
        assert chances(options("", "price"), Motive.ATTENTION, explore=0.1) == {0: 0.5, 1: 0.5}

    def test_drawn_as_often_as_the_kept_chance_says_and_the_same_again(self) -> None:
        three = options(Motive.PRICE, Motive.CONVENIENCE, "")
        drawn = [draw(three, Motive.PRICE, explore=0.3, seed=7, customer_id=pk) for pk in range(20_000)]
        counted = Counter(one.number for one in drawn)
        assert [counted[number] / 20_000 for number in range(3)] == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
        assert {(one.number, round(one.chance, 6), one.how) for one in drawn} == {
            (0, 0.8, Drawn.FITS),
            (1, 0.1, Drawn.LEARNING),
            (2, 0.1, Drawn.LEARNING),
        }
        assert drawn[5] == draw(three, Motive.PRICE, explore=0.3, seed=7, customer_id=5)
        only = draw(three[:1], "", explore=0.3, seed=7, customer_id=5)
        assert (only.number, only.chance, only.how) == (0, 1.0, Drawn.ONLY)


class TestMotive:
    def test_the_documents_example(self) -> None:
        """14 of 20 visits with something off, where 6 were to be expected: (14 + 2) / (6 + 2) = 2 times the norm."""
        counts = Counts(20, {"price": 14, "convenience": 3, "attention": 1}, {"price": 6.0, "convenience": 4.0})
        moved = moved_by(counts, ASKED)
        assert moved.motive == Motive.PRICE
        assert [round(one.times, 2) for one in moved.evidence] == [2.0, 0.83, 1.5]

    @pytest.mark.parametrize("visits", [5, 6])
    def test_not_known_with_too_few_visits_or_too_near_the_norm(self, visits: int) -> None:
        found = moved_by(Counts(visits, {"price": visits}, {"price": 1.0}), ASKED)
        assert (found.motive == Motive.PRICE) is (visits == 6)
        assert moved_by(Counts(40, {"price": 12}, {"price": 10.0}), ASKED).motive == Motive.ANY
        assert moved_by(None, ASKED).motive == Motive.ANY


class TestOwnTime:
    usual = UsualTime(weekday=3, clock=time(17, 20), visits=8, of=12, zone=None)

    def moment(self, after: datetime, days: int, hours: tuple[int, int] = (9, 20)) -> datetime | None:
        return own_moment(self.usual, after=after, days=days, zone=RIGA, hours=hours)

    def test_an_hour_before_they_come_within_the_days_and_hours(self) -> None:
        monday = datetime(2026, 3, 9, 10, tzinfo=RIGA)
        assert self.moment(monday, 7) == datetime(2026, 3, 12, 16, tzinfo=RIGA)
        assert self.moment(monday, 7, hours=(9, 15)) == datetime(2026, 3, 12, 14, tzinfo=RIGA)
        assert self.moment(monday, 2) is None
        late_thursday = datetime(2026, 3, 12, 18, tzinfo=RIGA)
        assert self.moment(late_thursday, 6) is None
        assert self.moment(late_thursday, 7) == datetime(2026, 3, 19, 16, tzinfo=RIGA)

    def test_who_comes_before_the_send_hours_gets_it_the_evening_before(self) -> None:
        early = UsualTime(weekday=0, clock=time(8, 30), visits=8, of=12, zone=None)
        friday = datetime(2026, 3, 13, 10, tzinfo=RIGA)
        found = [own_moment(early, after=friday, days=days, zone=RIGA, hours=(9, 20)) for days in (1, 7)]
        assert found == [None, datetime(2026, 3, 15, 19, tzinfo=RIGA)]


class TestEstimates:
    def test_the_documents_example(self) -> None:
        """100 who got it with 0.9 + 0.1/3, 40 used it; 30 with 0.1/3, of whom 3 did: weights 107.1 and 900."""
        found = estimate([Group(0.9 + 0.1 / 3, 100, 40), Group(0.1 / 3, 30, 3)])
        assert found is not None
        assert round(found.share, 3) == 0.132
        assert (round(found.low, 2), round(found.high, 2)) == (0.06, 0.27)

    def test_too_few_are_not_told(self) -> None:
        assert estimate([]) is None
        assert estimate([Group(1 / 3, 19, 10)]) is None

    def test_the_range_holds_the_planted_truth_in_about_95_of_100(self) -> None:
        """A third is moved by each of two motives, a third not known; each uses what speaks to them thrice as often."""
        dice, three, held = Random(11), options(Motive.PRICE, Motive.ATTENTION), 0
        truth = (2 / 3) * 0.1 + (1 / 3) * 0.3
        for repetition in range(100):
            rows: Counter[tuple[int, float, bool]] = Counter()
            for customer in range(1_200):
                motive = ("", Motive.PRICE, Motive.ATTENTION)[customer % 3]
                got = draw(three, motive, explore=0.2, seed=repetition, customer_id=customer)
                speaks = bool(motive) and three[got.number].motive == motive
                rows[got.number, got.chance, dice.random() < (0.3 if speaks else 0.1)] += 1
            people = {key[:2]: rows[*key[:2], True] + rows[*key[:2], False] for key in rows}
            groups = by_choice((number, chance, people[number, chance], rows[number, chance, True])
                               for number, chance in people)  # fmt: skip
            found = estimate(groups[0])
            assert found is not None
            held += found.low <= truth <= found.high
        assert 90 <= held <= 99


@pytest.mark.django_db
class TestPlanning:
    @pytest.fixture(autouse=True)
    def shop(self) -> None:
        open_shop()

    def test_a_plain_offer_chooses_nothing(self) -> None:
        add_reader(1)
        run = start_run(offer=active_offer(), by=None)
        assert plan_run(run_id=run.pk)
        run.refresh_from_db()
        assert not run.is_personal
        assert run.norms is None
        assert not ChosenBenefit.objects.exists()

    def test_whom_the_price_moves_gets_their_own_product_off_at_their_own_time(self, barona_iela: Store) -> None:
        """The story of an offer with two choices: code, place, reasons and the moment are all of this customer."""
        set_knob(key="choice_explore_percent", new=1, by=None)
        with time_machine.travel(datetime(2026, 3, 9, 10, tzinfo=RIGA), tick=False):
            today = date(2026, 3, 9)
            thursdays = weekly(12, until=date(2026, 3, 12))
            anna, others = add_reader(1), [add_reader(number, loyal=False) for number in range(2, 8)]
            came(anna, barona_iela, *thursdays, hour=17, off=300, goods="Rye")
            for number, other in enumerate(others):
                came(other, barona_iela, *weekly(8, until=today - timedelta(days=number), every=5))
            choice = some_choice(own_product=OwnProduct.USUAL, names=PRODUCT_NAMES)
            run = personal_run(choice, own_time_days=7)
            delivery = Delivery.objects.select_related("chosen", "voucher").get(run=run, customer=anna)
        chosen, voucher = delivery.chosen, delivery.voucher
        assert voucher is not None
        assert chosen.motive == Motive.PRICE
        assert chosen.drawn == Drawn.FITS
        assert chosen.chance == pytest.approx(0.995)
        assert voucher.benefit == PercentOff(basis_points=1_000, products=["P-Rye"])
        assert voucher.names["en"] == "10% off Rye"
        assert chosen.product == Product.objects.get(product_id="P-Rye")
        assert delivery.next_at == datetime(2026, 3, 12, 16, tzinfo=RIGA)
        assert why_they(voucher.name, chosen.reasons, chosen.drawn) == (
            "10% off Rye, because they buy Rye about every 7 days, something was taken off on 12 of their 12 visits "
            "and they mostly come on Thursdays."
        )
        Product.objects.filter(product_id="P-Rye").update(name="Renamed")
        delivery.refresh_from_db()
        letter = OfferMail(run).letter(delivery, tokens=LinkTokens("stop", "page"), at=timezone.now())
        assert letter.subject == "Reader1, 10% off Rye for you"
        for said in (letter.text, letter.html):
            assert "You get this offer because you buy Rye about every 7 days, something was taken off on 12" in said
            assert "10% off these goods: Rye." in said
        assert [one.why for one in offers_of(anna, is_whole=True)] == [
            why_they(voucher.name, chosen.reasons, chosen.drawn, chosen.motive)
        ]
        assert [one.why for one in offers_of(anna, is_whole=False)] == [""]
        assert results_of(run)[1].fitted == 1

    def test_without_a_product_of_their_own_that_choice_is_not_theirs(self, barona_iela: Store) -> None:
        readers = [add_reader(number) for number in range(12)]
        run = personal_run(some_choice(own_product=OwnProduct.USUAL, names=PRODUCT_NAMES))
        found = ChosenBenefit.objects.filter(delivery__run=run)
        assert set(found.values_list("number", "drawn", "chance")) == {(OWN, Drawn.ONLY, 1.0)}
        assert found.count() == len(readers)

    def test_a_product_whose_number_no_benefit_can_hold_is_nobodys_own(self, barona_iela: Store) -> None:
        """A till may send a number with a sign that is not printed; a code that held it could never be read."""
        anna = add_reader(1)
        came(anna, barona_iela, *weekly(12, until=timezone.now().astimezone(RIGA).date()), goods="Rye")
        Product.objects.filter(product_id="P-Rye").update(product_id="P\u00a0Rye")
        run = personal_run(some_choice(own_product=OwnProduct.USUAL, names=PRODUCT_NAMES))
        delivery = Delivery.objects.select_related("chosen", "voucher").get(run=run, customer=anna)
        assert (delivery.chosen.number, delivery.chosen.drawn, delivery.chosen.product) == (OWN, Drawn.ONLY, None)

    def test_what_goes_with_it_and_what_they_have_not_tried(self, barona_iela: Store) -> None:
        """Butter is on most receipts with rye and on few others; buns are what the others buy most."""
        today = timezone.now().astimezone(RIGA).date()
        anna, others = add_reader(1), [add_reader(number, loyal=False) for number in range(2, 6)]
        came(anna, barona_iela, *weekly(4, until=today), goods="Rye")
        for number, other in enumerate(others):
            came(other, barona_iela, *weekly(6, until=today - timedelta(days=number)), goods="Rye Butter")
            came(other, barona_iela, *weekly(9, until=today - timedelta(days=number)), hour=18, goods="Bun")
        learn(today)
        known = known_goods([anna.pk], today)
        own = {kind: known.of(anna.pk, kind) for kind in OwnProduct if kind}
        assert {kind: goods and goods.product.name for kind, goods in own.items()} == {
            OwnProduct.USUAL: "Rye",
            OwnProduct.GOES_WITH: "Butter",
            OwnProduct.NOT_TRIED: "Bun",
        }

    def test_pairs_are_learned_where_asked_for_and_not_from_the_largest_receipts(self, barona_iela: Store) -> None:
        today = timezone.now().astimezone(RIGA).date()
        anna, other = add_reader(1), add_reader(2, loyal=False)
        came(anna, barona_iela, *weekly(4, until=today), goods="Rye")
        came(other, barona_iela, *weekly(11, until=today), goods="Rye Butter")
        came(other, barona_iela, *weekly(20, until=today), hour=18, goods="Bun")
        large = " ".join(f"Small{number}" for number in range(20))
        came(other, barona_iela, *weekly(12, until=today), hour=15, goods=f"Rye {large}")
        learn(today)
        assert known_goods([anna.pk], today).goes_with[anna.pk].product.name == "Butter"
        learn(today, pairs=False)
        known = known_goods([anna.pk], today)
        assert (known.usual[anna.pk].product.name, known.goes_with) == ("Rye", {})
        VisitLine.objects.filter(product__name="Butter").delete()
        learn(today)
        assert known_goods([anna.pk], today).goes_with == {}

    @pytest.mark.parametrize(("days", "is_free"), [(16, False), (22, True)])
    def test_the_days_between_offers_begin_after_the_own_time_of_a_run(self, days: int, is_free: bool) -> None:
        """For all of a run alike: else those mailed at once, or not at all, are free sooner than the others."""
        with time_machine.travel(timezone.now() - timedelta(days=days), tick=False):
            anna = add_reader(1)
            first = personal_run(some_choice(), own_time_days=7, valid_days=14)
            first.deliveries.update(status=DeliveryStatus.SENT, sent_at=timezone.now())
        Run.objects.filter(pk=first.pk).update(finished_at=first.planned_at, status=RunStatus.DONE)
        second = personal_run(name="Other")
        assert (Delivery.objects.get(run=second, customer=anna).reason == "") is is_free

    def test_planning_again_from_the_same_seed_chooses_the_same(self, barona_iela: Store) -> None:
        readers = [add_reader(number) for number in range(20)]
        three = options("", Motive.PRICE, Motive.ATTENTION)
        run = personal_run(some_choice(), some_choice(motive=Motive.ATTENTION))
        numbers = [OWN, *(kept["number"] for kept in run.choices[1:])]
        for reader in readers:
            again = draw(three, "", explore=0.1, seed=run.seed, customer_id=reader.pk)
            chosen = ChosenBenefit.objects.get(delivery__run=run, delivery__customer=reader)
            assert (chosen.number, chosen.chance) == (numbers[again.number], again.chance)


@pytest.mark.django_db
class TestActions:
    def test_a_choice_is_added_changed_removed_and_written_down(self) -> None:
        offer = create_offer(content=content(), by=None)
        choice = add_choice(offer=offer, content=some_choice(), by=None)
        edit_choice(choice=choice, content=some_choice(motive=Motive.ATTENTION), by=None)
        copy = copy_offer(offer=offer, by=None)
        assert [one.motive for one in copy.choices.all()] == [Motive.ATTENTION]
        remove_choice(choice=choice, by=None)
        assert not offer.choices.exists()
        written = AuditEvent.objects.filter(action__endswith="choice").order_by("pk").values_list("action", flat=True)
        assert list(written) == ["add choice", "edit choice", "remove choice"]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"names": {"en": "10% off"}}, "name_lv"),
            ({"own_product": OwnProduct.USUAL}, "name_en"),
            ({"names": PRODUCT_NAMES}, "name_en"),
            (
                {"own_product": OwnProduct.USUAL, "names": PRODUCT_NAMES, "benefit": BonusPoints(points=5)},
                "own_product",
            ),
            ({"motive": "hunger"}, "motive"),
        ],
    )
    def test_what_cannot_be_is_refused(self, changes: dict[str, object], field: str) -> None:
        offer = create_offer(content=content(), by=None)
        with pytest.raises(Refused) as refusal:
            add_choice(offer=offer, content=some_choice(**changes), by=None)
        assert refusal.value.field == field
        assert not offer.choices.exists()

    def test_an_ended_offer_is_not_changed(self) -> None:
        offer = create_offer(content=content(), by=None)
        choice = add_choice(offer=offer, content=some_choice(), by=None)
        end_offer(offer=offer, by=None)
        with pytest.raises(Refused):
            remove_choice(choice=choice, by=None)
        assert offer.choices.exists()

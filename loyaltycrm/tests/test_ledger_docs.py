"""The worked examples of docs/ledger.md, played through the real actions: what its tables say has to come out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db.models import Q

from customers.actions.returned_lines import ReturnedLine
from customers.actions.visit_lines import ReceiptLine
from customers.models import Customer, Merge, Refund, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.tests.importing import imported, write_table
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from rewards.actions.adjusting import adjust_points
from rewards.actions.earning import Details, record_visit, refund_visit, undo_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill
from rewards.actions.memberships import sell_membership
from rewards.actions.partner_points import earn_at_partner, redeem_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.actions.programme_versions import add_version
from rewards.actions.redeeming import use_reward
from rewards.actions.tiers import review_due_tiers
from rewards.actions.undoing_refunds import undo_refund
from rewards.actions.voiding import void_visit
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import AccountKind, AdjustmentReason, Lot, Partner, Posting, Reward, TierStanding
from rewards.programme import BasketLine
from rewards.queries import balance_of, tier_name, tier_of
from rewards.tests.drafts import rules_with

DOC = Path(__file__).parents[2] / "docs" / "ledger.md"
RIGA = ZoneInfo("Europe/Riga")

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, slots=True)
class Example:
    """A heading of the document with the rows of the table below it, each by the names of the columns."""

    title: str
    rows: list[dict[str, str]]


def examples() -> list[Example]:
    found = []
    part = DOC.read_text(encoding="utf-8").split("## 3. Worked examples")[1]
    for section in re.split(r"^### ", part, flags=re.MULTILINE)[1:]:
        title, _newline, text = section.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("|")]
        header, _rule, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        found.append(Example(title, [dict(zip(header, row, strict=True)) for row in rows]))
    return found


def instant(text: str) -> datetime:
    """`Wed 15 July 2026, 10:00` by the clock of Riga; the weekday has to be right."""
    at = datetime.strptime(text, "%a %d %B %Y, %H:%M").replace(tzinfo=RIGA)
    assert at.strftime("%a") == text[:3], text
    return at


def cents(text: str) -> int:
    return int(text.replace(".", ""))


def whole(text: str) -> int:
    return int(text.replace("−", "-"))


@dataclass
class Play:
    """A customer of one shop to whom the rows of an example happen."""

    customer: Customer
    other: Customer
    store: Store
    manager: User
    folder: Path
    visits: dict[str, Visit] = field(default_factory=dict)
    seen: int = 0
    number: int = 0

    def happen(self, what: str) -> None:
        for pattern, do in self.steps().items():
            if found := re.fullmatch(pattern, what):
                self.number += 1
                do(*found.groups())
                return
        raise AssertionError(f"No action for: {what}")

    def steps(self) -> dict[str, Callable[..., Any]]:
        return {
            r"buys for (\S+) \((\w+)\)": self.buy,
            r"a receipt of (.+) arrives: (\S+) \((\w+)\)": lambda at, net, receipt: self.buy(net, receipt, instant(at)),
            r"the same receipt (\w+) arrives again": self.buy_again,
            r"gives back (\S+) of (\w+)": self.give_back,
            r"the till undoes the refund of (\w+)": self.undo_refund,
            r"is refused to undo the refund of (\w+)": lambda receipt: self.refused(lambda: self.undo_refund(receipt)),
            r"buys coffee for (\S+) and bread for (\S+) \((\w+)\)": self.buy_goods,
            r"gives back (coffee|bread) for (\S+) of (\w+)": self.give_goods_back,
            r"is refused to give back (coffee|bread) for (\S+) of (\w+)": lambda goods, net, receipt: self.refused(
                lambda: self.give_goods_back(goods, net, receipt)
            ),
            r"the programme gives 5 points more per euro of coffee": self.like_coffee,
            r"a refund of (.+) arrives: (\S+) of (\w+)": lambda at, net, receipt: self.give_back(
                net, receipt, instant(at)
            ),
            r"uses (\d+) points(?: on (\w+))?": self.use,
            r"is refused (\d+) points?": lambda points: self.refused(lambda: self.use(points)),
            r"the till undoes (\w+)": lambda receipt: undo_visit(visit=self.visits[receipt], by=self.manager),
            r"gets (\d+) points as goodwill": self.goodwill,
            r"a manager gives (\d+) points by hand": lambda points: self.adjust(int(points)),
            r"a manager takes (\d+) points by hand": lambda points: self.adjust(-int(points)),
            r"a manager is refused to take (\d+) points": lambda points: self.refused(
                lambda: self.adjust(-int(points))
            ),
            r"a manager voids (\w+)": lambda receipt: void_visit(
                visit=self.visits[receipt], reason="Wrong customer", by=self.manager
            ),
            r"(\d+) points are brought in, good through (.+)": self.bring_in,
            r"buys at the partner for (\S+) \((\w+)\)": lambda net, number: earn_at_partner(
                partner=self.partner(), customer=self.customer, reference=number, amount_cents=cents(net), by=None
            ),
            r"uses (\d+) points at the partner \((\w+)\)": lambda points, number: redeem_at_partner(
                partner=self.partner(), customer=self.customer, reference=number, points=int(points), by=None
            ),
            r"the partner takes back (\w+) \((\w+)\)": lambda of, number: refund_at_partner(
                partner=self.partner(), of=of, reference=number, by=None
            ),
            r"the programme keeps points back for (\d+) days": self.keep_back,
            r"the programme triples the points of members": self.triple_for_members,
            r"becomes a member for ten days": lambda: sell_membership(
                customer=self.customer, store=self.store, key="club", by=None
            ),
            r"the other profile buys for (\S+) \((\w+)\)": lambda net, receipt: self.buy(
                net, receipt, customer=self.other
            ),
            r"the two profiles are merged": lambda: merge_customers(
                survivor=self.customer, merged=self.other, reason="One person", by=self.manager
            ),
            r"the merge is undone": lambda: undo_merge(merge=Merge.objects.get(), by=self.manager),
            r"the night posts what ended": sweep_expired,
            r"the night reviews the tiers": review_due_tiers,
            r"looks at the balance": lambda: None,
        }

    def buy(self, net: str, receipt: str, at: datetime | None = None, *, customer: Customer | None = None) -> None:
        self.visits[receipt] = record_visit(
            customer=customer or self.customer,
            store=self.store,
            net_cents=cents(net),
            receipt_id=receipt,
            occurred_at=at,
            by=None,
        ).visit

    def buy_again(self, receipt: str) -> None:
        visit = self.visits[receipt]
        again = record_visit(
            customer=self.customer,
            store=self.store,
            net_cents=visit.net_cents,
            receipt_id=receipt.lower(),
            occurred_at=visit.occurred_at,
            by=None,
        )
        assert (again.visit, again.is_new) == (visit, False)

    def give_back(self, net: str, receipt: str, at: datetime | None = None) -> None:
        refund_visit(
            visit=self.visits[receipt], net_cents=cents(net), receipt_id=f"R{self.number}", occurred_at=at, by=None
        )

    def undo_refund(self, receipt: str) -> None:
        last = Refund.objects.filter(visit=self.visits[receipt]).order_by("pk").last()
        assert last is not None
        undo_refund(refund_id=last.pk, by=self.manager)

    def buy_goods(self, coffee: str, bread: str, receipt: str) -> None:
        """Both cost a euro a kilo."""
        nets = {"Coffee": cents(coffee), "Bread": cents(bread)}
        self.visits[receipt] = record_visit(
            customer=self.customer,
            store=self.store,
            net_cents=sum(nets.values()),
            receipt_id=receipt,
            details=Details(lines=tuple(BasketLine(net, category=name) for name, net in nets.items())),
            receipt_lines=[ReceiptLine(net, quantity=Decimal(net) / 100) for net in nets.values()],
            by=None,
        ).visit

    def give_goods_back(self, goods: str, net: str, receipt: str) -> None:
        number = ["coffee", "bread"].index(goods) + 1
        refund_visit(
            visit=self.visits[receipt],
            net_cents=cents(net),
            receipt_id=f"R{self.number}",
            lines=[ReturnedLine(number, Decimal(cents(net)) / 100, cents(net))],
            by=None,
        )

    def use(self, points: str, receipt: str | None = None) -> None:
        reward = Reward.objects.create(
            key=f"reward-{self.number}",
            names={"en": "Coffee"},
            points_cost=int(points),
            benefit=FreeItem(worth_cents=1),
        )
        visit = self.visits[receipt] if receipt else None
        key = f"k{self.number}"
        use_reward(customer=self.customer, reward=reward, store=self.store, reference=key, visit=visit, by=None)

    def goodwill(self, points: str) -> None:
        post_goodwill(customer=self.customer, points=int(points), reference=f"goodwill:{self.number}", by=None)

    def adjust(self, points: int) -> None:
        reason = next(one for one in AdjustmentReason.objects.all() if one.fits(points))
        adjust_points(
            customer=self.customer, points=points, reason=reason, note="Said so", key=f"{self.number}", by=self.manager
        )

    def bring_in(self, points: str, day: str) -> None:
        through = datetime.strptime(day, "%d %B %Y").date().isoformat()  # noqa: DTZ007
        columns = ("customer_id", "points", "good_through", "earned_on", "reference")
        row = (self.customer.external_id, points, through, "", "old-1")
        told = imported("import_balances", write_table(self.folder / "balances.csv", columns, [row]))
        assert told.counts("balances") == {"accepted": 1}

    def partner(self) -> Partner:
        known = Partner.objects.first()
        if known is not None:
            return known
        content = PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None)
        terms = Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=2, step_cents=100)
        return add_partner(code="books", content=content, terms=terms, by=None)

    def keep_back(self, days: str) -> None:
        def change(rules: dict[str, Any]) -> None:
            rules["earning"]["pending_days"] = int(days)

        self.new_programme(change)

    def like_coffee(self) -> None:
        def change(rules: dict[str, Any]) -> None:
            five = {"kind": "per_amount", "points": 5, "step_cents": 100}
            coffee = {"key": "coffee", "names": {"en": "Coffee"}, "gives": five, "when": {"categories": ["Coffee"]}}
            rules["earning"]["rules"].insert(1, coffee)

        self.new_programme(change)

    def triple_for_members(self) -> None:
        def change(rules: dict[str, Any]) -> None:
            three = {"kind": "times", "numerator": 3}
            club = {"key": "club", "names": {"en": "Club"}, "gives": three, "when": {"members_only": True}}
            rules["earning"]["rules"].append(club)
            rules["membership"] = {"names": {"en": "Club"}, "price_cents": 0, "days": 10}

        self.new_programme(change)

    def new_programme(self, change: Callable[[dict[str, Any]], object]) -> None:
        add_version(rules=rules_with(change), starts_on=self.store.business_date(), note="", by=None)

    def refused(self, attempt: Callable[[], object]) -> None:
        with pytest.raises(Refused):
            attempt()

    def new_postings(self) -> list[tuple[int, str]]:
        """What was posted since the last look, seen from the customer: signed points and the other account."""
        own = Q(source__customer=self.customer) | Q(destination__customer=self.customer)
        new = Posting.objects.filter(own, pk__gt=self.seen).select_related("source", "destination").order_by("pk")
        moves = []
        for posting in new:
            self.seen = posting.pk
            is_credit = posting.destination.customer_id == self.customer.pk
            other = posting.source if is_credit else posting.destination
            moves.append((posting.points if is_credit else -posting.points, other.kind))
        return moves

    def lots(self) -> list[tuple[int, date | None]]:
        held = Lot.objects.of(self.customer).held_on(self.store.business_date()).in_spending_order()
        return list(held.values_list("remaining", "good_through"))


def postings_in(text: str) -> list[tuple[int, str]]:
    names = {"Issued": "issued", **{str(kind.label): kind.value for kind in AccountKind}}
    parts = [part.split(" ", 1) for part in text.split(", ") if part]
    return [(whole(points), names[account]) for points, account in parts]


def lots_in(text: str) -> list[tuple[int, date | None]]:
    parts = [part.split(" → ") for part in text.split(", ") if part]
    return [(int(points), datetime.strptime(day, "%d %B %Y").date()) for points, day in parts]  # noqa: DTZ007


def check(play: Play, row: dict[str, str]) -> None:
    """Compare each column that the table has with what the books say."""
    balance = balance_of(play.customer, play.store.business_date())
    standing = TierStanding.objects.filter(customer=play.customer).first()
    found: dict[str, tuple[Callable[[str], object], Callable[[], object]]] = {
        "postings": (postings_in, play.new_postings),
        "books": (whole, lambda: balance.book),
        "can use": (whole, lambda: balance.available),
        "owed": (whole, lambda: balance.arrears),
        "lots": (lots_in, play.lots),
        "counts": (cents, lambda: standing.qualifying if standing else 0),
        "tier": (str, lambda: tier_name(tier_of(play.customer))),
    }
    for column in row.keys() - {"when", "what happens"}:
        read, ask = found[column]
        assert ask() == read(row[column]), f"{row['when']}, {row['what happens']}: {column}"


def test_the_document_holds_its_examples() -> None:
    titles = [example.title for example in examples()]
    assert len(titles) == len(set(titles))
    assert len(titles) >= 18
    assert all(len(example.rows) >= 3 for example in examples())


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)
def test_an_example_comes_out_as_the_document_says(
    example: Example, nameless: Customer, olga: Customer, barona_iela: Store, dace: User, tmp_path: Path
) -> None:
    play = Play(nameless, olga, barona_iela, dace, tmp_path)
    with time_machine.travel(instant(example.rows[0]["when"]), tick=False) as clock:
        for row in example.rows:
            clock.move_to(instant(row["when"]))
            play.happen(row["what happens"])
            check(play, row)
        assert list(audit()) == []

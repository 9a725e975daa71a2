"""The real shop beside the model: the same operations through the real actions, on a real database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from customers.actions.customers import create_customer
from customers.actions.returned_lines import ReturnedLine
from customers.actions.visit_lines import ReceiptLine
from customers.models import Customer, Merge, Refund, Visit
from loyaltycrm.core.actions.staff import add_person
from loyaltycrm.core.actions.stores import add_store
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import Role, Store
from loyaltycrm.core.tests.importing import imported, write_table
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from loyaltycrm.testing import PASSWORD
from rewards.actions.adjusting import adjust_points, approve_adjustment, decline_adjustment, reverse_adjustment
from rewards.actions.earning import Details, record_visit, refund_visit, undo_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill, reverse_goodwill
from rewards.actions.joining_uses import join_uses
from rewards.actions.money_off import use_as_money
from rewards.actions.receipts import claim_visit, move_visit
from rewards.actions.redeeming import use_reward
from rewards.actions.tiers import review_due_tiers
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.actions.undoing_refunds import undo_refund
from rewards.actions.voiding import void_visit
from rewards.benefits import FreeItem
from rewards.models import Adjustment, AdjustmentReason, AdjustmentStatus, Posting, ProgrammeVersion, Redemption, Reward
from rewards.programme import BasketLine
from rewards.queries import Balance, balances, tier_of
from rewards.tests.model.policy import Life, Policy, Rule

MANAGERS = ("dace", "ilona")
REFUSALS = (Refused, Conflict)
STORES = {"riga": "Europe/Riga", "lisbon": "Europe/Lisbon", "samara": "Europe/Samara"}
COSTS = (20, 120, 500)
MONEY = (50, 100, 130, 150, 400)

_STANDING = """
    SELECT a.customer_id, a.book_balance, a.arrears,
        (SELECT coalesce(json_agg(json_build_array(earned_on, available_on, good_through, remaining)), '[]')
         FROM rewards_lot l WHERE l.account_id = a.id AND remaining > 0),
        (SELECT coalesce(sum(points), 0) FROM rewards_posting p WHERE p.destination_id = a.id)
        - (SELECT coalesce(sum(points), 0) FROM rewards_posting p WHERE p.source_id = a.id)
    FROM rewards_account a WHERE a.customer_id = ANY(%s::bigint[])"""


def rules_of(policy: Policy) -> dict[str, Any]:
    """A policy as the product's document of rules."""
    ranks = policy.ranks
    window = {"kind": "trailing", "days": ranks.window_days} if ranks.window_days else {"kind": "calendar_year"}
    return {
        "earning": {
            "base": {"paid_with_points": "counts", "gift_cards": "counts", "tax": "with"},
            "rounding": policy.rounding,
            "pending_days": policy.pending_days,
            "rules": [_rule(number, rule) for number, rule in enumerate(policy.rules)],
        },
        "expiry": {kind: _life(getattr(policy, kind)) for kind in ("earned", "goodwill", "bonus")},
        "redemption": {"points": 50, "value_cents": 50, "minimum_points": 100},
        "refunds": {"shortfall": policy.shortfall, "grace_days": policy.grace_days},
        "tiers": {
            "qualify_on": ranks.by,
            "window": window,
            "review": ranks.review,
            "grace_days": ranks.grace_days,
            "levels": [{"key": key, "names": {"en": key}, "threshold": threshold} for key, threshold in ranks.levels],
        },
    }


def _rule(number: int, rule: Rule) -> dict[str, Any]:
    gives: dict[str, Any] = {"kind": "bonus", "points": rule.points}
    if rule.kind == "times":
        gives = {"kind": "times", "numerator": rule.factor.numerator, "denominator": rule.factor.denominator}
    elif rule.kind == "amount":
        gives = {
            "kind": "per_amount",
            "points": rule.points,
            "step_cents": rule.step_cents,
            "proportional": rule.proportional,
        }
    when: dict[str, Any] = {"weekdays": sorted(rule.weekdays), "min_net_cents": rule.from_cents}
    if rule.goods:
        when["categories"] = [rule.goods]
    return {"key": f"r{number}", "names": {"en": f"Rule {number}"}, "gives": gives, "when": when}


def _kilos(cents: int) -> Decimal:
    """All goods cost a euro a kilo."""
    return Decimal(cents) / 100


def _life(life: Life) -> dict[str, Any]:
    own = {
        "days_after_earning": {"days": life.days},
        "days_after_activity": {"days": life.days},
        "fixed_date": {"month": life.month, "day": life.day, "at_least_days": life.days},
        "end_of_month_plus": {"months": life.months},
    }
    return {"policy": life.policy, **own.get(life.policy, {})}


@dataclass(frozen=True)
class Standing:
    """The rows of one account: (earned on, opens on, last day, points left) of each lot with points."""

    book: int = 0
    arrears: int = 0
    lots: tuple[tuple[date, date, date, int], ...] = ()
    postings: int = 0

    @property
    def is_equal(self) -> bool:
        """Whether the balance is the sum of the postings and the lots less arrears."""
        return self.book == sum(lot[3] for lot in self.lots) - self.arrears == self.postings


day = date.fromisoformat


class RealShop:
    """Rows by the model's names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores: dict[str, Store] = {
            name: add_store(code=name, name=name, time_zone=zone, by=None) for name, zone in STORES.items()
        }
        self.rewards = {
            cost: Reward.objects.create(
                key=f"r{cost}", names={"en": f"{cost}"}, points_cost=cost, benefit=FreeItem(worth_cents=100)
            )
            for cost in COSTS
        }
        self.managers = {
            name: add_person(
                email=f"{name}@example.com",
                name=f"{name} Kalniņa",
                role=Role.MANAGER,
                stores=Store.objects.all(),
                password=PASSWORD,
                by=None,
            )
            for name in MANAGERS
        }
        self.manager = self.managers[MANAGERS[0]]
        self.reasons = [
            AdjustmentReason.objects.filter(direction__in=[one, "both"]).order_by("id")[0] for one in ("adds", "takes")
        ]
        self.customers: dict[str, Customer] = {}
        self.merges: list[Merge] = []
        self.visits: dict[str, Visit] = {}
        self.refunds: dict[str, Refund] = {}
        self.uses: dict[str, Redemption] = {}
        self.goodwill: dict[str, Posting] = {}
        self.adjustments: dict[str, Adjustment] = {}

    def sign(self, policy: Policy, starts_on: date) -> None:
        number = ProgrammeVersion.objects.count() + 1
        ProgrammeVersion.objects.create(number=number, starts_on=starts_on, rules=rules_of(policy))

    def join(self, name: str, day: date) -> None:
        self.customers[name] = create_customer(language="en", joined_on=day, external_id=name, by=None)

    def sell(
        self,
        name: str,
        owner: str | None,
        store: str,
        cents: int,
        at: datetime,
        goods: tuple[tuple[str, int], ...] = (),
    ) -> int:
        saved = record_visit(
            customer=self.customers[owner] if owner else None,
            store=self.stores[store],
            net_cents=cents,
            receipt_id=name,
            occurred_at=at,
            details=Details(lines=tuple(BasketLine(money, category=kind) for kind, money in goods)),
            receipt_lines=[ReceiptLine(money, quantity=_kilos(money)) for _kind, money in goods],
            by=None,
        )
        self.visits[name] = saved.visit
        return saved.points

    def sell_after(self, uses: list[str], name: str, owner: str, store: str, cents: int, at: datetime) -> int:
        with transaction.atomic():
            earned = self.sell(name, owner, store, cents, at)
            join_uses([self.uses[one].pk for one in uses], visit=self.visits[name], by=None)
        return earned

    def claim(self, name: str, owner: str) -> int:
        visit = self.visits[name]
        customer = self.customers[owner]
        return claim_visit(customer=customer, store=visit.store, receipt_id=visit.receipt_id, by=None).points

    def move(self, name: str, owner: str, new_name: str) -> int:
        moved = move_visit(visit=self.visits[name], customer=self.customers[owner], by=None)
        self.visits[new_name] = moved.visit
        return moved.points

    def refund(
        self, sale: str, name: str, store: str, cents: int, at: datetime, lines: Mapping[int, int] | None = None
    ) -> None:
        self.refunds[name] = refund_visit(
            visit=self.visits[sale],
            net_cents=cents,
            receipt_id=name,
            store=self.stores[store],
            occurred_at=at,
            lines=[ReturnedLine(number, _kilos(money), money) for number, money in (lines or {}).items()],
            by=None,
        )

    def undo_refund(self, name: str) -> None:
        undo_refund(refund_id=self.refunds[name].pk, by=None)

    def undo_sale(self, sale: str) -> None:
        undo_visit(visit=self.visits[sale], by=None)

    def void(self, sale: str) -> None:
        void_visit(visit=self.visits[sale], reason="Typed twice", by=self.manager)

    def use(self, name: str, owner: str, store: str, cost: int, sale: str | None) -> None:
        self.uses[name] = use_reward(
            customer=self.customers[owner],
            reward=self.rewards[cost],
            store=self.stores[store],
            reference=name,
            visit=self.visits[sale] if sale else None,
            by=None,
        ).redemption

    def use_as_money(self, name: str, owner: str, store: str, points: int, sale: str | None) -> None:
        self.uses[name] = use_as_money(
            customer=self.customers[owner],
            points=points,
            store=self.stores[store],
            reference=name,
            visit=self.visits[sale] if sale else None,
            by=None,
        ).redemption

    def undo_use(self, name: str) -> None:
        undo_redemption(redemption=self.uses[name], by=None)

    def give(self, name: str, owner: str, points: int) -> None:
        self.goodwill[name] = post_goodwill(
            customer=self.customers[owner], points=points, reference=f"goodwill:{name}", by=None
        )

    def take_goodwill(self, name: str) -> None:
        reverse_goodwill(posting=self.goodwill[name], reference=f"undo:goodwill:{name}", by=None)

    def adjust(self, name: str, owner: str, points: int, by: str) -> bool:
        """Whether the points moved at once."""
        self.adjustments[name] = adjust_points(
            customer=self.customers[owner],
            points=points,
            reason=self.reasons[points < 0],
            note="Counted again",
            key=name,
            by=self.managers[by],
        )
        return self.adjustments[name].status == AdjustmentStatus.POSTED

    def approve(self, name: str, by: str) -> None:
        approve_adjustment(adjustment=self.adjustments[name], by=self.managers[by])

    def decline(self, name: str) -> None:
        decline_adjustment(adjustment=self.adjustments[name], note="Not so", by=self.manager)

    def reverse_adjustment(self, name: str) -> None:
        reverse_adjustment(adjustment=self.adjustments[name], note="Not so", by=self.manager)

    def open_with(self, name: str, owner: str, points: int, earned_on: date, end: str) -> dict[str, int]:
        """What became of the one row of the file: accepted, unchanged, refused or a conflict."""
        columns = ("customer_id", "points", "good_through", "earned_on", "reference")
        row = (self.customers[owner].external_id, points, end, earned_on.isoformat(), name)
        file = write_table(self.folder / "balances.csv", columns, [row])
        return imported("import_balances", file).counts("balances")

    def merge(self, survivor: str, merged: str) -> None:
        pair = {"survivor": self.customers[survivor], "merged": self.customers[merged]}
        done = merge_customers(**pair, reason="One person", by=self.manager)
        if done not in self.merges:
            self.merges.append(done)
        self._look_again()

    def undo_merge(self, place: int) -> None:
        undo_merge(merge=self.merges[place], by=self.manager)
        self._look_again()

    def _look_again(self) -> None:
        """A page reads its customer and its visit afresh."""
        customers = Customer.objects.in_bulk([one.pk for one in self.customers.values()])
        self.customers = {name: customers[one.pk] for name, one in self.customers.items()}

    def night(self, today: date) -> int:
        ended = sweep_expired(today=today)
        review_due_tiers(today=today)
        return ended

    # What is asked.

    def standing(self, owners: list[str]) -> dict[str, Standing]:
        """What the rows of these customers' accounts say, by one plain query."""
        names = {self.customers[owner].pk: owner for owner in owners}
        found = {owner: Standing() for owner in owners}
        with connection.cursor() as cursor:
            cursor.execute(_STANDING, [list(names)])
            for customer, book, arrears, rows, postings in cursor.fetchall():
                lots = [
                    (day(earned), day(opens), day(last) if last else date.max, left)
                    for earned, opens, last, left in (rows if isinstance(rows, list) else json.loads(rows))
                ]
                found[names[customer]] = Standing(book, arrears, tuple(sorted(lots)), int(postings))
        return found

    def balance(self, owner: str, on: date) -> tuple[int, int, int]:
        """(available, pending, arrears) as the product says it."""
        pk = self.customers[owner].pk
        balance = balances([pk], on).get(pk, Balance())
        return balance.available, balance.pending, balance.arrears

    def rank(self, owner: str, day: date | None = None) -> str:
        return tier_of(self.customers[owner], day)

    def moved(self, owner: str) -> dict[str, int]:
        """Points moved by kind of posting, without what merges move between customers."""
        account = self.customers[owner].account
        moved: dict[str, int] = {}
        for kind, points in [
            *Posting.objects.filter(destination=account).values_list("kind", "points"),
            *Posting.objects.filter(source=account).values_list("kind", "points"),
        ]:
            moved[kind] = moved.get(kind, 0) + points
        return {kind: points for kind, points in moved.items() if kind not in {"move", "move_debt"}}

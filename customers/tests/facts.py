"""A shop made of dated facts, written to the database and to the plain calculator alike."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time
from decimal import Decimal

from django.utils import timezone

from customers.actions.signals import record_signal, withdraw_signal
from customers.actions.visits import insert_refund, insert_visit, mark_undone
from customers.models import Customer, EvidenceKind, LoyaltyFlag, Product, Signal, Visit, VisitLine
from customers.tests.plain_score import Flag, Line, PlainShop, Receipt, Sign
from loyaltycrm.core.models import Store

SOURCES = {
    EvidenceKind.SAYS: Signal.Source.SURVEY,
    EvidenceKind.BRINGS: Signal.Source.REFERRAL,
    EvidenceKind.PAYS: Signal.Source.MEMBERSHIP,
    EvidenceKind.STAYS: Signal.Source.MEMBERSHIP,
}


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=UTC)


class ShopOfFacts:
    """Customers by name, stores by code; every fact given lands in the database and in `plain`."""

    def __init__(self) -> None:
        self.plain = PlainShop()
        self.numbers = itertools.count(1)
        self.receipts: dict[int, Receipt] = {}

    def customer(self, name: str) -> Customer:
        return Customer.objects.get_or_create(external_id=name, defaults={"joined_on": date(2020, 1, 1)})[0]

    def store(self, code: str) -> Store:
        return Store.objects.get_or_create(code=code, defaults={"name": code, "time_zone": "Europe/Riga"})[0]

    def bought(
        self,
        name: str,
        *days: date,
        gross: int = 100_00,
        net: int = 90_00,
        store: str = "HOME",
        anonymous: bool = False,
    ) -> Visit:
        """One receipt on each of the days; the last one is returned."""
        visits = []
        for day in days:
            visit, _is_new = insert_visit(
                customer=None if anonymous else self.customer(name),
                store=self.store(store),
                net_cents=net,
                discount_cents=gross - net,
                receipt_id=f"R{next(self.numbers)}",
                occurred_at=noon(day),
                by=None,
            )
            receipt = Receipt(customer="" if anonymous else name, store=store, day=day, gross=gross, net=net)
            self.plain.receipts.append(receipt)
            self.receipts[visit.pk] = receipt
            visits.append(visit)
        return visits[-1]

    def lines(self, visit: Visit, *lines: tuple[str, str, int, int]) -> None:
        """Lines of a receipt: product, category, quantity, gross cents."""
        for number, (product_id, category, quantity, gross) in enumerate(lines, start=1):
            product, _is_new = Product.objects.get_or_create(product_id=product_id, defaults={"category": category})
            VisitLine.objects.create(
                visit=visit, line_no=number, product=product, quantity=quantity, gross_cents=gross, net_cents=gross
            )
        self.receipts[visit.pk].lines = [
            Line(product=product_id, category=category, quantity=Decimal(quantity), gross=gross)
            for product_id, category, quantity, gross in lines
        ]

    def gave_back(self, visit: Visit, day: date, net: int) -> None:
        insert_refund(
            visit=visit,
            net_cents=net,
            receipt_id=f"F{next(self.numbers)}",
            store=visit.store,
            occurred_at=noon(day),
            by=None,
        )
        self.receipts[visit.pk].refunds.append((day, net))

    def undid(self, visit: Visit) -> None:
        mark_undone(visit=visit, by=None)
        self.receipts[visit.pk].is_voided = True

    def sign(self, name: str, kind: str, day: date, strength: float, *, source: str = "") -> str:
        reference = f"test:{next(self.numbers)}"
        record_signal(
            customer=self.customer(name),
            kind=kind,
            source=source or SOURCES[EvidenceKind(kind)],
            strength=Decimal(str(strength)),
            occurred_on=day,
            reference=reference,
        )
        self.plain.signs.append(Sign(customer=name, kind=kind, day=day, strength=strength))
        return reference

    def takes_back(self, reference: str, name: str, kind: str, day: date) -> None:
        """The signal of this reference is withdrawn."""
        withdraw_signal(reference=reference)
        self.plain.signs = [
            sign for sign in self.plain.signs if (sign.customer, sign.kind, sign.day) != (name, kind, day)
        ]

    def flagged(self, name: str, first: date, last: date, *, loyal: bool) -> LoyaltyFlag:
        """A flag with days of its own choosing: the action only sets flags that begin today."""
        flag = LoyaltyFlag.objects.create(
            customer=self.customer(name),
            loyal=loyal,
            reason="because",
            starts_on=first,
            ends_on=last,
            set_at=timezone.now(),
        )
        self.plain.flags.append(Flag(customer=name, loyal=loyal, first=first, last=last))
        return flag

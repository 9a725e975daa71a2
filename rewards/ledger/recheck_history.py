"""What is known of customers whose postings are checked: their visits, refunds, merges, lots and postings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from django.db.models import Prefetch, Q

from customers.models import Refund, RefundLine, UndoneRefund, Visit
from rewards.ledger.adjusting import Told, told_by_hand
from rewards.ledger.moving import Settlement
from rewards.ledger.visits import facts_of
from rewards.models import Account, AccountMerge, Lot, LotUse, Posting, PostingKind, Redemption
from rewards.programme import Basket, from_facts


@dataclass(frozen=True, slots=True)
class Returned:
    """A refund of a visit, by the id that its row has or had; `undone_at` where it was undone after it moved points."""

    pk: int
    occurred_at: datetime
    business_date: date
    receipt_key: str
    net_cents: int
    lines: tuple[tuple[int, int], ...]
    undone_at: datetime | None = None


@dataclass
class History:
    """The facts and postings of one customer, or of several whom merges ever joined, who are checked together.

    `joined` are the visits that came after points were used on them, by the id of the use's posting;
    `lots` are the rows of their lots by reference, `settled` is what each merge did to arrears, `moved` the numbers of
    the lots that first held what it moved.
    """

    accounts: dict[int, int]
    visits: dict[int, Visit] = field(default_factory=dict)
    baskets: dict[int, Basket] = field(default_factory=dict)
    refunds: dict[int, list[Returned]] = field(default_factory=lambda: defaultdict(list))
    postings: list[Posting] = field(default_factory=list)
    joined: dict[int, int] = field(default_factory=dict)
    by_hand: dict[int, Told] = field(default_factory=dict)
    merges: dict[int, AccountMerge] = field(default_factory=dict)
    lots: dict[str, Lot] = field(default_factory=dict)
    settled: dict[int, list[Settlement]] = field(default_factory=dict)
    moved: dict[int, frozenset[int]] = field(default_factory=dict)

    @cached_property
    def stems(self) -> set[str]:
        """What the postings stand for: `refund:4` of `refund:4:redemption:7`."""
        return {":".join(posting.reference.split(":")[:2]) for posting in self.postings}

    @cached_property
    def reversals(self) -> dict[int, list[Posting]]:
        """The postings that reverse another, by its id."""
        found: dict[int, list[Posting]] = defaultdict(list)
        for one in self.postings:
            if one.reverses_id is not None:
                found[one.reverses_id].append(one)
        return found

    @cached_property
    def taken_from(self) -> dict[str, int]:
        """The accounts from which events took points back, by the reference of the event."""
        return {one.reference: one.source_id for one in self.postings if one.kind == PostingKind.TAKE_BACK}

    @cached_property
    def given_to(self) -> dict[str, dict[int, int]]:
        """Of each event that gave points back: the account that got them, by the one that had used them."""
        found: dict[str, dict[int, int]] = defaultdict(dict)
        for one in self.postings:
            if one.kind == PostingKind.GIVE_BACK and one.reverses is not None:
                found[giver_of(one)][one.reverses.source_id] = one.destination_id
        return found


def histories(accounts: dict[int, int]) -> list[History]:
    """The histories of customers, given with their accounts: one for each, or for all whom merges ever joined."""
    circles = _circles(accounts)
    of_account = {account: history for history in circles for account in history.accounts.values()}
    of_customer = {customer: history for history in circles for customer in history.accounts}
    owner: dict[int, History] = {}
    visits = Visit.objects.filter(customer__in=list(of_customer)).only(
        "customer_id", "net_cents", "business_date", "occurred_at", "receipt_key", "voided_at"
    )
    for visit in visits:
        assert visit.customer_id is not None
        owner[visit.pk] = of_customer[visit.customer_id]
        owner[visit.pk].visits[visit.pk] = visit
    facts = facts_of(owner)
    for history in circles:
        for visit in history.visits.values():
            history.baskets[visit.pk] = from_facts(visit.net_cents, visit.business_date, facts.get(visit.pk))
    goods = Prefetch("lines", RefundLine.objects.select_related("line"))
    refunds = Refund.objects.filter(visit__customer__in=list(of_customer)).prefetch_related(goods)
    for refund in refunds.order_by("id"):
        lines = tuple((one.line.line_no, one.net_cents) for one in refund.lines.all())
        owner[refund.visit_id].refunds[refund.visit_id].append(_returned(refund.pk, refund, lines))
    undone = UndoneRefund.objects.filter(visit__customer__in=list(of_customer))
    uses = Prefetch("lot_uses", LotUse.objects.select_related("lot"))
    ids = list(of_account)
    moved = Posting.objects.filter(source__in=ids) | Posting.objects.filter(destination__in=ids)
    for posting in moved.select_related("reverses").prefetch_related(uses).order_by("id"):
        (of_account.get(posting.source_id) or of_account[posting.destination_id]).postings.append(posting)
    # One that moved no points and was undone left no trace in the books.
    for one in undone:
        history = owner[one.visit_id]
        if f"refund:{one.refund}" in history.stems:
            history.refunds[one.visit_id].append(_returned(one.refund, one, one.returned, undone_at=one.undone_at))
            history.refunds[one.visit_id].sort(key=lambda refund: refund.pk)
    joined = Redemption.objects.filter(posting__source__in=ids, posting__visit=None, visit__isnull=False)
    for source, posting_id, visit_id in joined.values_list("posting__source", "posting", "visit"):
        of_account[source].joined[posting_id] = visit_id
    told = told_by_hand(ids)
    for history in circles:
        history.by_hand = told
    for lot in Lot.objects.filter(account__in=ids).order_by("id"):
        of_account[lot.account_id].lots[lot.reference] = lot
    return circles


def _returned(
    pk: int, row: Refund | UndoneRefund, lines: tuple[tuple[int, int], ...], *, undone_at: datetime | None = None
) -> Returned:
    return Returned(pk, row.occurred_at, row.business_date, row.receipt_key, row.net_cents, lines, undone_at)


def _circles(accounts: dict[int, int]) -> list[History]:
    """An empty history for each customer, one for all whom merges ever joined: where the first of them is asked for."""
    merges: dict[int, AccountMerge] = {}
    frontier = set(accounts.values())
    while frontier:
        reached = AccountMerge.objects.filter(Q(survivor__in=frontier) | Q(merged__in=frontier))
        new = {merge.pk: merge for merge in reached if merge.pk not in merges}
        merges |= new
        frontier = {account for merge in new.values() for account in (merge.survivor_id, merge.merged_id)}
    if not merges:
        return [History({customer: account}) for customer, account in accounts.items()]
    named: dict[int, int] = {}

    def name_of(account: int) -> int:
        while named.get(account, account) != account:
            account = named[account]
        return account

    for merge in merges.values():
        named[name_of(merge.merged_id)] = name_of(merge.survivor_id)
    reached_accounts = {account for merge in merges.values() for account in (merge.survivor_id, merge.merged_id)}
    others = Account.objects.filter(id__in=reached_accounts - set(accounts.values())).values_list("customer", "id")
    circles: dict[int, History] = {}
    for customer, account in sorted([*accounts.items(), *others]):
        circles.setdefault(name_of(account), History({})).accounts[customer] = account
    for merge in merges.values():
        circles[name_of(merge.merged_id)].merges[merge.pk] = merge
    return [history for history in circles.values() if min(history.accounts) in accounts]


def giver_of(posting: Posting) -> str:
    """The reference of the event that gave points back: what it gave is named after the use, too."""
    return posting.reference.removesuffix(f":{posting.reverses.reference}") if posting.reverses else posting.reference

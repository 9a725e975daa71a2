"""An account as the ledger sees it: lots, arrears, and what each visit earned and used. No database here."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain

from rewards.ledger.lot_states import Lots, LotState
from rewards.models import AccountKind, PostingKind
from rewards.programme import Basket, Programme

NOTHING = Basket(net_cents=0, day=date.min)


@dataclass(slots=True)
class Use:
    """Points taken from a lot by one posting, less those put back since."""

    lot: LotState
    points: int


@dataclass(slots=True)
class Spending:
    """Points taken that can be given back: the posting's reference, its points, uses and what was given back so far.

    What was used last is given back first.
    `counter` is where they went: the account from which they come back. `account_id` is who spent them. `is_undone`
    where points came back because they were used by mistake: then it was not spent on its visit.
    """

    reference: str
    points: int
    uses: list[Use]
    counter: AccountKind = AccountKind.REDEEMED
    given_back: int = 0
    account_id: int = 0
    is_undone: bool = False

    def not_given_back(self) -> Iterator[Use]:
        """What is left of the uses, the last one first."""
        gone = self.given_back
        for use in reversed(self.uses):
            back = min(use.points, gone)
            gone -= back
            if use.points > back:
                yield Use(use.lot, use.points - back)


@dataclass(slots=True)
class VisitPoints:
    """What one visit did to the account so far; a refund or an undo is computed from it.

    `kept` is what of the basket was not given back. `due` is what earlier refunds asked back, `taken` what they really
    took: the difference had lapsed before. `returned` is what each refund gave back, in cents and lines; `moved` what
    refunds posted, by their references, each entry with its account.
    """

    basket: Basket = NOTHING
    kept: Basket = NOTHING
    earned: int = 0
    version_id: int | None = None
    own_lots: list[LotState] = field(default_factory=list)
    earn_reference: str | None = None
    due: int = 0
    taken: int = 0
    spent: list[Spending] = field(default_factory=list)
    returned: list[tuple[int, tuple[tuple[int, int], ...]]] = field(default_factory=list)
    moved: dict[str, list[tuple[AccountState, Entry]]] = field(default_factory=dict, repr=False)

    @property
    def net_cents(self) -> int:
        """The money paid, in cents."""
        return int(self.basket.net_cents)

    @property
    def refunded_cents(self) -> int:
        """The money given back so far, in cents."""
        return self.net_cents - int(self.kept.net_cents)

    def give_back(self, cents: int, lines: Collection[tuple[int, int]] = ()) -> None:
        """Keep less: `cents` of the money, and the lines (by number, with their cents) where they were named."""
        self.returned.append((cents, tuple(sorted(lines))))
        self.kept = self.kept.kept(int(self.kept.net_cents) - cents, lines)

    def take_again(self, cents: int, lines: tuple[tuple[int, int], ...]) -> None:
        """Keep all again that a refund gave back which is undone."""
        self.returned.remove((cents, tuple(sorted(lines))))
        rest, self.returned, self.kept = self.returned, [], self.basket
        for one in rest:
            self.give_back(*one)

    def earned_by_the_rest(self, programme: Programme) -> int:
        """What was kept would have earned; a sale that was given back whole, nothing."""
        is_gone = self.refunded_cents > 0 and not self.kept.net_cents
        return 0 if is_gone else programme.points_for(self.kept)


@dataclass(slots=True)
class Entry:
    """One posting to be written: its meaning, and what it does to lots and arrears.

    `uses` holds points taken from lots (positive) or put back (negative); `new_lots` are those it opens. `counter` is
    the kind of account at the other end, `counter_account` its row where there are several of the kind. `account` is
    whose it is, where that is not the account that the event happened to.
    """

    reference: str
    kind: PostingKind
    counter: AccountKind
    points: int
    business_date: date
    occurred_at: datetime
    version_id: int
    visit: Hashable = None
    reverses: str | None = None
    arrears_change: int = 0
    counter_account: int | None = None
    account: AccountState | None = field(default=None, repr=False)
    new_lots: list[LotState] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)

    @property
    def is_credit(self) -> bool:
        """Whether the points move to the customer: only then are lots opened or refilled, but for what is undone."""
        if self.kind == PostingKind.UNDO:
            return self.counter == AccountKind.ISSUED
        return bool(self.new_lots) or any(use.points < 0 for use in self.uses)


@dataclass(frozen=True, slots=True)
class Movement:
    """What a posting written before did to the book balance, and when it took place."""

    occurred_at: datetime
    kind: str
    points: int

    def is_before_use_at(self, at: datetime) -> bool:
        """Whether it comes before a use of points at that instant: at one instant only uses and lapses do."""
        same_instant = (PostingKind.REDEEM, PostingKind.EXPIRE)
        return self.occurred_at < at or (self.occurred_at == at and self.kind in same_instant)


@dataclass(slots=True)
class AccountState:
    """A customer's account between two postings.

    `movements` are what took place since the earliest late event to come; without late events there are none.
    `elsewhere` are lots of other accounts that events of this one ask for: those of customers merged into this one.
    `beside` are accounts that are known with all of their lots, where any of them may be asked for.
    `spenders` are the accounts that stand for those, by id, that used points on its visits: parted since, or merged.
    One opened for a sale was read for that day alone (`read_for`): of the lots only those that a sale asks for; all
    the others can be used that day and hold `unread` points. One opened for sales through a day has no other lots
    either, but some of the `unread` points may be pending: what can be used is not known of it.
    """

    customer_id: int
    account_id: int
    book_balance: int = 0
    arrears: int = 0
    read_for: date | None = None
    unread: int = 0
    lots: Lots = field(default_factory=Lots)
    visits: dict[Hashable, VisitPoints] = field(default_factory=dict)
    spendings: dict[str, Spending] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    elsewhere: list[LotState] = field(default_factory=list)
    beside: Collection[AccountState] = field(default=(), repr=False)
    spenders: dict[int, AccountState] = field(default_factory=dict, repr=False)
    next_number: int = 1 << 62

    def available(self, day: date) -> int:
        """The points a customer can use on the day; negative only by arrears."""
        return self.lots.usable(day) + self.unread - self.arrears

    def lots_usable_at(self, at: datetime, day: date) -> Iterator[LotState]:
        """The lots that a use of points can take from, in spending order; a late use none that were earned after it."""
        is_late = bool(self._later_than(at))
        return (lot for lot in self.lots.in_order() if lot.is_open(day) and (lot.earned_at < at or not is_late))

    def available_at(self, at: datetime, day: date) -> int:
        """The points a customer can use at an instant.

        A late use can take no more than is left now, nor more than there was then, before what took place since.
        """
        if later := self._later_than(at):
            left = sum(lot.remaining for lot in self.lots_usable_at(at, day)) - self.arrears
            pending = sum(lot.remaining for lot in self.lots.held() if lot.earned_at < at and lot.available_on > day)
            then = self.book_balance - sum(one.points for one in later) - pending
            return min(left, then)
        return self.available(day)

    def _later_than(self, at: datetime) -> list[Movement]:
        return [one for one in self.movements if not one.is_before_use_at(at)]

    def lapsed_lots(self, day: date) -> Iterator[LotState]:
        """Lots whose points ended before the day and were not swept yet, in the order in which they ended."""
        return iter(sorted(self.lots.lapsed(day), key=LotState.spending_key))

    def lot_named(self, reference: str) -> LotState | None:
        """The lot with this reference, here or elsewhere."""
        found = (state.lots.named(reference) for state in (self, *self.beside))
        others = (lot for lot in self.elsewhere if lot.reference == reference)
        return next((lot for lot in chain(found, others) if lot is not None), None)

    def spender_of(self, spent: Spending) -> AccountState:
        """The account to which points of a use return."""
        return self.spenders.get(spent.account_id, self)

    def number_for_new_lot(self) -> int:
        self.next_number += 1
        return self.next_number

"""What tills do in a story: sales, refunds and uses of points, late, twice, and undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from rewards.tests.model.books import NotAllowed, Sale
from rewards.tests.model.choices import some_cents, some_goods
from rewards.tests.model.effects import take_off
from rewards.tests.model.joining import sell_after
from rewards.tests.model.shop import COSTS, MONEY, REFUSALS
from rewards.tests.model.story import UNDO, Story


def sell(story: Story) -> None:
    chance = story.chance
    owner = story.owner() if chance.random() < 0.9 else None
    cents, store, at = some_cents(chance), story.store(), story.now
    if chance.random() < 0.2:
        at -= timedelta(days=chance.choice([0, 1, 2, 5, 40, 300]), minutes=chance.randint(0, 300))
    name, goods = story.name("v"), some_goods(chance, cents)
    sent = (name, owner, store, cents, at, goods)
    story.note(owner, f"sale {name} of {cents} {goods or ''} at {store}, {at:%F %H:%M}")
    expected = story.model.sell(name, owner, cents, at=at, day=story.day(store, at), now=story.now, goods=goods)
    story.expect_same(owner, expected, story.real.sell(*sent), "points earned")
    story.sent.append(sent)
    story.touch(owner)


def sell_after_uses(story: Story) -> None:
    """What was used just before, of one customer mostly, belongs to the sale that is saved next."""
    chance = story.chance
    recent = list(story.uses.items())[-5:]
    if not recent:
        return
    first = chance.choice(recent)[1]
    is_odd = chance.random() < 0.1
    owner = story.owner() if is_odd else story.model.account(first.owner).name
    cents, store = some_cents(chance), story.store() if chance.random() < 0.05 else first.store
    at = story.now - timedelta(days=chance.choice([0] * 12 + [1, 2]), minutes=chance.choice([0, 0, 7]))
    chosen = [name for name, use in recent if is_odd or (use.owner == first.owner and not use.undone)]
    chosen = [name for name in chosen if chance.random() < 0.8]
    uses, name, day = [story.uses[one] for one in chosen], story.name("v"), story.day(store, at)
    story.note(owner, f"sale {name} of {cents} with {chosen} at {store}, {at:%F %H:%M}")
    for one in uses:
        story.touch(one.owner)
    earned: list[int] = []

    def in_model() -> None:
        sold = sell_after(story.model, uses, name, owner, cents, at=at, day=day, now=story.now, store=store)
        earned.append(sold)

    if story.both(owner, in_model, lambda: earned.append(story.real.sell_after(chosen, name, owner, store, cents, at))):
        story.expect_same(owner, earned[0], earned[1], "points earned with what was used")
        story.sent.append((name, owner, store, cents, at, ()))


def sell_again(story: Story) -> None:
    """A till that retries, days later too, with blanks and case of the receipt number changed."""
    if not story.sent:
        return
    name, owner, store, cents, at, goods = story.chance.choice(story.sent)
    other = story.chance.random() < 0.3
    story.note(owner, f"sale {name} again, {'another amount' if other else 'the same'}")
    earned = story.model.sales[name].earned if owner else 0
    receipt = story.receipts.get(name, name)
    spelled = story.chance.choice([receipt, receipt.upper(), f" {receipt[:1]} {receipt[1:]} "])
    visit, undone = story.real.visits[name], story.real.visits.get(spelled)
    sent = (spelled, owner, store, cents + other, at, () if other else goods)
    story.touch(owner)
    if other:
        story.must_refuse(owner, lambda: story.real.sell(*sent))
        return
    try:
        story.expect_same(owner, earned, story.real.sell(*sent), "points of the sale sent again")
    except REFUSALS as refusal:
        if not _may_be_taken_for_anothers(story, name, owner):
            story.differ(owner, f"refused though known: {refusal}")
        return
    if story.real.visits.pop(spelled).pk != visit.pk:
        story.differ(owner, "the sale sent again is another visit")
    if undone is not None:
        story.real.visits[spelled] = undone
    story.real.visits[name] = visit


def _may_be_taken_for_anothers(story: Story, name: str, owner: str | None) -> bool:
    """Whether it was somebody else's name that the sale came in under, while they were merged, on clocks set back."""
    of = story.model.sales[name].owner
    if of is None or owner is None or not story.was_set_back:
        return False
    return story.model.account(of) is not story.model.account(owner)


def refund(story: Story) -> None:
    if not story.sent:
        return
    chance = story.chance
    sale_name = chance.choice(story.sent[-60:])[0]
    sale = story.model.sales[sale_name]
    cents = sale.kept if chance.random() < 0.4 else chance.randint(0, sale.kept + 50)
    lines = _some_lines(story, sale) if chance.random() < 0.5 else None
    if lines:
        cents = sum(lines.values()) + chance.choice([0, 0, 0, 0, 1])
    store, at = story.store(), story.now
    if chance.random() < 0.15:
        at = min(at, max(sale.at, at - timedelta(days=chance.choice([0, 1, 3, 30]), minutes=5)))
    name = story.name("b")
    sent = (sale_name, name, store, cents, at, lines)
    story.note(sale.owner, f"refund {name} of {cents} {lines or ''} on {sale_name} at {store}, {at:%F %H:%M}")
    story.touch_users(sale)
    if story.both(
        sale.owner,
        lambda: story.model.refund(sale_name, name, cents, at=at, day=story.day(store, at), lines=lines),
        lambda: story.real.refund(*sent),
    ):
        story.sent_refunds.append(sent)
        story.refunded_at[name] = story.now


def _some_lines(story: Story, sale: Sale) -> dict[int, int]:
    """Some of the goods of a sale, whole or in part; now and then more than is left, or a line that is not there."""
    chance = story.chance
    lines = {}
    for number, left in enumerate(sale.kept_goods, start=1):
        if left and chance.random() < 0.6:
            lines[number] = int(left) if chance.random() < 0.6 else chance.randint(1, int(left) + 1)
    if chance.random() < 0.03:
        lines[len(sale.goods) + 1] = 1
    return lines


def refund_again(story: Story) -> None:
    if not story.sent_refunds:
        return
    sale_name, name, store, cents, at, lines = story.chance.choice(story.sent_refunds)
    owner = story.model.sales[sale_name].owner
    other = story.chance.random() < 0.3 and name not in story.undone_refunds
    story.note(owner, f"refund {name} again, {'another amount' if other else 'the same'}")
    sent = (sale_name, name, store, cents + other, at, story.chance.choice([lines, None]))
    story.touch(owner)
    if other or name in story.undone_refunds:
        story.must_refuse(owner, lambda: story.real.refund(*sent))
    else:
        story.real.refund(*sent)


def undo_refund(story: Story) -> None:
    """A refund typed wrong, in the minutes after saving; sometimes asked for too late, or twice."""
    if not story.sent_refunds:
        return
    sale_name, name, store, *_rest = story.chance.choice(story.sent_refunds[-3:])
    sale, day = story.model.sales[sale_name], story.day(store, story.now)
    is_again, is_late = name in story.undone_refunds, story.now - story.refunded_at[name] > UNDO
    story.note(sale.owner, f"undo of refund {name} on {sale_name}{', again' if is_again else ''}")
    story.touch_users(sale)
    story.touch(sale.owner)
    for account in story.model.effects[name].accounts() if name in story.model.effects else ():
        story.touch(account.name)
    if is_again:
        story.real.undo_refund(name)
        return

    def in_model() -> None:
        if is_late:
            raise NotAllowed
        take_off(story.model, sale_name, name, day)

    if story.both(sale.owner, in_model, lambda: story.real.undo_refund(name)):
        story.undone_refunds.add(name)


def claim(story: Story) -> None:
    """A customer shows the receipt of a sale without a card."""
    nameless = [sent[0] for sent in story.sent[-200:] if sent[1] is None]
    if not nameless:
        return
    name, owner = story.chance.choice(nameless[-8:]), story.owner()
    sale, store = story.model.sales[name], story.real.visits[name].store
    is_again = sale.owner is not None and story.is_own(sale, owner)
    story.note(owner, f"claim of {name}{', again' if is_again else ''}")
    story.touch(owner)
    if is_again:
        story.expect_same(owner, sale.earned, story.real.claim(name, owner), "points claimed before")
        return
    earned: list[int] = []

    def in_model() -> None:
        earned.append(story.model.claim(name, owner, day=story.day(store.code, story.now)))

    if story.both(owner, in_model, lambda: earned.append(story.real.claim(name, owner))):
        story.expect_same(owner, earned[0], earned[1], "points claimed")


def move(story: Story) -> None:
    """A visit saved for the wrong customer is given to the right one, in the minutes after saving."""
    recent = [sent for sent in story.sent[-12:] if story.now - story.model.sales[sent[0]].recorded_at <= UNDO]
    if not recent:
        return
    sent = story.chance.choice(recent)
    name, _owner, store, cents, at, goods = sent
    sale, right, new_name = story.model.sales[name], story.owner(), story.name("v")
    story.note(sale.owner, f"sale {name} is moved to {right}, as {new_name}")
    story.touch(sale.owner)
    story.touch_users(sale)
    earned: list[int] = []

    def in_model() -> None:
        # A clock set back since makes a sale of the future of it, which no till records.
        is_ahead = at > story.now + timedelta(minutes=10)
        # Points that paid a part of it stay with whom they were taken from: undone and saved again instead.
        is_paid = any(use.is_money and not use.undone for use in sale.uses)
        if sale.owner is None or sale.refunds or is_paid or story.is_own(sale, right) or is_ahead:
            raise NotAllowed
        story.model.void(name, at=story.now, day=story.day(store, story.now))
        saved_at = min(sale.recorded_at, story.now)
        earned.append(story.model.sell(new_name, right, cents, at=at, day=sale.day, now=saved_at, goods=goods))

    if story.both(right, in_model, lambda: earned.append(story.real.move(name, right, new_name))):
        story.expect_same(right, earned[0], earned[1], "points of the moved sale")
        story.sent.remove(sent)
        story.sent.append((new_name, right, store, cents, at, goods))
        story.receipts[new_name] = story.receipts.get(name, name)


def undo_sale(story: Story) -> None:
    """The till's own undo, in the minutes after saving."""
    recent = [sent for sent in story.sent[-12:] if story.now - story.model.sales[sent[0]].recorded_at <= UNDO]
    if recent:
        name, owner, store, *_rest = story.chance.choice(recent)
        _take_back(story, name, owner, store, "undo", lambda: story.real.undo_sale(name))


def void_sale(story: Story) -> None:
    """A manager's, at any time; of one that was taken back already it is refused."""
    if story.sent:
        name, owner, store, *_rest = story.chance.choice(story.sent[-200:])
        _take_back(story, name, owner, store, "void", lambda: story.real.void(name))


def _take_back(
    story: Story, name: str, owner: str | None, store: str, what: str, in_real: Callable[[], object]
) -> None:
    sale = story.model.sales[name]
    story.note(sale.owner, f"{what} of sale {name}")
    story.touch(owner)
    story.touch_users(sale)
    day = story.day(store, story.now)
    story.both(sale.owner, lambda: story.model.void(name, at=story.now, day=day), in_real)


def use(story: Story) -> None:
    is_money = story.chance.random() < 0.4
    owner, cost, store = story.owner(), story.chance.choice(MONEY if is_money else COSTS), story.store()
    own = [sent[0] for sent in story.sent[-30:] if story.is_own(story.model.sales[sent[0]], owner)]
    sale = story.chance.choice(own) if own and story.chance.random() < 0.7 else None
    name = story.name("u")
    story.note(owner, f"use {name} of {cost}{' as money' if is_money else ''} at {store} on {sale}")
    use_in_real = story.real.use_as_money if is_money else story.real.use

    def in_model() -> None:
        day = story.day(store, story.now)
        if is_money:
            _check_money(story.model.sales[sale] if sale else None, cost)
        story.uses[name] = story.model.use(owner, cost, at=story.now, day=day, sale_name=sale)
        story.uses[name].is_money, story.uses[name].store = is_money, store

    if story.both(owner, in_model, lambda: use_in_real(name, owner, store, cost, sale)) and story.chance.random() < 0.2:
        story.note(owner, f"use {name} sent again")
        use_in_real(name, owner, store, cost, sale)


def _check_money(sale: Sale | None, points: int) -> None:
    """As money off, a cent each, points go in steps of 50 from 100 on, and pay no more of a receipt than it cost."""
    if points % 50 or points < 100:
        raise NotAllowed
    if sale is not None:
        paid = sum(use.points for use in sale.uses if use.is_money and not use.undone)
        if sale.refunds or paid + points > sale.cents:
            raise NotAllowed


def undo_use(story: Story) -> None:
    recent = [name for name, use in list(story.uses.items())[-8:] if story.now - use.at <= UNDO]
    if not recent:
        return
    name = story.chance.choice(recent)
    use = story.uses[name]
    store = story.real.uses[name].store
    assert store is not None
    day = story.day(store.code, story.now)
    story.note(use.owner, f"undo of use {name}")
    story.both(use.owner, lambda: story.model.undo_use(use, day=day), lambda: story.real.undo_use(name))

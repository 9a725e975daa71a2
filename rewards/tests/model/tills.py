"""What tills do in a story: sales, refunds and uses of points, late, twice, and undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from rewards.tests.model.choices import some_cents
from rewards.tests.model.shop import COSTS, REFUSALS
from rewards.tests.model.story import UNDO, Story


def sell(story: Story) -> None:
    chance = story.chance
    owner = story.owner() if chance.random() < 0.95 else None
    cents, store, at = some_cents(chance), story.store(), story.now
    if chance.random() < 0.2:
        at -= timedelta(days=chance.choice([0, 1, 2, 5, 40, 300]), minutes=chance.randint(0, 300))
    name = story.name("v")
    sent = (name, owner, store, cents, at)
    story.note(owner, f"sale {name} of {cents} at {store}, {at:%F %H:%M}")
    expected = story.model.sell(name, owner, cents, at=at, day=story.day(store, at), now=story.now)
    story.expect_same(owner, expected, story.real.sell(*sent), "points earned")
    story.sent.append(sent)
    story.touch(owner)


def sell_again(story: Story) -> None:
    """A till that retries, days later too, with blanks and case of the receipt number changed."""
    if not story.sent:
        return
    name, owner, store, cents, at = story.chance.choice(story.sent)
    other = story.chance.random() < 0.3
    story.note(owner, f"sale {name} again, {'another amount' if other else 'the same'}")
    earned = story.model.sales[name].earned
    spelled = story.chance.choice([name, name.upper(), f" {name[:1]} {name[1:]} "])
    visit = story.real.visits[name]
    sent = (spelled, owner, store, cents + other, at)
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
    store, at = story.store(), story.now
    if chance.random() < 0.15:
        at = min(at, max(sale.at, at - timedelta(days=chance.choice([0, 1, 3, 30]), minutes=5)))
    name = story.name("b")
    sent = (sale_name, name, store, cents, at)
    story.note(sale.owner, f"refund {name} of {cents} on {sale_name} at {store}, {at:%F %H:%M}")
    story.touch_users(sale)
    if story.both(
        sale.owner,
        lambda: story.model.refund(sale_name, name, cents, at=at, day=story.day(store, at)),
        lambda: story.real.refund(*sent),
    ):
        story.sent_refunds.append(sent)


def refund_again(story: Story) -> None:
    if not story.sent_refunds:
        return
    sale_name, name, store, cents, at = story.chance.choice(story.sent_refunds)
    owner = story.model.sales[sale_name].owner
    other = story.chance.random() < 0.3
    story.note(owner, f"refund {name} again, {'another amount' if other else 'the same'}")
    sent = (sale_name, name, store, cents + other, at)
    story.touch(owner)
    if other:
        story.must_refuse(owner, lambda: story.real.refund(*sent))
    else:
        story.real.refund(*sent)


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
    owner, cost, store = story.owner(), story.chance.choice(COSTS), story.store()
    own = [sent[0] for sent in story.sent[-30:] if story.is_own(story.model.sales[sent[0]], owner)]
    sale = story.chance.choice(own) if own and story.chance.random() < 0.7 else None
    name = story.name("u")
    story.note(owner, f"use {name} of {cost} at {store} on {sale}")

    def in_model() -> None:
        day = story.day(store, story.now)
        story.uses[name] = story.model.use(owner, cost, at=story.now, day=day, sale_name=sale)

    if (
        story.both(owner, in_model, lambda: story.real.use(name, owner, store, cost, sale))
        and story.chance.random() < 0.2
    ):
        story.note(owner, f"use {name} sent again")
        story.real.use(name, owner, store, cost, sale)


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

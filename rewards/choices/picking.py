"""Choosing for the readers of a run, a few thousand at a time: which benefit, for which product, when, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from rewards.choices import Given, Option, options_of
from rewards.choices.drawing import Draw, draw
from rewards.choices.goods import Known, OwnGoods, known_goods, learn
from rewards.choices.habits import Counts, UsualTime, counts_of, measure_norms, own_moment, usual_times
from rewards.choices.motives import Moved, Rules, moved_by
from rewards.knobs import CHOICE_EXPLORE_PERCENT
from rewards.models import Drawn, Motive, OwnProduct, Run
from rewards.windows import SendWindow

Reason = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pick:
    """What one reader gets. `at` is their own time, None for as soon as may be."""

    draw: Draw
    given: Given
    motive: str
    product_id: int | None
    product: str
    reasons: list[Reason]
    at: datetime | None


class Picker:
    """Chooses for the readers of one run. Made before these are written; its tables live as long as the transaction."""

    def __init__(self, run: Run, now: datetime) -> None:
        self._run = run
        self._now = now
        self._today: date = run.valid_from
        self._seed = run.seed
        self._options = list(options_of(run).values())
        self._wait_days = min(run.own_time_days, run.offer.valid_days - 1)
        self._explore = value(CHOICE_EXPLORE_PERCENT) / 100
        self._rules = Rules.in_force()
        self._window = SendWindow.current()
        self._zone = Company.current().zone
        self._narrowed: dict[tuple[int, int], Given | None] = {}
        self._asks_motive = any(option.motive for option in self._options)
        self._asks_goods = any(option.needs_product for option in self._options)
        run.norms = measure_norms(self._today) if self._asks_motive else None
        self._norms = run.norms
        if self._asks_goods:
            asks_pairs = any(option.own_product == OwnProduct.GOES_WITH for option in self._options)
            learn(self._today, pairs=asks_pairs)

    def pick(self, customers: Sequence[int]) -> dict[int, Pick]:
        """{customer: what they get}; empty where everyone gets the same at once."""
        if not self._run.is_personal:
            return {}
        counts = counts_of(customers, self._today, self._norms) if self._norms else {}
        times = usual_times(customers, self._today) if self._wait_days else {}
        goods = known_goods(customers, self._today) if self._asks_goods else Known()
        return {pk: self._pick(pk, counts.get(pk), times.get(pk), goods) for pk in customers}

    def _pick(self, customer: int, counts: Counts | None, usual: UsualTime | None, known: Known) -> Pick:
        moved = moved_by(counts, self._rules)
        owned = {one.number: known.of(customer, one.own_product) for one in self._options if one.needs_product}
        given_by = {one.number: self._given(one, owned.get(one.number)) for one in self._options}
        fitting = [one for one in self._options if given_by[one.number] is not None]
        drawn = draw(fitting, moved.motive, explore=self._explore, seed=self._seed, customer_id=customer)
        option = next(one for one in fitting if one.number == drawn.number)
        own = owned.get(option.number)
        at = self._moment(usual)
        return Pick(
            draw=drawn,
            given=given_by[option.number] or option.given,
            motive=moved.motive,
            product_id=own.product.pk if own else None,
            product=own.product.name if own else "",
            reasons=_reasons(option, own, moved, drawn, usual if at else None),
            at=at,
        )

    def _given(self, option: Option, own: OwnGoods | None) -> Given | None:
        """What this choice gives with this product; None where it does not fit."""
        if not option.needs_product:
            return option.given
        if own is None:
            return None
        key = (option.number, own.product.pk)
        if key not in self._narrowed:
            self._narrowed[key] = option.given.for_product(product_id=own.product.number, name=own.product.name)
        return self._narrowed[key]

    def _moment(self, usual: UsualTime | None) -> datetime | None:
        if usual is None or not usual.is_usual or usual.of < self._rules.fewest_visits:
            return None
        zone = ZoneInfo(usual.zone) if usual.zone else self._zone
        hours = (self._window.from_hour, self._window.until_hour)
        return own_moment(usual, after=self._now, days=self._wait_days, zone=zone, hours=hours)


def _reasons(option: Option, own: OwnGoods | None, moved: Moved, drawn: Draw, usual: UsualTime | None) -> list[Reason]:
    """Why this and why then, as facts; `rewards.choices.words` says them."""
    found: list[Reason] = []
    if own is not None and option.own_product == OwnProduct.NOT_TRIED:
        found.append({"kind": "not_tried", "category": own.category, "product": own.product.name})
    elif own is not None and own.buys is not None:
        kind = "buys" if option.own_product == OwnProduct.USUAL else "goes_with"
        found.append({"kind": kind, "product": own.buys.name, "every_days": own.every_days})
    evidence = moved.of_motive
    if drawn.how == Drawn.FITS and evidence is not None and moved.motive != Motive.ANY:
        found.append({"kind": str(moved.motive), "seen": evidence.seen, "visits": moved.visits})
    if usual is not None:
        found.append({"kind": "weekday", "weekday": usual.weekday, "visits": usual.visits, "of": usual.of})
    return found

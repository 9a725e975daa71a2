"""Points for connected tills: balance, lots, what they buy, using them and undoing that."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import BaseModel, Field, StringConstraints

from customers.api import CustomerQuery, customer_named
from loyaltycrm.core.api.effects import NEEDS_KEY, answers, once_per_key
from loyaltycrm.core.api.errors import ApiError, invalid_field
from loyaltycrm.core.api.keys import TillKey, key_of
from loyaltycrm.core.api.strict import Body, Number
from loyaltycrm.core.models import Company, Scope
from rewards.actions.money_off import usable_as_money, use_as_money
from rewards.actions.redeeming import use_reward
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.api.benefits import BenefitAnswer, benefit_told
from rewards.api.visits import visit_of
from rewards.models import Lot, Redemption, Reward
from rewards.programme import load_programmes
from rewards.queries import balance_of, tier_of

router = Router(tags=["Points"])
MOST_LOTS = 500


class MoneyOffAnswer(BaseModel):
    """What points are worth as money off: multiples of `step_points`, each worth `step_cents`, from `least_points`.

    `most_points` is what this customer can use of them now; 0: too few.
    """

    step_points: int
    step_cents: int
    least_points: int
    most_points: int


class BalanceAnswer(BaseModel):
    """A customer's points today; the same in every store."""

    customer: str
    tier: str = Field(description="The key of the tier.")
    available: int = Field(description="Usable now; negative only by arrears.")
    pending: int
    arrears: int
    next_expiry_on: date | None = Field(description="The last day on which the points that end next are good.")
    next_expiry_points: int
    money_off: MoneyOffAnswer


class LotAnswer(BaseModel):
    """Points of one earning that are left."""

    points: int
    remaining: int
    earned_on: date
    available_on: date
    good_through: date | None


class LotsAnswer(BaseModel):
    """What is left, soonest ending first; at most 500."""

    customer: str
    items: list[LotAnswer]


class RewardAnswer(BenefitAnswer):
    """Something that points buy."""

    key: str
    name: str
    points: int


class RewardsAnswer(BaseModel):
    """The catalogue."""

    items: list[RewardAnswer]


class RedeemBody(Body):
    """A reward got for points now, or points as money off: one of the two."""

    customer: Number
    reward: Annotated[str, StringConstraints(min_length=1, max_length=50)] | None = Field(
        default=None, description="Its key."
    )
    points: Annotated[int, Field(ge=1, le=2**53)] | None = Field(
        default=None, description="As money off at the rate of the programme, in its steps."
    )
    receipt: Number | None = Field(
        default=None, description="The visit of your store on which it is used; money off pays a part of it."
    )


class UndoBody(Body):
    """A use of points that was a mistake."""

    redemption: Annotated[int, Field(ge=1, le=2**53)]


class RedemptionAnswer(BaseModel):
    """Points used, or given back where `is_undone`."""

    redemption: int
    customer: str
    reward: str | None
    points: int
    value_cents: int
    is_undone: bool
    code: str | None = Field(
        description="The code that the points bought, to be used later; null: handed over at once."
    )
    balance_after: int


@router.get("/balance", response=answers(BalanceAnswer), auth=TillKey(Scope.READ_POINTS), summary="Balance")
def balance(request: HttpRequest, query: Query[CustomerQuery]) -> BalanceAnswer:
    """What the customer can use today, wherever it was earned."""
    customer = customer_named(query.customer)
    found = balance_of(customer)
    ending = found.next_expiry
    return BalanceAnswer(
        customer=customer.external_id,
        tier=tier_of(customer),
        available=found.available,
        pending=found.pending,
        arrears=found.arrears,
        next_expiry_on=ending.good_through if ending else None,
        next_expiry_points=ending.points if ending else 0,
        money_off=_money_off(found.available),
    )


@router.get("/lots", response=answers(LotsAnswer), auth=TillKey(Scope.READ_POINTS), summary="Lots")
def lots(request: HttpRequest, query: Query[CustomerQuery]) -> LotsAnswer:
    """What is left of each earning, with its own end."""
    customer = customer_named(query.customer)
    rows = Lot.objects.filter(account__customer=customer, remaining__gt=0).order_by("good_through", "earned_at", "pk")
    fields = ("points", "remaining", "earned_on", "available_on", "good_through")
    items = [LotAnswer(**row) for row in rows.values(*fields)[:MOST_LOTS]]
    return LotsAnswer(customer=customer.external_id, items=items)


@router.get("/rewards", response=answers(RewardsAnswer), auth=TillKey(Scope.READ_POINTS), summary="What points buy")
def rewards(request: HttpRequest) -> RewardsAnswer:
    """The rewards that are offered now, cheapest first."""
    offered = Reward.objects.filter(is_active=True).order_by("points_cost", "pk")
    items = [
        RewardAnswer(key=one.key, name=one.name, points=one.points_cost, **benefit_told(one.benefit)) for one in offered
    ]
    return RewardsAnswer(items=items)


@router.post(
    "/redeem", response=answers(RedemptionAnswer, 201), auth=TillKey(Scope.USE_POINTS), openapi_extra=NEEDS_KEY,
    summary="Use points on a reward",
)  # fmt: skip
def redeem(request: HttpRequest, body: RedeemBody) -> HttpResponse:
    """Spends the points and hands the reward over in one step; what is worked out from a visit comes as a code.

    With `points` it is money off: `value_cents` says how much. The points come back with refunds of the `receipt`.
    """
    store = key_of(request).store

    def use(reference: str) -> RedemptionAnswer:
        customer = customer_named(body.customer)
        visit = visit_of(store, body.receipt) if body.receipt else None
        if body.points is not None:
            return _shown(
                use_as_money(
                    customer=customer, points=body.points, store=store, reference=reference, visit=visit, by=None
                ).redemption
            )
        reward = Reward.objects.filter(key=body.reward).first()
        if reward is None:
            raise ApiError(404, "reward_unknown", _("This reward is not known. Check its key."), field="reward")
        return _shown(
            use_reward(
                customer=customer, reward=reward, store=store, reference=reference, visit=visit, by=None
            ).redemption
        )

    if (body.reward is None) == (body.points is None):
        words = _("Send either a reward or points.")
        raise invalid_field("reward" if body.reward is None else "points", words)
    return once_per_key(request, body, use, status=201)


@router.post(
    "/undo", response=answers(RedemptionAnswer), auth=TillKey(Scope.USE_POINTS), openapi_extra=NEEDS_KEY,
    summary="Undo a use of points",
)  # fmt: skip
def undo(request: HttpRequest, body: UndoBody) -> HttpResponse:
    """Within the minutes in which tills may undo, for a use in the own store; the points return to their lots."""
    store = key_of(request).store

    def give_back(_reference: str) -> RedemptionAnswer:
        redemption = Redemption.objects.filter(pk=body.redemption, store=store, points__gt=0).first()
        if redemption is None:
            raise ApiError(404, "redemption_unknown", _("This use of points is not known here."), field="redemption")
        return _shown(undo_redemption(redemption=redemption, by=None))

    return once_per_key(request, body, give_back)


def _money_off(available: int) -> MoneyOffAnswer:
    programme = load_programmes().at(Company.current().today())
    terms = programme.rules.redemption
    return MoneyOffAnswer(
        step_points=terms.points,
        step_cents=terms.value_cents,
        least_points=min(usable_as_money(terms.points + terms.minimum_points, programme)),
        most_points=max(usable_as_money(available, programme), default=0),
    )


def _shown(redemption: Redemption) -> RedemptionAnswer:
    return RedemptionAnswer(
        redemption=redemption.pk,
        customer=redemption.customer.external_id,
        reward=redemption.reward.key if redemption.reward else None,
        points=redemption.points,
        value_cents=redemption.value_cents,
        is_undone=redemption.undone_at is not None,
        code=redemption.issued.values_list("code", flat=True).first(),
        balance_after=balance_of(redemption.customer).available,
    )

"""What customers are promised for reaching a tier, and whether it was kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.models import Promise
from rewards.programme import Programmes
from rewards.tiers import TierHistory, TierStep

# Whoever falls and rises again within this time is not promised the same again.
SAME_AGAIN_AFTER = timedelta(days=365)


def make_promises(histories: Mapping[int, TierHistory], programmes: Programmes, through: date) -> int:
    """Promise what the rises in these customers' histories are owed; return how many promises are new.

    Call it where the histories were reviewed, on locked accounts. Rises so long ago that the promise could not be kept
    any more (an import) make none. A promise whose rise is no longer in the history is withdrawn unless it was kept.
    One query where the programme promises anything, none where it does not.
    """
    if not programmes.promise_anything:
        return 0
    known: dict[int, dict[str, Promise]] = {}
    for promise in Promise.objects.filter(customer__in=list(histories)).order_by("promised_on", "id"):
        known.setdefault(promise.customer_id, {})[promise.reference] = promise
    made = 0
    for customer, history in histories.items():
        mine = known.get(customer, {})
        wanted = {
            promise.reference: promise for step in history.steps for promise in _owed_for(step, customer, programmes)
        }
        _withdraw(customer, mine, wanted)
        for promise in _new(mine, wanted, through):
            promise.save()
            facts = {"customer": customer, "tier": promise.tier, "due_on": promise.due_on.isoformat()}
            audit.record("make promise", promise, by=None, data=facts)
            made += 1
    return made


def _owed_for(step: TierStep, customer: int, programmes: Programmes) -> Iterator[Promise]:
    """What a rise is owed: the dated privileges of every tier that it reaches or passes."""
    programme = programmes.by_id(step.version_id)
    keys = programme.tier_keys
    before = keys.index(step.before) if step.before in keys else 0
    for level in programme.rules.tiers.levels[before + 1 : keys.index(step.after) + 1]:
        for place, privilege in enumerate(level.privileges):
            if privilege.within_days is not None:
                yield Promise(
                    reference=f"tier:{customer}:{step.on.isoformat()}:{level.key}:{place}",
                    customer_id=customer,
                    tier=level.key,
                    kind=privilege.kind,
                    names=privilege.names,
                    promised_on=step.on,
                    due_on=step.on + timedelta(days=privilege.within_days),
                    programme_version_id=step.version_id,
                )


def _withdraw(customer: int, mine: Mapping[str, Promise], wanted: Mapping[str, Promise]) -> None:
    """Those made for a rise of another profile that was merged into this one stay: they were promised."""
    for reference, promise in mine.items():
        if not reference.startswith(f"tier:{customer}:"):
            continue
        is_wrong = reference not in wanted and promise.kept_on is None
        if is_wrong == (promise.withdrawn_at is not None):
            continue
        promise.withdrawn_at = timezone.now() if is_wrong else None
        promise.save(update_fields=["withdrawn_at"])
        audit.record("withdraw promise" if is_wrong else "restore promise", promise, by=None)


def _new(mine: Mapping[str, Promise], wanted: Mapping[str, Promise], through: date) -> Iterator[Promise]:
    latest = {_what(one): one.promised_on for one in mine.values() if one.withdrawn_at is None}
    for promise in sorted(wanted.values(), key=lambda one: one.promised_on):
        before = latest.get(_what(promise))
        too_soon = before is not None and promise.promised_on < before + SAME_AGAIN_AFTER
        if promise.reference not in mine and promise.due_on >= through and not too_soon:
            latest[_what(promise)] = promise.promised_on
            yield promise


def _what(promise: Promise) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return promise.tier, promise.kind, tuple(sorted(promise.names.items()))


@atomic_with_retry
def keep_promise(*, promise: Promise, by: User) -> Promise:
    """Write down that the customer got what was promised, today; late ones too. Again it has no effect.

    Raises `Refused` for one that was withdrawn.
    """
    promise = Promise.objects.select_for_update(of=("self",)).get(pk=promise.pk)
    if promise.kept_on is not None:
        return promise
    if promise.withdrawn_at is not None:
        raise Refused(_("This promise was withdrawn: the visit it was made for does not count any more."))
    promise.kept_at = timezone.now()
    promise.kept_on = max(Company.current().today(promise.kept_at), promise.promised_on)
    promise.kept_by = by
    promise.save(update_fields=["kept_at", "kept_on", "kept_by"])
    audit.record("keep promise", promise, by=by, data={"customer": promise.customer_id})
    return promise


@atomic_with_retry
def undo_keeping(*, promise: Promise, by: User) -> Promise:
    """Take back that a promise was kept, ticked off by mistake. Again it has no effect."""
    promise = Promise.objects.select_for_update(of=("self",)).get(pk=promise.pk)
    if promise.kept_on is None:
        return promise
    promise.kept_at = promise.kept_on = promise.kept_by = None
    promise.save(update_fields=["kept_at", "kept_on", "kept_by"])
    audit.record("undo keeping promise", promise, by=by, data={"customer": promise.customer_id})
    return promise

"""The catalogue: what points can be used for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.text import slugify
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from rewards.benefits import Benefit, Terms, as_stored
from rewards.models import Reward


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardContent:
    """What a manager sets; names by language."""

    names: Mapping[str, str]
    benefit: Benefit
    points_cost: int


@transaction.atomic
def add_reward(*, content: RewardContent, by: User | None) -> Reward:
    """Offer something new for points. Raises `Refused` for what cannot be, naming the field."""
    names = _checked_names(content)
    reward = Reward.objects.create(
        key=free_key(names["en"], Reward.objects.all(), stem="reward"),
        names=names,
        benefit=content.benefit,
        points_cost=content.points_cost,
    )
    audit.record("add reward", reward, by=by, data={"key": reward.key, "points": reward.points_cost})
    return reward


@transaction.atomic
def edit_reward(*, reward: Reward, content: RewardContent, by: User | None) -> Reward:
    """Change a reward from now on; what was collected before keeps its name and value. Raises `Refused` as adding."""
    reward = Reward.objects.select_for_update().get(pk=reward.pk)
    columns = {
        "names": _checked_names(content),
        "benefit": content.benefit,
        "points_cost": content.points_cost,
    }
    before = {name: getattr(reward, name) for name in columns if getattr(reward, name) != columns[name]}
    if before:
        for name in before:
            setattr(reward, name, columns[name])
        reward.save(update_fields=list(before))
        after = {name: columns[name] for name in before}
        audit.record("edit reward", reward, by=by, data={"before": _told(before), "after": _told(after)})
    return reward


@transaction.atomic
def stop_reward(*, reward: Reward, by: User | None) -> Reward:
    """Offer it no longer. Codes that customers have for it stay good."""
    return _set_offered(reward, is_active=False, action="stop reward", by=by)


@transaction.atomic
def offer_reward_again(*, reward: Reward, by: User | None) -> Reward:
    """Offer it again."""
    return _set_offered(reward, is_active=True, action="offer reward again", by=by)


def _set_offered(reward: Reward, *, is_active: bool, action: str, by: User | None) -> Reward:
    reward = Reward.objects.select_for_update().get(pk=reward.pk)
    if reward.is_active != is_active:
        reward.is_active = is_active
        reward.save(update_fields=["is_active"])
        audit.record(action, reward, by=by)
    return reward


def _checked_names(content: RewardContent) -> dict[str, str]:
    names = names_in_every_language(content.names, _("Name the reward in every language."))
    if content.points_cost < 1:
        raise Refused(_("Enter how many points the reward costs."), field="points_cost")
    return names


def _told(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as the audit keeps them."""
    return {name: as_stored(one) if isinstance(one, Terms) else one for name, one in columns.items()}


def names_in_every_language(names: Mapping[str, str], words: str) -> dict[str, str]:
    """The names by language, trimmed. Raises `Refused` with these words at the field of one that is missing."""
    trimmed = {code: names.get(code, "").strip() for code, _name in settings.LANGUAGES}
    for code, name in trimmed.items():
        if not name:
            raise Refused(words, field=f"name_{code}")
    return trimmed


def free_key(name: str, rows: QuerySet[Any], *, stem: str) -> str:
    """A key made of a name (or of `stem`) that none of the rows has."""
    stem = slugify(name)[:40] or stem
    taken = set(rows.filter(key__startswith=stem).values_list("key", flat=True))
    return next(key for key in (stem, *(f"{stem}-{n}" for n in range(2, len(taken) + 3))) if key not in taken)

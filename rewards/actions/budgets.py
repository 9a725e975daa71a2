"""What is left of the budgets of rules. A budget's row is locked only by those whom its rule gives something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection

from customers.models import Visit
from rewards.models import RuleBudget, SaleFacts
from rewards.programme import Programme, Programmes


class Budgets:
    """The room left under budgets, as far as it was asked for. Accounts are locked before budgets, always."""

    def __init__(self, *, is_only_a_look: bool = False) -> None:
        self._is_only_a_look = is_only_a_look
        self._left: dict[tuple[int, str], int] = {}
        self._given: dict[tuple[int, str], int] = {}

    def lock_all(self, programmes: Programmes) -> None:
        """Lock every budget at once: who records many visits must not meet the budgets in the visits' order."""
        self._read({(one.version_id, key): _budget(one, key) for one in programmes.all for key in one.needs.budgeted})

    def room(self, programme: Programme, keys: Iterable[str]) -> dict[str, int]:
        """The points that these rules of a version may still give."""
        wanted = {key: (programme.version_id, key) for key in keys}
        self._read({name: _budget(programme, key) for key, name in wanted.items() if name not in self._left})
        return {key: self._left[name] for key, name in wanted.items()}

    def spend(self, programme: Programme, given: Mapping[str, int]) -> None:
        """Take what the rules of a version gave off their room."""
        for key in programme.needs.budgeted:
            if points := given.get(key, 0):
                name = (programme.version_id, key)
                self._left[name] -= points
                self._given[name] = self._given.get(name, 0) + points

    def write(self) -> None:
        """Write what was spent."""
        add_to_budgets(self._given)

    def _read(self, budgets: Mapping[tuple[int, str], int]) -> None:
        if not budgets:
            return
        names = sorted(budgets)
        columns: list[Any] = [[version for version, _key in names], [key for _version, key in names]]
        with connection.cursor() as cursor:
            if not self._is_only_a_look:
                cursor.execute(
                    """INSERT INTO rewards_rulebudget (programme_version_id, rule_key, points_given)
                       SELECT version, key, 0 FROM unnest(%s::bigint[], %s::text[]) AS wanted(version, key)
                       ORDER BY 1, 2 ON CONFLICT DO NOTHING""",
                    columns,
                )
            lock = "" if self._is_only_a_look else "ORDER BY b.id FOR NO KEY UPDATE OF b"
            cursor.execute(
                f"""SELECT b.programme_version_id, b.rule_key, b.points_given FROM rewards_rulebudget b
                    JOIN unnest(%s::bigint[], %s::text[]) AS wanted(version, key)
                    ON wanted.version = b.programme_version_id AND wanted.key = b.rule_key {lock}""",  # noqa: S608
                columns,
            )
            given = {(version, key): points for version, key, points in cursor.fetchall()}
        self._left |= {name: budget - given.get(name, 0) for name, budget in budgets.items()}


def give_budgets_back(visit: Visit, programmes: Programmes) -> None:
    """Return what an undone visit took of budgets. Only after its account is locked."""
    if not any(version.needs.budgeted for version in programmes.all):
        return
    facts = SaleFacts.objects.filter(visit=visit).first()
    if facts is not None:
        version = programmes.by_id(facts.programme_version_id)
        taken = {(version.version_id, key): -facts.given.get(key, 0) for key in version.needs.budgeted}
        add_to_budgets({name: points for name, points in taken.items() if points})


def add_to_budgets(given: Mapping[tuple[int, str], int]) -> None:
    """Add points to what the rules gave, in the order in which budgets are locked."""
    for version, key in sorted(given):
        budget = RuleBudget.objects.select_for_update(no_key=True).get(programme_version=version, rule_key=key)
        budget.points_given += given[version, key]
        budget.save(update_fields=["points_given"])


def _budget(programme: Programme, key: str) -> int:
    return next(rule.budget_points or 0 for rule in programme.rules.earning.rules if rule.key == key)

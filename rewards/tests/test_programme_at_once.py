"""Two people at the programme at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.db import connection

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User
from rewards.actions.programme import change_rules, sign
from rewards.actions.programme_versions import import_version
from rewards.models import ProgrammeDraft, ProgrammeVersion
from rewards.tests.drafts import draft_of, handed_in, worth


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Do all of them at the same time; what each gave, None where it was refused."""
    start = threading.Barrier(len(actions))

    def one(action: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=300)
            return action()
        except Refused:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(one, actions))


def test_signatures_and_imports_get_numbers_one_after_the_other(committed_db: str, dace: User, admin: User) -> None:
    soon = Company.current().today() + timedelta(days=30)
    drafts = [handed_in(worth(600 + number), starts_on=soon, by=dace) for number in range(3)]

    def signing(draft: ProgrammeDraft) -> Callable[[], Any]:
        return lambda: sign(draft=draft, revision=draft.revision, by=admin).number

    def importing() -> int:
        return import_version(rules=worth(900), starts_on=soon, by=None).version.number

    done = at_once(*map(signing, drafts), signing(drafts[0]), importing)
    assert done[0] == done[3]
    assert sorted({*done}) == [2, 3, 4, 5]
    assert list(ProgrammeVersion.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4, 5]


def test_of_two_changes_of_one_draft_one_is_refused(committed_db: str, dace: User, admin: User) -> None:
    draft = draft_of(worth(600), starts_on=Company.current().today() + timedelta(days=30), by=dace)

    def changing(cents: int, by: User) -> Callable[[], Any]:
        return lambda: change_rules(draft=draft, revision=draft.revision, rules=worth(cents), by=by)

    done = at_once(changing(700, dace), changing(800, admin))
    assert [one is None for one in done].count(True) == 1
    kept = next(one for one in done if one is not None)
    draft.refresh_from_db()
    assert (draft.rules, draft.revision) == (kept.rules, kept.revision)

"""Writing down what was chosen for the readers of a run, within its planning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from django.db import connection

from rewards.benefits import as_stored
from rewards.choices import Given
from rewards.choices.picking import Pick
from rewards.models import Run


def terms_of(run: Run, customers: Sequence[int], picks: Mapping[int, Pick]) -> tuple[list[str], list[str], list[int]]:
    """The names and the benefits of the readers' codes, each kind once, and which of them each reader gets (from 1)."""
    usual = Given(run.benefit, run.benefit_names)
    places: dict[tuple[str, str], int] = {}
    known: dict[int, int] = {}
    terms = []
    for pk in customers:
        given = picks[pk].given if pk in picks else usual
        if id(given) not in known:
            stored = (json.dumps(dict(given.names)), json.dumps(as_stored(given.benefit)))
            known[id(given)] = places.setdefault(stored, len(places) + 1)
        terms.append(known[id(given)])
    return [names for names, _benefit in places], [benefit for _names, benefit in places], terms


def keep_picks(run: Run, picks: Mapping[int, Pick]) -> None:
    """Keep with each reader's place what was chosen, with which chance and why."""
    if not picks:
        return
    chosen = list(picks.values())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO rewards_chosenbenefit (delivery_id, number, chance, drawn, motive, product_id, reasons)
            SELECT d.id, p.number, p.chance, p.drawn, p.motive, p.product_id, p.reasons::jsonb
            FROM unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::text[], %s::text[], %s::bigint[], %s::text[])
                AS p(customer_id, number, chance, drawn, motive, product_id, reasons)
            JOIN rewards_delivery d ON d.run_id = %s AND d.customer_id = p.customer_id ORDER BY d.id
            """,
            [
                list(picks),
                [pick.draw.number for pick in chosen],
                [pick.draw.chance for pick in chosen],
                [str(pick.draw.how) for pick in chosen],
                [str(pick.motive) for pick in chosen],
                [pick.product_id for pick in chosen],
                [json.dumps(pick.reasons) for pick in chosen],
                run.pk,
            ],
        )

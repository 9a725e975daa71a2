"""Checking the facts that sales were judged by: there where they are asked for, and giving what they are said to."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from customers.models import Visit
from rewards.models import SaleFacts
from rewards.programme import Programmes, from_facts


def facts_that_differ(customer_ids: Collection[int], programmes: Programmes) -> Iterator[tuple[str, int, str]]:
    """(table, row id, what differs) for the facts of these customers' visits.

    A visit without its facts is told by its own id.
    """
    ids = list(customer_ids)
    for kept in SaleFacts.objects.filter(visit__customer__in=ids).select_related("visit").order_by("visit"):
        version = programmes.at(kept.visit.business_date)
        if version.version_id != kept.programme_version_id:
            yield "rewards_salefacts", kept.pk, f"visit:{kept.pk}: judged by another version than that of its day"
            continue
        given = version.given_by(from_facts(kept.visit.net_cents, kept.visit.business_date, kept.facts))
        if given != kept.given:
            yield "rewards_salefacts", kept.pk, f"visit:{kept.pk}: {kept.given} kept, {given} by its facts"
    if not programmes.keep_facts:
        return
    bare = Visit.objects.filter(customer__in=ids, sale_facts__isnull=True).values_list("id", "business_date")
    for visit, day in bare.order_by("id"):
        if programmes.at(day).needs.anything:
            yield "rewards_salefacts", visit, f"visit:{visit}: its facts are missing"

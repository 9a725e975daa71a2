"""Offers whose audience is a segment: who is asked, what a run freezes, and a segment that is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from customers.actions.segments import change_segment, remove_segment, save_segment
from customers.models import Segment
from loyaltycrm.core.models import Store, User
from rewards.actions.offers import activate_offer, create_offer, edit_offer
from rewards.actions.planning import plan_run
from rewards.actions.runs import start_run
from rewards.audience import count_audience, readers_by_language
from rewards.models import Run, RunStatus
from rewards.offer_checks import what_is_missing
from rewards.tests.audiences import TEXTS, add_reader, content, open_shop, planned_run

pytestmark = pytest.mark.django_db
LATVIAN = {"language": {"op": "any", "values": ["lv"]}}


@pytest.fixture(autouse=True)
def _shop() -> None:
    """One loyal reader of English, two of Latvian: one loyal, one not."""
    open_shop()
    add_reader(1)
    add_reader(2, language="lv")
    add_reader(3, language="lv", loyal=False)


def asked(run: Run) -> set[str]:
    return set(run.deliveries.values_list("customer__external_id", flat=True))


def latvian(by: User) -> Segment:
    return save_segment(name="Latvian", definition=LATVIAN, is_shared=True, by=by)


def test_without_a_segment_the_loyal_are_asked_with_one_whom_it_names(dace: User) -> None:
    assert asked(planned_run()) == {"R-1", "R-2"}
    segment = latvian(dace)
    offer = create_offer(content=content(segment=segment), by=dace)
    assert readers_by_language(offer.audience) == {"lv": 2}
    funnel = count_audience(
        audience=offer.audience, languages=["lv"], control_percent=0, today=Run.objects.get().valid_from
    )
    assert (funnel.matching, funnel.mailed) == (2, 1)
    run = planned_run(segment=segment)
    assert asked(run) == {"R-2", "R-3"}
    assert run.audience == LATVIAN


def test_only_the_languages_of_the_audience_need_texts(dace: User) -> None:
    only_latvian = {"lv": TEXTS["lv"]}
    loyal = create_offer(content=content(texts=only_latvian), by=dace)
    assert {problem.field for problem in what_is_missing(loyal)} >= {"subject_en"}
    offer = create_offer(content=content(texts=only_latvian, segment=latvian(dace)), by=dace)
    assert what_is_missing(offer) == []


def test_what_a_run_froze_stays_and_the_next_follows_the_change(dace: User) -> None:
    segment = latvian(dace)
    run = planned_run(segment=segment)
    change_segment(
        segment=segment, name="English", definition={"language": {"op": "none", "values": ["lv"]}}, is_shared=True,
        by=dace,
    )  # fmt: skip
    run.refresh_from_db()
    assert (run.audience, asked(run)) == (LATVIAN, {"R-2", "R-3"})
    assert asked(planned_run(segment=Segment.objects.get(pk=segment.pk))) == {"R-1"}
    remove_segment(segment=segment, by=dace)
    assert asked(planned_run(segment=Segment.objects.get(pk=segment.pk))) == {"R-1"}


def test_a_segment_that_asks_for_a_fact_that_is_gone_lets_the_run_wait(dace: User) -> None:
    segment = latvian(dace)
    offer = activate_offer(offer=create_offer(content=content(segment=segment), by=dace), by=dace)
    Segment.objects.filter(pk=segment.pk).update(definition={"gone": {"is": True}})
    offer.refresh_from_db()
    run = start_run(offer=offer, by=dace)
    assert not plan_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.WAITING
    assert "no fact that segments know" in run.note
    assert asked(run) == set()
    assert "segment" in {problem.field for problem in what_is_missing(offer)}


def sent_with(form: Any) -> dict[str, Any]:
    """What a browser sends of an offer's form as it stands there."""
    sent = {name: field.value() for name, field in zip(form.fields, form, strict=True) if field.value() is not None}
    return sent | {"value_cents": "3.00", "minimum_spend_cents": "6.00", "idempotency_key": str(uuid4())}


def test_the_page_offers_shared_segments_and_keeps_the_one_chosen(
    dace: User, admin: User, signed_in: Callable[[User], Client]
) -> None:
    segment = latvian(dace)
    save_segment(name="Only mine", definition=LATVIAN, is_shared=False, by=dace)
    client = signed_in(dace)
    page = client.get("/offers/new/?kind=money_off")
    names = [str(name) for _key, name in page.context["form"].fields["segment"].choices]
    assert names[0] == "Loyal customers"
    assert "Latvian" in names
    assert "Only mine" not in names
    offer = create_offer(content=content(segment=segment), by=dace)
    shown = client.get(f"/offers/{offer.pk}/").content.decode()
    assert "Latvian: Language: Latvian" in shown
    remove_segment(segment=segment, by=dace)
    form = client.get(f"/offers/{offer.pk}/edit/").context["form"]
    assert form["segment"].value() == segment.pk
    answer = client.post(f"/offers/{offer.pk}/edit/", sent_with(form) | {"segment": ""})
    assert answer.status_code == 302
    offer.refresh_from_db()
    assert (offer.segment, offer.audience) == (None, {"loyal": {"is": True}})
    assert client.get(f"/offers/{offer.pk}/").status_code == 200
    edit_offer(offer=offer, content=content(segment=segment), by=dace)
    assert segment.pk in {key for (key,) in type(offer).objects.values_list("segment")}


def test_saving_keeps_a_segment_of_stores_that_are_not_the_editors(
    dace: User, admin: User, centrs: Store, signed_in: Callable[[User], Client]
) -> None:
    theirs = {"store": {"op": "any", "values": [str(centrs.pk)]}}
    segment = save_segment(name="Elsewhere", definition=theirs, is_shared=True, by=admin)
    assert segment not in Segment.objects.for_staff(dace)
    offer = create_offer(content=content(segment=segment), by=admin)
    client = signed_in(dace)
    form = client.get(f"/offers/{offer.pk}/edit/").context["form"]
    assert client.post(f"/offers/{offer.pk}/edit/", sent_with(form) | {"name": "Renamed"}).status_code == 302
    offer.refresh_from_db()
    assert (offer.name, offer.segment) == ("Renamed", segment)
    others = client.get("/offers/new/?kind=money_off").context["form"].fields["segment"].queryset
    assert segment not in others

"""The pages of offers and runs, as a manager uses them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from customers.actions.classifying import classify
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, User
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.offers import create_offer
from rewards.actions.planning import plan_run
from rewards.actions.runs import pause_run, resend_unknown
from rewards.actions.sending import send_batch
from rewards.benefits import MoneyOff
from rewards.models import Delivery, DeliveryOutcome, DeliveryStatus, Offer, OfferStatus, Run, RunStatus
from rewards.tests.audiences import TEXTS, active_offer, add_reader, content, open_shop, planned_run

pytestmark = pytest.mark.django_db
Browser = Callable[[User], Client]


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


@pytest.fixture
def browser(signed_in: Browser, dace: User) -> Client:
    return signed_in(dace)


def typed(**changes: str) -> dict[str, str]:
    form = {
        "name": "A thank-you", "kind": "money_off", "value_cents": "3.00", "minimum_spend_cents": "",
        "valid_days": "14", "schedule": "weekly", "day_of_week": "2", "day_of_month": "", "send_at": "10:30",
        "active_from": "", "control_percent": "10", "idempotency_key": str(uuid4()),
    }  # fmt: skip
    for code in ("en", "lv", "ru"):
        form |= {f"benefit_{code}": "€3", **{f"{field}_{code}": text for field, text in TEXTS[code].items()}}
    return form | changes


def test_a_manager_makes_an_offer_and_activates_it(browser: Client) -> None:
    add_reader(1)
    classify()
    made = browser.post(reverse("rewards:offer_create"), typed())
    offer = Offer.objects.get()
    assert made.url == reverse("rewards:offer", args=[offer.pk])  # type: ignore[attr-defined]
    assert (offer.name, offer.benefit) == ("A thank-you", MoneyOff(value_cents=3_00))
    assert (offer.schedule, offer.day, offer.send_at) == ("weekly", 2, time(10, 30))
    assert offer.texts["lv"]["subject"] == TEXTS["lv"]["subject"]
    page = browser.get(made.url).content.decode()  # type: ignore[attr-defined]
    assert "Draft" in page
    assert "To send this offer" not in page
    browser.post(reverse("rewards:offer_activate", args=[offer.pk]))
    offer.refresh_from_db()
    assert offer.status == OfferStatus.ACTIVE
    assert "Every week: Wednesday, 10:30" in browser.get(made.url).content.decode()  # type: ignore[attr-defined]


def test_a_double_click_makes_one_offer(browser: Client) -> None:
    form = typed()
    first, second = (browser.post(reverse("rewards:offer_create"), form) for _click in range(2))
    assert first.url == second.url  # type: ignore[attr-defined]
    assert Offer.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "Fill in this field: Name of the offer"),
        ({"value_cents": ""}, "Enter what the benefit is worth, for example 3.00"),
        ({"value_cents": "NaN"}, "Enter an amount"),
        ({"value_cents": "1e3"}, "Enter an amount"),
        ({"valid_days": "0"}, "Enter a number from 1 to 365"),
        ({"valid_days": "2.7"}, "Enter a whole number"),
        ({"control_percent": "51"}, "Enter a number from 0 to 50"),
        ({"send_at": "25:00"}, "Enter a time, for example 10:00"),
        ({"active_from": "31.02.2026"}, "Enter a date"),
        ({"schedule": "weekly", "day_of_week": ""}, "Choose the day on which the offer is sent."),
        ({"schedule": "monthly", "day_of_month": "29"}, "Choose one of the options shown"),
        ({"subject_ru": "x" * 151}, "Shorten this."),
        ({"body_lv": "Sveiki, {vards}"}, "Use only {first_name}, {benefit} and {points}"),
    ],
)
def test_a_mistake_is_said_twice_and_nothing_is_made(browser: Client, changes: dict[str, str], said: str) -> None:
    answer = browser.post(reverse("rewards:offer_create"), typed(**changes), follow=True)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count(said) == 2, page
    assert "<title>Error:" in page
    assert "To save this offer, fix 1 thing" in page
    assert TEXTS["en"]["body"] in page
    assert Offer.objects.count() == 0


def test_what_is_missing_stands_on_the_page_with_a_way_to_its_field(browser: Client) -> None:
    for number in range(3):
        add_reader(number, language="ru")
    classify()
    offer = create_offer(content=content(texts={**TEXTS, "ru": {**TEXTS["ru"], "subject": ""}}), by=None)
    page = browser.get(reverse("rewards:offer", args=[offer.pk])).content.decode()
    assert "To send this offer, fix 1 thing" in page
    assert f'href="{reverse("rewards:offer_edit", args=[offer.pk])}#id_subject_ru"' in page
    assert "Write the Russian subject line. 3 customers read Russian." in page
    refused = browser.post(reverse("rewards:offer_activate", args=[offer.pk]), follow=True).content.decode()
    assert refused.count("Write the Russian subject line. 3 customers read Russian.") == 2
    offer.refresh_from_db()
    assert offer.status == OfferStatus.DRAFT


def test_the_audience_is_shown_as_a_funnel_that_adds_up(browser: Client) -> None:
    for number in range(8):
        add_reader(number, consents=number < 5)
    offer = active_offer(control_percent=40)
    funnel = browser.get(reverse("rewards:offer", args=[offer.pk])).context["funnel"]
    assert (funnel.counted.matching, funnel.counted.control, funnel.counted.mailed) == (8, 2, 3)
    assert [(step.lost, step.left) for step in funnel.steps] == [(3, 5)]


def test_the_mail_is_previewed_in_every_language_as_a_real_customer(browser: Client) -> None:
    olga = add_reader(1, first_name="Olga", external_id="A-77")
    offer = active_offer()
    here, text = reverse("rewards:offer", args=[offer.pk]), {"look": "text"}
    page = browser.get(here, text).content.decode()
    for said in ("As Olga would get it", "Hello, Olga", "Sveiki, Olga", "Здравствуйте, Olga"):
        assert said in page
    other = add_reader(2, first_name="Ilze", external_id="A-78", loyal=False)
    assert other.pk != olga.pk
    assert "Hello, Ilze" in browser.get(here, text | {"reader": " a-78 "}).content.decode()
    assert "No customer is found by this" in browser.get(here, text | {"reader": "nobody"}).content.decode()
    assert Delivery.objects.count() == 0


def test_sending_now_names_how_many_and_starts_a_run(browser: Client, dace: User) -> None:
    for number in range(4):
        add_reader(number, consents=number != 0)
    offer = active_offer()
    page = browser.get(reverse("rewards:offer_send", args=[offer.pk])).content.decode()
    assert "Customers who will get the email: 3." in page
    assert Run.objects.count() == 0
    answer = browser.post(reverse("rewards:offer_send", args=[offer.pk]))
    run = Run.objects.get()
    assert answer.url == reverse("rewards:run", args=[run.pk])  # type: ignore[attr-defined]
    assert run.started_by == dace
    again = browser.post(reverse("rewards:offer_send", args=[offer.pk]), follow=True).content.decode()
    assert "This offer has a run today already" in again
    assert Run.objects.count() == 1


def test_the_run_s_page_counts_everyone_once(browser: Client, mailbox: MailServer) -> None:
    for number in range(10):
        add_reader(number, consents=number > 1)
    run = planned_run(control_percent=25)
    mailbox.refuse("RCPT", "550 5.1.1 Unknown", times=1)
    mailbox.cut("after data", times=1)
    send_batch(run_id=run.pk)
    answer = browser.get(reverse("rewards:run", args=[run.pk]))
    counts = {key: count for key, _label, count in answer.context["statuses"]}
    assert counts == {"sent": 4, "failed": 1, "unknown": 1, "suppressed": 2, "control": 2}
    assert sum(counts.values()) == answer.context["figures"].audience == 10
    assert {key: count for key, _label, count in answer.context["reasons"]} == {"no_consent": 2, "refused": 1}
    page = answer.content.decode()
    assert "RCPT 550 5.1.1 Unknown" in page
    assert "Did not agree to offers by email" in page


def test_without_a_control_group_no_effect_is_claimed(browser: Client) -> None:
    add_reader(1)
    run = planned_run(control_percent=0)
    assert (
        "Without a control group no effect is claimed"
        in browser.get(reverse("rewards:run", args=[run.pk])).content.decode()
    )


def test_pausing_going_on_and_cancelling_from_the_page(browser: Client) -> None:
    add_reader(1)
    run = planned_run()

    def press(name: str) -> str:
        browser.post(reverse(f"rewards:run_{name}", args=[run.pk]))
        run.refresh_from_db()
        return run.status

    assert press("pause") == RunStatus.PAUSED
    assert press("resume") == RunStatus.SENDING
    confirm = browser.get(reverse("rewards:run_cancel", args=[run.pk])).content.decode()
    assert "1 customer will not get the mail" in confirm
    assert press("cancel") == RunStatus.CANCELLED
    assert Delivery.objects.get().status == DeliveryStatus.CANCELLED
    assert press("resume") == RunStatus.CANCELLED


def test_sending_unknown_ones_again_says_that_it_may_double(browser: Client, mailbox: MailServer) -> None:
    add_reader(1)
    run = planned_run()
    mailbox.cut("after data", times=1)
    send_batch(run_id=run.pk)
    assert "Send unknown ones again" in browser.get(reverse("rewards:run", args=[run.pk])).content.decode()
    confirm = browser.get(reverse("rewards:run_resend", args=[run.pk])).content.decode()
    assert "1 mail was handed over. Whoever has it already gets it twice." in confirm
    assert Delivery.objects.get().status == DeliveryStatus.UNKNOWN
    browser.post(reverse("rewards:run_resend", args=[run.pk]))
    send_batch(run_id=run.pk)
    assert len(mailbox.received) == 2
    assert mailbox.received[0].message["Message-ID"] == mailbox.received[1].message["Message-ID"]


def test_one_unknown_mail_is_sent_again_knowingly(browser: Client, mailbox: MailServer, dace: User) -> None:
    for number in range(2):
        add_reader(number)
    run = planned_run()
    mailbox.cut("after data", times=2)
    send_batch(run_id=run.pk)
    one, other = run.deliveries.order_by("pk")
    address = reverse("rewards:delivery_resend", args=[run.pk, one.pk])
    assert address in browser.get(reverse("rewards:run", args=[run.pk])).content.decode()
    assert "Nobody knows whether the first mail arrived" in browser.get(address).content.decode()
    browser.post(address)
    send_batch(run_id=run.pk)
    statuses = {place.pk: place.status for place in run.deliveries.all()}
    assert statuses == {one.pk: DeliveryStatus.SENT, other.pk: DeliveryStatus.UNKNOWN}
    event = AuditEvent.objects.get(action="resend unknown")
    assert (event.data, event.by) == ({"count": 1, "delivery": one.pk}, dace)
    browser.post(address)
    assert AuditEvent.objects.filter(action="resend unknown").count() == 1, "It has a known end now."


def test_what_a_provider_reported_is_not_sent_again(browser: Client, mailbox: MailServer, dace: User) -> None:
    add_reader(1)
    run = planned_run()
    mailbox.cut("after data", times=1)
    send_batch(run_id=run.pk)
    Delivery.objects.update(outcome=DeliveryOutcome.DELIVERED, outcome_at=timezone.now())
    with pytest.raises(Refused):
        resend_unknown(run=run, by=dace)
    assert "Delivered" in browser.get(reverse("rewards:run", args=[run.pk])).content.decode()
    assert len(rows_of(browser.get(reverse("rewards:run", args=[run.pk]), {"outcome": "bounced"}))) == 0


def test_a_run_under_way_is_shown_as_it_goes_on(browser: Client) -> None:
    """Its figures are fetched again every few seconds while it goes on, and it says what it waits for."""
    add_reader(1)
    run = planned_run()
    here = reverse("rewards:run", args=[run.pk])
    assert 'data-live="soon"' in browser.get(here).content.decode()
    assert browser.get(here).context["next_at"] is None
    morning = timezone.now() + timedelta(hours=8)
    Delivery.objects.update(next_at=morning)
    assert browser.get(here).context["next_at"] == morning
    pause_run(run=run, by=None)
    assert 'data-live="soon"' not in browser.get(here).content.decode()


def test_the_customers_of_a_run_filter_sort_page_and_export(browser: Client) -> None:
    for number in range(30):
        add_reader(number, consents=number < 28, language="lv" if number % 2 else "en")
    run = planned_run()
    here = reverse("rewards:run", args=[run.pk])
    assert len(rows_of(browser.get(here))) == 25
    assert len(rows_of(browser.get(here, {"page": "2"}))) == 5
    left_out = rows_of(browser.get(here, {"reason": "no_consent"}))
    assert {delivery.customer.external_id for delivery in left_out} == {"R-28", "R-29"}
    assert rows_of(browser.get(here, {"status": "suppressed"})) == left_out
    assert {delivery.language for delivery in rows_of(browser.get(here, {"language": "lv"}))} == {"lv"}
    first = rows_of(browser.get(here, {"sort": "-status"}))[0]
    assert first.status == "suppressed"
    answer = browser.get(reverse("rewards:run_export", args=[run.pk]), {"reason": "no_consent"})
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    facts = "run,customer_id,status,reason,language,occasion,attempts,sent_at,reply,outcome,outcome_at"
    assert lines == [
        f"{facts},choice,chance,drawn,motive,product",
        f"{run.pk},R-28,suppressed,no_consent,en,,0,,,,,,,,,",
        f"{run.pk},R-29,suppressed,no_consent,lv,,0,,,,,,,,,",
    ]
    assert [place.customer.external_id for place in rows_of(browser.get(here, {"q": "r-7"}))] == ["R-7"]
    assert len(rows_of(browser.get(here, {"q": "Reader2"}))) == 11  # Reader2 and Reader20 to Reader29


def rows_of(answer: Any) -> list[Any]:
    return [row.record for row in answer.context["table"].paginated_rows]


def test_the_list_of_offers_filters_sorts_pages_and_exports(browser: Client) -> None:
    for number in range(27):
        create_offer(
            content=content(
                name=f"Offer {number:02d}", benefit=MoneyOff(value_cents=100 + number, minimum_spend_cents=6_00)
            ),
            by=None,
        )
    active_offer(name="Живой")
    here = reverse("rewards:offers")
    assert len(rows_of(browser.get(here))) == 25
    assert len(rows_of(browser.get(here, {"page": "2"}))) == 3
    assert [offer.name for offer in rows_of(browser.get(here, {"status": "active"}))] == ["Живой"]
    assert [offer.name for offer in rows_of(browser.get(here, {"q": "offer 2"}))][:2] == ["Offer 20", "Offer 21"]
    assert rows_of(browser.get(here, {"sort": "-name"}))[0].name == "Живой"
    answer = browser.get(reverse("rewards:offers_export"), {"q": "offer 03"})
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 2
    assert lines[1].split(",", 1)[1] == "Offer 03,draft,money_off,1.03,6.00,14,weekly,0,,,0,10:00,5,,,0,,0,,0,too_early"


def test_no_page_takes_more_queries_for_any_length(browser: Client) -> None:
    for number in range(3):
        add_reader(number)
    run = planned_run()
    run.deliveries.update(status=DeliveryStatus.SENT, sent_at=timezone.now())
    addresses = [
        reverse("rewards:offers"), reverse("rewards:offer", args=[run.offer_id]), reverse("rewards:run", args=[run.pk]),
    ]  # fmt: skip
    few = [queries_of(browser, address) for address in addresses]
    for number in range(3, 20):
        add_reader(number)
    for number in range(6):
        Run.objects.create(
            **{
                field.attname: getattr(run, field.attname)
                for field in Run._meta.concrete_fields
                if field.attname not in ("id", "occurrence")
            },
            occurrence=f"offer:x:{number}",
        )
        create_offer(content=content(name=f"Offer {number}"), by=None)
    classify()
    set_knob(key="offer_gap_days", new=0, by=None)
    longer = Run.objects.create(
        **{
            field.attname: getattr(run, field.attname)
            for field in Run._meta.concrete_fields
            if field.attname not in ("id", "occurrence", "status", "planned_at")
        },
        status=RunStatus.PLANNED,
        occurrence="offer:x:again",
    )
    assert plan_run(run_id=longer.pk)
    assert longer.deliveries.filter(status=DeliveryStatus.PENDING).count() == 20
    longer.deliveries.update(status=DeliveryStatus.SENT, sent_at=timezone.now())
    addresses[2] = reverse("rewards:run", args=[longer.pk])
    many = [queries_of(browser, address) for address in addresses]
    assert all(later <= before for before, later in zip(few, many, strict=True)), (few, many)


def queries_of(browser: Client, address: str) -> int:
    browser.get(address)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200
    return len(queries)


@pytest.mark.parametrize(
    "query",
    [
        {"page": "-1"},
        {"page": "9" * 40},
        {"sort": "x"},
        {"status": "x"},
        {"reason": "x"},
        {"q": "%_\\"},
        {"reader": "9" * 500},
    ],
)
def test_strange_addresses_show_a_page(browser: Client, query: dict[str, str]) -> None:
    run = planned_run()
    for address in (
        reverse("rewards:offers"),
        reverse("rewards:offer", args=[run.offer_id]),
        reverse("rewards:run", args=[run.pk]),
    ):
        assert browser.get(address, query).status_code == 200


@pytest.mark.parametrize("name", ["offer", "offer_edit", "offer_end", "offer_send", "run", "run_cancel", "run_resend"])
def test_no_such_offer_or_run_is_not_found(browser: Client, name: str) -> None:
    for number in (1, 10**30):
        assert browser.get(reverse(f"rewards:{name}", args=[number])).status_code == 404


def test_the_till_sees_nothing_of_offers(signed_in: Browser, liga: User) -> None:
    run = planned_run()
    browser = signed_in(liga)
    for address in (reverse("rewards:offers"), reverse("rewards:run", args=[run.pk]), reverse("rewards:catalogue")):
        assert browser.get(address).status_code == 403
    assert browser.post(reverse("rewards:run_pause", args=[run.pk])).status_code == 403
    run.refresh_from_db()
    assert run.status == RunStatus.SENDING

"""Sending the mails of a run, claims and records included, beside a bare loop to the same mail server."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import mrml
import psutil
from django.conf import settings
from django.db import connection, connections
from django.template.loader import render_to_string

from bench.bare.sending import send_by_hand
from bench.results import Goal, Result, Sizes, row
from bench.rows.passes import READERS
from bench.shop import fill, tidy
from bench.sink import sink
from rewards.actions.planning import plan_run
from rewards.actions.runs import start_run
from rewards.actions.sending import send_batch
from rewards.models import Run
from rewards.tests.audiences import active_offer, open_shop


@dataclass(frozen=True, slots=True)
class Turn:
    """What one process did: how many it sent, in how many seconds, with how much processor time of its own, and the
    megabytes that it held before and after."""

    sent: int
    seconds: float
    processor_seconds: float
    before: float
    after: float


_AGAIN: Final = """
    UPDATE rewards_delivery SET status = 'pending', sent_at = NULL, reply = '', attempts = 0, next_at = now()
    WHERE run_id = %s AND status = 'sent'"""
_MEMORY_GOAL: Final = 1.3
_WARM_UP_SECONDS: Final = 0.01


@row("sending", "Sending, mails per second to one mail server")
def measure_sending(sizes: Sizes) -> Iterator[Result]:
    """One worker and two against one bare loop, in turn; and what a worker holds after its turn against before."""
    open_shop()
    fill(sizes.customers * 5, 1)
    with connection.cursor() as cursor:
        for statement in READERS:
            cursor.execute(statement)
    tidy()
    run = start_run(offer=active_offer(), by=None)
    assert plan_run(run_id=run.pk)
    readers, text, html = _by_hand(run)
    bare, one, two, held, bare_ms, ours_ms = [], [], [], [], [], []
    with sink() as address:
        settings.EMAIL_HOST, settings.EMAIL_PORT = address
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = ""
        settings.BASE_URL = "http://127.0.0.1"
        for _round in range(sizes.rounds):
            by_hand = partial(send_by_hand, address, readers, text=text, html=html)
            turns = _together(1, by_hand, sizes.seconds)
            bare.append(_rate(turns))
            bare_ms.append(_processor_ms(turns))
            for workers, rates in ((1, one), (2, two)):
                _begin_again(run)
                turns = _together(workers, partial(_send, run.pk), sizes.seconds)
                rates.append(_rate(turns))
                held += [turn.after / turn.before for turn in turns]
                memory = max(turn.after for turn in turns)
                if workers == 1:
                    ours_ms.append(_processor_ms(turns))
    yield _result("one worker against the bare loop", one, bare, Goal(0.7))
    yield _result("two workers against the bare loop", two, bare, Goal(1.3))
    yield _result("two workers against one", two, one, None)
    yield _result("processor time of a mail, its own process alone", ours_ms, bare_ms, None, unit="ms")
    yield Result(
        row="sending",
        what="memory of a worker after a turn, against before",
        ours=memory,
        bare=memory / max(held),
        unit="MB",
        ratio=max(held),
        goal=Goal(_MEMORY_GOAL, at_least=False),
    )


def _by_hand(run: Run) -> tuple[list[dict[str, str]], str, str]:
    """The same readers, and the same letter as sources of templates with the reader's own in braces."""
    own = ("first_name", "points", "code", "agreed_on", "unsubscribe", "page", "settings")
    context: dict[str, Any] = {name: "{{ %s }}" % name for name in own}  # noqa: UP031 - braces are doubled otherwise
    context |= {
        "language": "en",
        "sender_name": "Rudzi",
        "postal_address": "Parauga iela 1",
        "heading": "Hello, {{ first_name }}",
        "paragraphs": ["Come by soon."],
        "benefit": "€3 off",
        "valid": "1–14 July 2026",
        "good_through": "14 July 2026",
    }
    text, html = render_to_string("emails/offer.txt", context), render_to_string("emails/offer.mjml", context)
    rows = run.deliveries.order_by("pk").values_list("address", "values__first_name", "values__code")
    page = "http://127.0.0.1/me/"
    readers = [
        {"email": email, "first_name": name, "points": "12 points", "code": code, "agreed_on": "1 July 2026",
         "unsubscribe": page + code, "page": page + code, "settings": page + code}
        for email, name, code in rows
    ]  # fmt: skip
    return readers, text, mrml.to_html(html).content


def _begin_again(run: Run) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_AGAIN, [run.pk])
    Run.objects.filter(pk=run.pk).update(status="sending", finished_at=None)
    tidy("rewards_delivery", "customers_unsubscribetoken", "customers_pagelink")


def _send(run_id: int, *, seconds: float) -> int:
    return send_batch(run_id=run_id, budget_seconds=seconds).sent


def _together(count: int, work: Callable[..., int], seconds: float) -> list[Turn]:
    """Do it in so many processes at once: how many each sent, in how many seconds, its memory before and after."""
    context = multiprocessing.get_context("fork")
    answers: Any = context.Queue()
    connections.close_all()
    processes = [context.Process(target=_turn, args=(work, seconds, answers), daemon=True) for _number in range(count)]
    for process in processes:
        process.start()
    turns = [answers.get() for _process in processes]
    for process in processes:
        process.join()
    return turns


def _turn(work: Callable[..., int], seconds: float, answers: Any) -> None:
    work(seconds=_WARM_UP_SECONDS)
    before, began, used = _megabytes(), time.perf_counter(), time.process_time()
    sent = work(seconds=seconds)
    answers.put(Turn(sent, time.perf_counter() - began, time.process_time() - used, before, _megabytes()))
    connections.close_all()


def _megabytes() -> float:
    return float(psutil.Process().memory_info().rss) / 1_000_000


def _rate(turns: list[Turn]) -> float:
    """Mails per second of all together, over the time of the slowest."""
    return sum(turn.sent for turn in turns) / max(turn.seconds for turn in turns)


def _processor_ms(turns: list[Turn]) -> float:
    """Processor time of one mail, in milliseconds."""
    return 1_000 * sum(turn.processor_seconds for turn in turns) / max(sum(turn.sent for turn in turns), 1)


def _result(what: str, ours: list[float], bare: list[float], goal: Goal | None, *, unit: str = "per s") -> Result:
    return Result(
        row="sending",
        what=what,
        ours=statistics.median(ours),
        bare=statistics.median(bare),
        unit=unit,
        ratio=statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True)),
        goal=goal,
    )

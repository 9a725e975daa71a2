"""Sending hostile requests and keeping what was wrong with the answers for the end."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Final

from django.db import transaction
from django.test import Client

from loyaltycrm.tests.hostile import OWN_HEADER, RAN, RAW_MARKS
from loyaltycrm.tests.shop_at_rest import ShopAtRest

# That somebody looked is written down where that is of interest, and that lists were taken away, and what was added up
# for the page is kept for the next; and when a key of the API was last used.
_LOOKING: Final = frozenset(
    {"core_auditevent", "core_keptanswer", "customers_segmentcount", "customers_summedvisits", "customers_visitsums"}
)
_ASKING: Final = frozenset({"core_apikey"})
# What no row may hold, as PostgreSQL writes it.
_NOWHERE: Final = r"[\u0080-\u009f\u2028\u2029\ufdd0\ufffe\uffff]"


class Siege:
    """Sends one hostile request after the other, takes back what each did, and keeps what was wrong for the end."""

    def __init__(self, declared: Collection[int]) -> None:
        self.declared = declared
        self.at_rest = ShopAtRest()
        self.wrong: list[str] = []

    def send(self, client: Client, what: str, method: str, path: str, **asked: Any) -> int:
        """The status; whatever else is wrong with the answer is kept. The reader's cookies stay as they were."""
        cookies = deepcopy(client.cookies)
        try:
            with transaction.atomic():
                status = self._send(client, what, method, path, **asked)
                transaction.set_rollback(True)
        except Exception as error:  # noqa: BLE001 - whatever a view raises is what this looks for
            self.wrong.append(f"{what}: {method} {path}: {type(error).__name__}: {str(error)[:200]}")
            status = 500
        client.cookies = cookies
        return status

    def _send(self, client: Client, what: str, method: str, path: str, **asked: Any) -> int:
        answer: Any = client.generic(method, path, **asked)
        status = int(answer.status_code)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        problems = []
        if status not in self.declared:
            problems.append(f"answers {status}")
        if OWN_HEADER in answer.headers:
            problems.append("made a header")
        if "html" in answer.headers.get("Content-Type", "html") and (raw := _raw(content)):
            problems.append(f"shows {raw} as it came")
        may_change = _ASKING | (_LOOKING if method.upper() == "GET" and status < 400 else frozenset())
        if _is_refusal(method, answer):
            if changed := set(self.at_rest.changed()) - may_change:
                problems.append(f"is refused ({status}) and changes {', '.join(changed)}")
        elif kept := self.at_rest.holding(_NOWHERE):
            problems.append(f"stores what cannot be seen in {', '.join(kept)}")
        self.wrong += [f"{what}: {method} {path}: {problem}" for problem in problems]
        return status


def _raw(content: bytes) -> list[str]:
    text = content.decode("utf-8", "replace").lower()
    found = [mark for mark in RAW_MARKS if mark in text]
    # An address that a person may press. Said as text it does no harm.
    found = [
        mark for mark in found if "javascript" not in mark or re.search(rf'(href|action|src)="{re.escape(mark)}', text)
    ]
    return [*found, *(printed for printed in RAN if printed in text)]


def _is_refusal(method: str, answer: Any) -> bool:
    return method != "POST" or answer.status_code >= 400 or _has_mistakes(answer)


def _has_mistakes(answer: Any) -> bool:
    return answer.status_code == 200 and not answer.streaming and b'aria-invalid="true"' in answer.content


@contextmanager
def quiet() -> Iterator[None]:
    """Thousands of requests and no line of log for any of them."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)

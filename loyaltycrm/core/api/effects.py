"""Requests that change something: once per Idempotency-Key, the record in the transaction of the effect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from pydantic import BaseModel

from loyaltycrm.core.actions.audit import through_api_key
from loyaltycrm.core.actions.idempotency import once_in_transaction
from loyaltycrm.core.api.errors import ApiError, ErrorAnswer
from loyaltycrm.core.api.keys import key_of
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.kept_queries import Question
from loyaltycrm.lib.transactions import atomic_with_retry

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,80}")
_ERRORS: Final = (400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 503)

# What an operation that changes something adds to the schema.
NEEDS_KEY: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": KEY_HEADER,
            "in": "header",
            "required": True,
            "description": "A text of your own for this change, for example a UUID. Send a retry with the same one.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 80, "pattern": "^[!-~]{1,80}$"},
        }
    ]
}


def answers(model: Any, status: int = 200) -> dict[int, Any]:
    """What an operation may answer: the model, or any refusal in the one shape."""
    return {status: model} | dict.fromkeys(_ERRORS, ErrorAnswer)


def idempotency_key(request: HttpRequest) -> str:
    """The request's key. Raises `ApiError` where there is none, or none that can be."""
    key = request.headers.get(KEY_HEADER, "")
    if not key:
        words = _("The request came without its Idempotency-Key. Ask whoever looks after the till.")
        raise ApiError(400, "idempotency_key_missing", words)
    if not _KEY.fullmatch(key):
        words = _("The Idempotency-Key has to be 1 to 80 letters, digits and signs.")
        raise ApiError(400, "idempotency_key_malformed", words)
    return key


def once_per_key(
    request: HttpRequest,
    sent: BaseModel,
    produce: Callable[[str], BaseModel],
    *,
    status: int = 200,
    asked: Question[Any] | None = None,
) -> HttpResponse:
    """Do what `produce` does, once per key, and answer the same with every retry.

    `produce` gets a reference unique to this key; what it begins with may be `asked` with the key. A refusal changes
    nothing and is not kept: the same request asked again is judged again. Raises `InFlight` and `KeyReused` as `once`
    does.
    """
    key, own = key_of(request), idempotency_key(request)
    # Without defaults, so that a field that is new since does not make another request of a retry.
    body = sent.model_dump(mode="json", exclude_defaults=True)
    content = {"method": request.method, "path": request.path, "body": body}
    is_new: list[bool] = []

    def effect() -> dict[str, Any]:
        is_new.append(True)
        body = produce(f"api:{key.pk}:{own}").model_dump(mode="json")
        crash_point("api.done")
        return {"status": status, "body": body}

    @atomic_with_retry
    def run() -> dict[str, Any]:
        is_new.clear()
        answer = once_in_transaction(
            scope=f"api:{key.pk}", key=own, content=content, produce=effect, waits=False, asked=asked
        )
        crash_point("api.kept")
        return answer

    with through_api_key(key.pk):
        kept = run()
    crash_point("api.committed")
    text = json.dumps(kept["body"], sort_keys=True, ensure_ascii=False)
    response = HttpResponse(text, status=kept["status"], content_type="application/json; charset=utf-8")
    if not is_new:
        response[REPLAYED_HEADER] = "true"
    return response

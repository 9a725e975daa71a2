"""A site that dies while it answers a till: `python -m loyaltycrm.shop.tests.dying_till`.

It reads one JSON object a line (`secret`, `body`, `key`, `crash_at`) and forks for each: the child sends the visit
through the application and is killed (9) at that point, or ends by itself where it never comes there. Exit codes go to
the output. `statement#3` is the point before the third statement of the request.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import django


def send(secret: str, body: dict[str, Any], key: str, crash_at: str) -> None:
    """Send the visit and die at that point."""
    from django.db import connection

    from loyaltycrm.lib.faults import crash_point
    from loyaltycrm.shop.tests.tills import Till

    os.environ["CRASH_AT"] = crash_at

    def counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        crash_point("statement")
        return execute(sql, params, many, context)

    till = Till(secret)
    till.client.defaults["SERVER_NAME"] = "localhost"
    with connection.execute_wrapper(counted):
        answer = till.post("/visits", body, key=key)
    os._exit(0 if answer.status_code == 201 else 1)


def load_everything() -> None:
    """Answer a stranger, which takes no connection to the database: no child has to load the site for itself."""
    from django.db import connection
    from django.test import Client

    answer = Client(SERVER_NAME="localhost").get("/api/v1/health")
    if answer.status_code != 401 or connection.connection is not None:
        raise RuntimeError("A connection would be shared with the children.")


def main() -> None:
    django.setup()
    load_everything()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            send(**json.loads(line))
        _child, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

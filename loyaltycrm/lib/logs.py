"""Keeping secrets in addresses out of the logs."""

import logging
import re
from typing import Final

_SECRET_ADDRESS: Final = re.compile(r"(?P<page>/(?:u|s|me|accounts/password/reset/key)/)[^/\s\"'?]+")


def without_secrets(text: str) -> str:
    """The text with the token of every secret address replaced: /u/… instead of /u/Zk3…."""
    return _SECRET_ADDRESS.sub(r"\g<page>…", text)


class HideSecrets(logging.Filter):
    """Rewrite each log line that names the address of a page behind a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, str):
            line = record.getMessage()
            hidden = without_secrets(line)
            if hidden != line:
                record.msg, record.args = hidden, None
        return True

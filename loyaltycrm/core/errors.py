"""What an action raises when it refuses: a sentence that a person can act on."""

from typing import Any, ClassVar


class Refused(Exception):
    """The action was refused and nothing changed. `message` says what to do, in the reader's language.

    `code` is what the API calls it.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, message: Any, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __str__(self) -> str:
        return str(self.message)


class Conflict(Refused):
    """The same reference was used before with other content; the first content stands."""

"""Sentences that are written down and read later, each time in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext as _gettext
from django.utils.translation import ngettext as _ngettext

_BEGINS: Final = '{"words": '


class Words(str):
    """A sentence in the language of now, which knows what it was before it was translated and what stands in it.

    `message` is what it was; of one that counts something, both its forms and how many.
    """

    __slots__ = ("message", "parts")
    message: str | tuple[str, str, int]
    parts: Mapping[str, Any]

    @classmethod
    def of(cls, message: str | tuple[str, str, int], parts: Mapping[str, Any], shown: str) -> Words:
        """The sentence of this message with these parts, which reads `shown` now."""
        words = cls(shown)
        words.message, words.parts = message, parts
        return words

    def __mod__(self, parts: Any) -> str:
        return Words.of(self.message, parts, str(self) % parts)


def gettext(message: str) -> str:
    """Like Django's, and good for `kept`, also after its parts were put in."""
    return Words.of(message, {}, _gettext(message))


def ngettext(one: str, more: str, number: int) -> str:
    """Like Django's, and good for `kept`, also after its parts were put in."""
    return Words.of((one, more, number), {}, _ngettext(one, more, number))


def kept(words: object) -> str:
    """The form in which a sentence is written down; one that was not made here stays in its language."""
    if not isinstance(words, Words):
        return str(words)
    parts = {name: part if isinstance(part, int) else kept(part) for name, part in words.parts.items()}
    return json.dumps({"words": words.message, "with": parts}, ensure_ascii=False)


def told(text: str) -> str:
    """What was written down by `kept`, in the language of now; any other text as it is."""
    if not is_kept(text):
        return text
    read = json.loads(text)
    words = _gettext(read["words"]) if isinstance(read["words"], str) else _ngettext(*read["words"])
    parts = {name: told(part) if isinstance(part, str) else part for name, part in read["with"].items()}
    return words % parts if parts else words


def is_kept(text: str) -> bool:
    """Whether a text can be told in any language."""
    return text.startswith(_BEGINS)

"""Texts that managers write in several languages, kept as {language code: text}."""

from collections.abc import Mapping

from django.utils.translation import get_language


def pick(texts: Mapping[str, str], language: str | None = None) -> str:
    """The text in the language (default: the reader's), else in English, else the first there is, else blank."""
    code = (language or get_language() or "en")[:2]
    return texts.get(code) or texts.get("en") or next((text for text in texts.values() if text), "")

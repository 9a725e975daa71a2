"""Addresses, phones and card numbers in the one form in which they are compared."""

import re
import unicodedata

import phonenumbers

_PHONE_TEXT = re.compile(r"\+?[0-9()./\-\u2010-\u2015 \u00a0]{5,40}")
_BLANKS_AND_HYPHENS = re.compile(r"[\s\-‐-―]+")


def email_key(address: str) -> str:
    """The form in which two email addresses are the same: NFKC, casefolded, without blanks around it."""
    return unicodedata.normalize("NFKC", address).strip().casefold()


def card_key(number: str) -> str:
    """A card or customer number as a scanner reads it: no blanks, no hyphens, capital letters."""
    return _BLANKS_AND_HYPHENS.sub("", unicodedata.normalize("NFKC", number)).upper()


def shown_card(key: str) -> str:
    """A card number as it is printed: digits in groups of four."""
    if not (key.isascii() and key.isdecimal() and len(key) > 4):
        return key
    return " ".join(key[start : start + 4] for start in range(0, len(key), 4))


def phone_key(text: str, *, country: str = "") -> str:
    """A phone number in E.164, for example "+37126124821"; blank when the text is not a phone number.

    Numbers without a country code are read as numbers of `country` (ISO 3166, two letters). A number counts that
    libphonenumber holds possible: numbers set aside for fiction do.
    """
    text = text.strip()
    if not _PHONE_TEXT.fullmatch(text):
        return ""
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def shown_phone(key: str) -> str:
    """A phone in E.164 with the blanks that people of its country write: "+371 26 124 821"."""
    try:
        number = phonenumbers.parse(key)
    except phonenumbers.NumberParseException:
        return key
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def hidden_email(address: str) -> str:
    """An address on a screen that others can see: its first letter, and neither name nor domain."""
    return f"{address[:1]}•••@…" if address else ""

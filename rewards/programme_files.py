"""A version of the programme as a file, to carry it between shops (docs/programme.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext as _

from customers.models import Visit
from loyaltycrm.core.models import Company
from rewards.models import ProgrammeDraft, ProgrammeVersion
from rewards.programme_checks import WrongRules, checked_rules
from rewards.programme_remarks import remarks_on

FORMAT: Final = "loyaltycrm programme"
FORMAT_VERSION: Final = 1
LARGEST_BYTES: Final = 2_000_000
NOTE_LENGTH: Final = 200
_KNOWN: Final = ("format", "format_version", "currency", "note", "rules")


@dataclass(frozen=True, slots=True)
class ProgrammeFile:
    """What a file says: checked rules, a note, and remarks on what to look at before it is used.

    A draft of the rules shows those `on_rules` by itself.
    """

    rules: dict[str, Any]
    note: str
    on_rules: list[str] = field(default_factory=list)
    on_file: list[str] = field(default_factory=list)


def programme_as_text(shown: ProgrammeVersion | ProgrammeDraft, *, currency: str) -> str:
    """The file of a version or a draft: JSON in UTF-8, the same text for the same rules."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "currency": currency,
        "note": shown.note,
        "rules": checked_rules(shown.rules),
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def read_programme(data: bytes) -> ProgrammeFile:
    """What a file says. Raises `WrongRules` with every mistake, each with its path in the file."""
    document = _document(data)
    problems = [(name, _("Is not known here. Leave it out.")) for name in document if name not in _KNOWN]
    if document.get("format") != FORMAT:
        problems.append(("format", _("Write “%(format)s”.") % {"format": FORMAT}))
    if document.get("format_version") != FORMAT_VERSION or isinstance(document.get("format_version"), bool):
        problems.append(("format_version", _("This version of the program reads %(version)s.") % {"version": 1}))
    company = Company.current()
    currency, note = document.get("currency"), document.get("note", "")
    if not isinstance(currency, str) or len(currency) != 3 or not (currency.isascii() and currency.isupper()):
        problems.append(("currency", _("Write the three letters of the currency, such as EUR.")))
    elif currency != company.currency and Visit.objects.exists():
        problems.append(
            (
                "currency",
                _("The amounts are in %(currency)s, this shop's are in %(own)s. Convert them.")
                % {"currency": currency, "own": company.currency},
            )
        )
    if not isinstance(note, str) or len(note) > NOTE_LENGTH or not note.isprintable():
        problems.append(("note", _("Write at most %(count)s characters on one line.") % {"count": NOTE_LENGTH}))
    rules: dict[str, Any] = {}
    try:
        rules = checked_rules(document.get("rules", {}))
    except WrongRules as wrong:
        problems += [(_below_rules(path), text) for path, text in wrong.problems]
    if problems:
        raise WrongRules(problems)
    on_file = []
    if currency != company.currency:
        on_file.append(
            _("The amounts are in %(currency)s; this shop's currency is %(own)s until its first visits say otherwise.")
            % {"currency": currency, "own": company.currency}
        )
    return ProgrammeFile(rules, " ".join(str(note).split()), remarks_on(rules), on_file)


def _below_rules(path: str) -> str:
    return f"rules.{path}" if path and not path.startswith("[") else f"rules{path}"


def _document(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST_BYTES:
        raise WrongRules([("", _("The file is larger than any programme. Choose another one."))])
    try:
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_each_name_once, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise WrongRules([("", _("The file is not written in UTF-8. Save it as UTF-8."))]) from error
    except json.JSONDecodeError as error:
        text = _("This is no JSON: line %(line)s, column %(column)s.") % {"line": error.lineno, "column": error.colno}
        raise WrongRules([("", text)]) from error
    except RecursionError as error:
        raise WrongRules([("", _("The file is nested too deeply. Compare it with an exported one."))]) from error
    except ValueError as error:
        text = str(error) if isinstance(error, _Unclear) else _("A number in the file is too long to be read.")
        raise WrongRules([("", text)]) from error
    if not isinstance(document, dict):
        raise WrongRules([("", _("The file does not hold a programme. Compare it with an exported one."))])
    return document


class _Unclear(ValueError):
    """JSON that can be read in more than one way."""


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Unclear(_("“%(name)s” stands twice in one place. Keep one of them.") % {"name": name[:60]})
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise _Unclear(_("%(name)s is no number. Write a number.") % {"name": name})

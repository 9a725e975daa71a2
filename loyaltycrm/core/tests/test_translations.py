"""Latvian and Russian are complete: every text, every plural, and the compiled files that ship."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.utils import translation
from django.utils.dates import MONTHS, MONTHS_3, WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import ngettext

from loyaltycrm.core.knobs import Knob, Unit
from loyaltycrm.core.management.commands.makemessages import IGNORED
from loyaltycrm.core.views.settings import shown_value
from loyaltycrm.lib.formats import NBSP, plural_form
from loyaltycrm.local.checking import production_like

LANGUAGES = [code for code, _name in settings.LANGUAGES if code != "en"]
ROOT = Path(settings.BASE_DIR)
ASKING = {"_", "_lazy", *(f"{kind}gettext{lazy}" for kind in ("", "n", "p", "np") for lazy in ("", "_lazy"))}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|</?\w+>")
Key = tuple[str | None, str, str]


def texts_of(code: str, root: Path = ROOT) -> polib.POFile:
    return polib.pofile(str(root / "loyaltycrm" / "locale" / code / "LC_MESSAGES" / "django.po"))


def keys(texts: polib.POFile) -> set[Key]:
    return {(entry.msgctxt, entry.msgid, entry.msgid_plural) for entry in texts}


def forms(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def placeholders(text: str) -> list[str]:
    return sorted(set(PLACEHOLDER.findall(text)))


@pytest.fixture(scope="module", params=LANGUAGES)
def code(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def texts(code: str) -> polib.POFile:
    return texts_of(code)


def test_every_text_is_translated_and_none_is_guessed(texts: polib.POFile) -> None:
    assert len(texts) > 1000
    assert [entry.msgid for entry in texts if entry.obsolete or entry.fuzzy or not all(forms(entry))] == []
    assert not texts.metadata_is_fuzzy


def test_every_plural_has_its_three_forms(texts: polib.POFile) -> None:
    plurals = [entry for entry in texts if entry.msgid_plural]
    assert len(plurals) > 30
    assert [entry.msgid for entry in plurals if sorted(entry.msgstr_plural) != [0, 1, 2]] == []
    assert texts.metadata["Plural-Forms"].startswith("nplurals=3;")


def test_what_is_filled_in_and_marked_up_stays_the_same(texts: polib.POFile) -> None:
    wrong = [
        (entry.msgid, form)
        for entry in texts
        for form in forms(entry)
        if placeholders(form) != placeholders(entry.msgid_plural or entry.msgid)
    ]
    assert wrong == []


def test_nothing_is_shouted_and_no_space_is_lost(texts: polib.POFile) -> None:
    edges = re.compile(r"^\s*|\s*$")
    wrong = [
        (entry.msgid, form)
        for entry in texts
        for form in forms(entry)
        if "!" in form or edges.findall(form) != edges.findall(entry.msgid)
    ]
    assert wrong == []


def test_no_text_of_ours_stands_in_the_way_of_a_name_in_the_calendar(texts: polib.POFile) -> None:
    """The framework translates months and weekdays; a text of ours that reads the same (may) would replace theirs."""
    names = [*MONTHS.values(), *MONTHS_3.values(), *WEEKDAYS.values(), *WEEKDAYS_ABBR.values()]
    with translation.override("en"):
        taken = {str(name) for name in names} | {str(name).capitalize() for name in names}
    assert [entry.msgid for entry in texts if entry.msgctxt is None and entry.msgid in taken] == []


def test_what_ships_compiled_is_what_the_source_says(code: str, texts: polib.POFile) -> None:
    compiled = polib.mofile(str(ROOT / "loyaltycrm" / "locale" / code / "LC_MESSAGES" / "django.mo"))
    shipped = {(entry.msgctxt, entry.msgid, entry.msgid_plural): forms(entry) for entry in compiled}
    assert shipped == {(entry.msgctxt, entry.msgid, entry.msgid_plural): forms(entry) for entry in texts}
    assert compiled.metadata["Plural-Forms"] == texts.metadata["Plural-Forms"]


@pytest.mark.parametrize(
    ("code", "count", "shown"),
    [
        ("en", 0, "0 days"),
        ("en", 1, "1 day"),
        ("en", 2, "2 days"),
        ("en", 5, "5 days"),
        ("en", 11, "11 days"),
        ("en", 21, "21 days"),
        ("en", 221, "221 days"),
        ("lv", 0, "0 dienu"),
        ("lv", 1, "1 diena"),
        ("lv", 2, "2 dienas"),
        ("lv", 5, "5 dienas"),
        ("lv", 11, "11 dienu"),
        ("lv", 21, "21 diena"),
        ("lv", 221, "221 diena"),
        ("ru", 0, "0 дней"),
        ("ru", 1, "1 день"),
        ("ru", 2, "2 дня"),
        ("ru", 5, "5 дней"),
        ("ru", 11, "11 дней"),
        ("ru", 21, "21 день"),
        ("ru", 221, "221 день"),
    ],
)
def test_counted_words_follow_their_number(code: str, count: int, shown: str) -> None:
    with translation.override(code):
        assert ngettext("%(count)s day", "%(count)s days", count) % {"count": count} == shown


@pytest.mark.parametrize(
    ("code", "unit", "value", "shown"),
    [
        ("en", "months", 1, "1 month"),
        ("en", "months", 12, "12 months"),
        ("en", "%", 90, "90%"),
        ("lv", "points", 1000, "1 000 punktu"),
        ("lv", "%", 90, "90 %"),
        ("lv", "minutes", 15, "15 minūšu"),
        ("ru", "visits", 31, "31 визит"),
        ("ru", "attempts", 6, "6 попыток"),
    ],
)
def test_a_setting_is_shown_with_the_word_that_follows_its_number(
    code: str, unit: Unit, value: int, shown: str
) -> None:
    knob = Knob("tests.some", 1, label="Some", help="", unit=unit)
    with translation.override(code):
        assert shown_value(knob, value).replace(NBSP, " ") == shown


def test_the_plural_rule_of_the_texts_is_that_of_the_formats() -> None:
    order = {"lv": ("one", "two", "zero"), "ru": ("one", "two", "five")}
    for language, names in order.items():
        days = {entry.msgid: entry for entry in texts_of(language)}["%(count)s day"].msgstr_plural
        with translation.override(language):
            for count in range(1200):
                expected = days[names.index(plural_form(count, language))]
                assert ngettext("%(count)s day", "%(count)s days", count) == expected, (language, count)


def test_no_text_stands_inside_an_f_string() -> None:
    """There `make texts` does not find it."""
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for app in ("customers", "feedback", "loyaltycrm", "rewards")
        for path in sorted((ROOT / app).rglob("*.py"))
        if "tests" not in path.parts
        for string in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ASKING
    ]
    assert found == []


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="gettext is not installed")
def test_every_text_of_the_code_has_been_collected(tmp_path: Path) -> None:
    """Collected again from a copy, without what was collected before; `make texts` brings the files up to date."""
    unneeded = shutil.ignore_patterns(".*", "__pycache__", "docs", "locale", "static", "tests", *IGNORED)
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=unneeded)
    (copy / "static").mkdir()
    (copy / "loyaltycrm" / "locale").mkdir()
    collected = subprocess.run(
        [sys.executable, "manage.py", "makemessages", "--locale", "lv"],
        cwd=copy,
        env={**os.environ, **production_like()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert collected.returncode == 0, collected.stderr
    found = keys(texts_of("lv", copy))
    assert len(found) > 1000
    for language in LANGUAGES:
        known = keys(texts_of(language))
        assert found - known == set(), f"not in {language} yet"
        assert known - found == set(), f"no longer in the code, still in {language}"

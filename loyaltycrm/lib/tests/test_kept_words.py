"""Sentences that are written down once and read in every language."""

import pytest
from django.utils.translation import override

from loyaltycrm.lib.cells import BadCell, one_of
from loyaltycrm.lib.kept_words import gettext, is_kept, kept, ngettext, told


def test_a_sentence_is_kept_in_no_language() -> None:
    with override("lv"):
        here = gettext("Is blank. Fill it in.")
        written = kept(here)
    assert here == "Ir tukšs. Aizpildiet."
    assert is_kept(written)
    assert told(written) == "Is blank. Fill it in."
    with override("ru"):
        assert told(written) == "Пусто. Заполните."


def test_what_stands_in_it_is_kept_with_it() -> None:
    with pytest.raises(BadCell) as bad, override("lv"):
        one_of("card", 'c"a%sh')("coin")
    assert told(kept(bad.value.args[0])) == 'Is none of card, c"a%sh. Write one of them.'
    with override("lv"):
        assert told(kept(bad.value.args[0])) == str(bad.value)


@pytest.mark.parametrize(("number", "english"), [(1, "1 day"), (2, "2 days"), (21, "21 days")])
def test_a_number_has_the_form_of_the_readers_language(number: int, english: str) -> None:
    """In Russian 21 has the form of 1."""
    with override("lv"):
        written = kept(ngettext("%(count)s day", "%(count)s days", number) % {"count": number})
    assert told(written) == english
    with override("ru"):
        assert told(written) == {1: "1 день", 2: "2 дня", 21: "21 день"}[number]


@pytest.mark.parametrize("text", ["", "Trūkst klienta", '{"words"', "{}", "100 %"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert told(kept(text)) == text

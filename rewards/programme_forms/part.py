"""What the forms of all parts share."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin
from rewards.programme_checks import WrongRules

CODES = [code for code, _name in settings.LANGUAGES]
NAME_LABELS = {"en": _("Name in English"), "lv": _("Name in Latvian"), "ru": _("Name in Russian")}
LARGEST_REVISION = 2_000_000_000
Words = str | Promise


class PartForm(DeskFormMixin, forms.Form):
    """One part of a draft. `groups` are its panels: a heading and the fields below it.

    `initial_of(rules)` is what its fields show of a whole set of rules, `rules_after(rules)` the whole set with what
    was typed in its place. The schema has the last word: `refuse` shows its mistakes at their fields.
    """

    title: ClassVar[Words]
    groups: ClassVar[Sequence[tuple[Words, Sequence[str]]]]
    purpose = _("To save this part")
    submit_label = _("Save this part")

    revision = forms.IntegerField(min_value=1, max_value=LARGEST_REVISION, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, rules: Mapping[str, Any], revision: int, **kwargs: Any) -> None:
        self.rules = rules
        initial = {"revision": revision, **self.initial_of(rules)}
        super().__init__(data, initial=initial, **kwargs)
        self.order_fields([name for _title, names in self.groups for name in names])

    def initial_of(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def apply(self, rules: dict[str, Any]) -> None:
        """Put what was typed into the rules."""
        raise NotImplementedError

    def rules_after(self) -> dict[str, Any]:
        """The whole rules with this part as it was typed."""
        changed = copy.deepcopy(dict(self.rules))
        self.apply(changed)
        return changed

    @property
    def panels(self) -> list[tuple[Words, list[BoundField]]]:
        """The headings and fields of the page, in order."""
        return [(title, [self[name] for name in names if name in self.fields]) for title, names in self.groups]

    def field_of(self, path: str) -> str | None:
        """The field that a mistake at this path of the rules belongs to."""
        name = path.rpartition(".")[2]
        return name if name in self.fields else None

    def refuse(self, refusal: Refused) -> None:
        """Show why the rules are refused, each mistake at its field."""
        if not isinstance(refusal, WrongRules):
            super().refuse(refusal)
            return
        for path, text in refusal.problems:
            self.add_error(self.field_of(path), ValidationError(text))


def choice(label: Any, choices: Sequence[tuple[str, Words]], **kwargs: Any) -> forms.ChoiceField:
    """One of a few, all of them seen at once."""
    return forms.ChoiceField(label=label, choices=choices, widget=forms.RadioSelect, **kwargs)


def several(label: Any, choices: Sequence[tuple[Any, Words]], **kwargs: Any) -> forms.TypedMultipleChoiceField:
    """Any of a few; none means all."""
    return forms.TypedMultipleChoiceField(
        label=label, choices=choices, required=False, widget=forms.CheckboxSelectMultiple, **kwargs
    )


def name_fields(maximum: int = 120) -> dict[str, forms.CharField]:
    """A name in each language."""
    return {
        f"name_{code}": forms.CharField(
            label=NAME_LABELS[code], max_length=maximum, widget=forms.TextInput(attrs={"lang": code})
        )
        for code in CODES
    }


def names_typed(cleaned: Mapping[str, Any], prefix: str = "name") -> dict[str, str]:
    """The names by language as they were typed, those left blank left out."""
    return {code: cleaned[f"{prefix}_{code}"] for code in CODES if cleaned.get(f"{prefix}_{code}")}

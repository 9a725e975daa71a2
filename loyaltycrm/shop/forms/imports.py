"""The forms of imports: which file, and how it is read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin
from loyaltycrm.core.imports import Manner, Shape
from loyaltycrm.core.imports.facts import label_of
from loyaltycrm.core.imports.manner import Dates, Decimals
from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import allowed
from loyaltycrm.lib.rows import RETURNED_COLUMNS, Table
from loyaltycrm.lib.sheets import XLSX
from loyaltycrm.shop.actions.import_kinds import KINDS
from rewards.models import Partner

LONGEST_NAME = 200
LETTERS = [
    ("utf-8", _("All alphabets (UTF-8)")),
    ("cp1251", _("Russian (cp1251)")),
    ("cp1257", _("Baltic (cp1257)")),
]


def _megabytes() -> str:
    return str(settings.IMPORT_LARGEST_MB)


_largest = lazy(_megabytes, str)


class SendForm(DeskFormMixin, forms.Form):
    """A file and what it holds."""

    purpose = _("To send this file")
    submit_label = _("Send file")

    kind = forms.ChoiceField(label=_("What does the file hold?"))
    partner = forms.ModelChoiceField(
        Partner.objects.none(), label=_("Partner"), required=False, help_text=_("Only for a partner's file.")
    )
    file = forms.FileField(
        label=_("File"),
        help_text=format_lazy(
            _("A table with a header row: CSV with commas, semicolons or tabs, or XLSX. At most {megabytes} MB."),
            megabytes=_largest(),
        ),
        max_length=LONGEST_NAME,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx"}),
        error_messages={
            "empty": _("The file is empty. Choose another one."),
            "max_length": _("The file's name is too long. Shorten it."),
        },
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed_kinds = [kind for kind in KINDS.values() if allowed(by, kind.needed)]
        self.fields["kind"].choices = [("", "…"), *((kind.key, kind.label) for kind in allowed_kinds)]  # type: ignore[attr-defined]
        if any(kind.key == "partner" for kind in allowed_kinds) and Partner.objects.exists():
            self.fields["partner"].queryset = Partner.objects.order_by("name", "pk")  # type: ignore[attr-defined]
        else:
            del self.fields["partner"]

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.IMPORT_LARGEST_MB * 1_000_000:
            raise ValidationError(
                _now("The file is larger than %(megabytes)s MB. Divide it, or import it by the command line.")
                % {"megabytes": settings.IMPORT_LARGEST_MB}
            )
        return file

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("kind") == "partner" and not cleaned.get("partner"):
            self.add_error("partner" if "partner" in self.fields else None, _now("Choose the partner of this file."))
        return cleaned

    @property
    def of(self) -> str:
        """What narrows the kind."""
        is_partners = self.cleaned_data["kind"] == "partner"
        return str(self.cleaned_data["partner"].code) if is_partners else ""


class ColumnsForm(DeskFormMixin, forms.Form):
    """How a file is read: a choice for each column of its header, and what cannot be told from the file itself."""

    purpose = _("To read this file")
    submit_label = _("Check this file")

    encoding = forms.ChoiceField(choices=LETTERS, required=False, widget=forms.HiddenInput)
    dates = forms.ChoiceField(
        label=_("Days"),
        required=False,
        choices=[
            (Dates.PLAIN.value, _("2026-07-14 or 14.07.2026")),
            (Dates.DAY_FIRST.value, _("14/07/2026, the day first")),
            (Dates.MONTH_FIRST.value, _("07/14/2026, the month first")),
        ],
    )
    decimals = forms.ChoiceField(
        label=_("Amounts"),
        required=False,
        choices=[
            (Decimals.EITHER.value, _("24.90 or 24,90, without groups")),
            (Decimals.COMMA.value, _("1.024,90 or 1 024,90")),
            (Decimals.POINT.value, _("1,024.90 or 1 024.90")),
        ],
    )

    def __init__(self, *args: Any, table: Table, shape: Shape, manner: Manner, **kwargs: Any) -> None:
        self.table, self.shape = table, shape
        super().__init__(*args, **kwargs)
        self.fields["encoding"].initial = table.encoding
        self.fields["dates"].initial = manner.dates.value
        self.fields["decimals"].initial = manner.decimals.value
        if table.encoding == XLSX:
            del self.fields["encoding"]
        choices = [("", _("Leave out")), *((name, label_of(name)) for name in shape.cells)]
        self._of_column: dict[str, str] = {}
        for index, name in enumerate(table.columns):
            if name in self._of_column.values() or (table.was_returned and name in RETURNED_COLUMNS):
                continue
            field = f"column_{index}"
            self._of_column[field] = name
            self.fields[field] = forms.ChoiceField(
                label=table.header[index] or _("(without a name)"),
                choices=choices,
                required=False,
                initial=manner.columns.get(name, ""),
                error_messages={"invalid_choice": _("Choose one of the options shown")},
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        meant = [(field, cleaned.get(field)) for field in self._of_column if cleaned.get(field)]
        taken: dict[str, str] = {}
        for field, fact in meant:
            if fact in taken:
                self.add_error(
                    field,
                    _now("%(column)s is chosen twice. Choose it for one column and leave the other out.")
                    % {"column": label_of(str(fact))},
                )
            taken.setdefault(str(fact), field)
        if missing := self._missing(taken):
            self.add_error(None, missing)
        return cleaned

    def _missing(self, taken: Collection[str]) -> str:
        """What is to be chosen beside these facts; blank where nothing is."""
        missing = [label_of(name) for name in self.shape.required if name not in taken]
        return _now("Choose the columns that hold: %(columns)s") % {"columns": ", ".join(missing)} if missing else ""

    @property
    def still_missing(self) -> str:
        """What nobody could guess and the file needs, before anything was sent; blank where nothing is."""
        return "" if self.is_bound else self._missing([self.fields[name].initial for name in self._of_column])

    def manner(self) -> Manner:
        """How the file is to be read, as chosen."""
        cleaned = self.cleaned_data
        encoding = cleaned.get("encoding") or (None if self.table.encoding == XLSX else self.table.encoding)
        return Manner(
            encoding=encoding,
            columns={name: cleaned.get(field) or "" for field, name in self._of_column.items()},
            dates=Dates(cleaned.get("dates") or ""),
            decimals=Decimals(cleaned.get("decimals") or ""),
        )

    def refuse_file(self, problem: Exception) -> None:
        """Show why the file cannot be read so."""
        self.refuse(Refused(str(problem)))

    @property
    def column_fields(self) -> list[Any]:
        """The bound fields of the columns, in the file's order."""
        return [self[name] for name in self._of_column]

    @property
    def other_fields(self) -> list[Any]:
        """The bound fields of everything else."""
        return [self[name] for name in ("dates", "decimals")]

"""The form that takes a programme from a file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import DeskFormMixin
from rewards.programme_checks import WrongRules
from rewards.programme_files import LARGEST_BYTES

MOST_MISTAKES_SHOWN = 20


class FileForm(DeskFormMixin, forms.Form):
    """A file as `export_programme` writes it."""

    purpose = _("To read this file")
    submit_label = _("Make a draft of it")

    file = forms.FileField(
        label=_("File of a programme"),
        help_text=_("A JSON file from “Export” here or in another shop. It becomes a draft; nothing changes yet."),
        widget=forms.FileInput(attrs={"accept": ".json,application/json"}),
        error_messages={"empty": _("The file is empty. Choose another one.")},
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_BYTES:
            raise ValidationError(_("The file is larger than any programme. Choose another one."))
        return file

    def refuse_file(self, wrong: WrongRules) -> None:
        """Show what is wrong with the file, each mistake with its place in it."""
        for path, text in wrong.problems[:MOST_MISTAKES_SHOWN]:
            self.add_error("file", ValidationError(f"{path}: {text}" if path else text))

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.fields.json import KeyTransform

from rewards.benefits import as_stored, read_benefit
from rewards.benefits.terms import Terms


class BenefitField(models.JSONField):
    """A column of one benefit: a `Benefit` in Python, its kind and terms as JSON in the row."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """The benefit; a part of it where a query asks for a part."""
        if value is None or isinstance(expression, KeyTransform):
            return super().from_db_value(value, expression, connection)
        return read_benefit(value)

    def get_prep_value(self, value: Any) -> Any:
        """What is stored."""
        return super().get_prep_value(as_stored(value) if isinstance(value, Terms) else value)

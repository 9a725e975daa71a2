"""Working out what customers are expected to bring."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils.translation import gettext as _

from customers.models import ValueFit
from customers.value.bgnbd import NotFitted
from customers.value.fit import FEWEST_WHO_CAME_BACK, ValueModel, fit_model, predictions
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User

_COLUMNS = (
    "customer_id, fit_id, frequency, recency_weeks, age_weeks, chance_active, visits_12_months, spend_12_months_cents"
)


def fit_value(*, as_of: date | None = None, by: User | None = None) -> tuple[ValueFit, ValueModel]:
    """Fit the models to the customers known at the end of a day (default: the company's today) and keep the result.

    Each customer's expected value is replaced, unless a later day was fitted before. Raises `Refused` for a day to
    come and where the data say too little; what stood then stays.
    """
    today = Company.current().today()
    on = as_of or today
    if on > today:
        raise Refused(_("Choose a day up to today."), field="as_of")
    try:
        model = fit_model(on)
    except NotFitted as too_little:
        raise Refused(
            _("Too few customers to say: at least %(number)s must have come back by then.")
            % {"number": FEWEST_WHO_CAME_BACK}
        ) from too_little
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('customers.value', 0))")
        reached = ValueFit.objects.order_by("-as_of").values_list("as_of", flat=True).first()
        fit = ValueFit.objects.create(
            as_of=on,
            parameters=model.parameters,
            customers=model.customers,
            came_back=model.came_back,
            spend_correlation=model.spend_correlation,
            check_result=_check_as_json(model),
            fitted_by=by,
        )
        audit.record("fit value", fit, by=by, data={"as_of": on.isoformat()})
        if reached is None or on >= reached:
            _replace_values(fit, model)
    return fit, model


def _check_as_json(model: ValueModel) -> dict[str, Any] | None:
    if model.check is None:
        return None
    check = asdict(model.check)
    return {**check, "known_on": model.check.known_on.isoformat(), "through": model.check.through.isoformat()}


def _replace_values(fit: ValueFit, model: ValueModel) -> None:
    known = model.known
    expected = predictions(model.purchases, model.spend, known)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM customers_customervalue")
        with cursor.copy(f"COPY customers_customervalue ({_COLUMNS}) FROM STDIN") as copy:
            for number, customer in enumerate(known.customers):
                chance = expected["chance_active"][number]
                copy.write_row(
                    (
                        int(customer),
                        fit.pk,
                        int(known.frequency[number]),
                        float(known.recency[number]),
                        float(known.age[number]),
                        None if np.isnan(chance) else float(chance),
                        float(expected["visits"][number]),
                        round(float(expected["spend"][number]) * 100),
                    )
                )

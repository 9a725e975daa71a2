"""What to look at before rules are used: no mistakes, since an imported history or a purchase may still bring it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db.models import Model, Q
from django.utils.translation import gettext as _

from customers.models import Product
from loyaltycrm.core.models import Company, Store
from loyaltycrm.lib import formats
from rewards.models import Partner
from rewards.parts import folded
from rewards.programme import Programme

_SHOWN: Final = 20
_DAYS_OF_A_YEAR: Final = 366


def remarks_on(rules: Mapping[str, Any], *, starts_on: date | None = None) -> list[str]:
    """Sentences on names that this shop does not have, and on points that would end before they open.

    `rules` are checked ones, `starts_on` the first day of theirs; default: today.
    """
    named: dict[str, set[str]] = {"stores": set(), "categories": set(), "products": set(), "partners": set()}
    for rule in rules["earning"]["rules"]:
        for kind, names in named.items():
            names.update(rule["when"][kind])
    base = rules["earning"]["base"]
    if base["gift_cards"] == "excluded":
        named["categories"].update(base["gift_card_categories"])
    known = {
        "stores": _known(Store, ("code",), named["stores"]),
        "categories": _known(Product, ("category", "department"), named["categories"]),
        "products": set(Product.objects.filter(product_id__in=named["products"]).values_list("product_id", flat=True)),
        "partners": _known(Partner, ("code",), named["partners"]),
    }
    words = {
        "stores": _("Stores that are not known here yet: %(names)s"),
        "categories": _("Categories that are not known here yet: %(names)s"),
        "products": _("Products that are not known here yet: %(names)s"),
        "partners": _("Partners that are not known here yet: %(names)s"),
    }
    missing = {
        kind: {name for name in names if (name if kind == "products" else folded(name)) not in known[kind]}
        for kind, names in named.items()
    }
    found = [words[kind] % {"names": ", ".join(sorted(names)[:_SHOWN])} for kind, names in missing.items() if names]
    ended = _first_that_ends_unopened(rules, starts_on or Company.current().today())
    if ended is not None:
        found.append(
            _("Points of %(day)s would end before they can be used. Let them last longer or wait less.")
            % {"day": formats.short_date(ended)}
        )
    return found


def _known(model: type[Model], columns: Collection[str], names: Collection[str]) -> set[str]:
    """Those of the names that a column holds, as rules compare them."""
    found: set[str] = set()
    for column in columns if names else ():
        asked = reduce(or_, (Q(**{f"{column}__iexact": name.strip()}) for name in names))
        rows = model._default_manager.filter(asked).values_list(column, flat=True)  # noqa: SLF001
        found |= {folded(name) for name in rows.distinct()}
    return found


def _first_that_ends_unopened(rules: Mapping[str, Any], first: date) -> date | None:
    """The first day within a year whose points of visits are last good before they open; None where there is none."""
    programme = Programme(version_id=0, number=0, starts_on=None, rules=rules)
    sources = {"earned"}
    if any(rule.gives.kind == "bonus" for rule in programme.rules.earning.rules):
        sources.add("bonus")
    for number in range(_DAYS_OF_A_YEAR if programme.rules.earning.pending_days else 0):
        day = first + timedelta(days=number)
        opens_on = programme.available_on(day)
        for source in sources:
            last = programme.good_through(day, source)  # type: ignore[arg-type]
            if last is not None and last < opens_on:
                return day
    return None

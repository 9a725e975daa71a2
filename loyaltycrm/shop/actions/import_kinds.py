"""The kinds of file that people send to be imported on a page: what each is read as, and who may send it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.utils.translation import gettext_lazy

from customers.actions.importing import CustomerImport, ProductImport, lines, people, products
from loyaltycrm.core.imports import ImportRun, Shape
from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission
from rewards.actions.importing import OpeningImport, VisitFiles, VisitImport, openings, partners, redemptions, visits
from rewards.actions.partners import partner_named


@dataclass(frozen=True, slots=True)
class ImportKind:
    """One kind of file. `of` in its functions is what narrows it: the code of the partner, blank for all others."""

    key: str
    label: Any
    needed: Permission
    shape: Callable[[str], Shape]
    take: Callable[[ImportRun, Path, str, User], None]


def _visits(run: ImportRun, files: VisitFiles, by: User) -> None:
    brought = VisitImport(run, files)
    brought.adopt_calendar(by=by)
    brought.take(by=by)


_KINDS: Final = (
    ImportKind(
        "customers",
        gettext_lazy("Customers"),
        Permission.IMPORT,
        lambda _of: people.shape(),
        lambda run, path, _of, by: CustomerImport(run, path).take(by=by),
    ),
    ImportKind(
        "receipts",
        gettext_lazy("Receipts and refunds"),
        Permission.IMPORT,
        lambda _of: visits.shape(),
        lambda run, path, _of, by: _visits(run, VisitFiles(purchases=path), by),
    ),
    ImportKind(
        "lines",
        gettext_lazy("Lines of receipts"),
        Permission.IMPORT,
        lambda _of: lines.shape(),
        lambda run, path, _of, by: _visits(run, VisitFiles(lines=path), by),
    ),
    ImportKind(
        "products",
        gettext_lazy("Products"),
        Permission.IMPORT,
        lambda _of: products.SHAPE,
        lambda run, path, _of, by: ProductImport(run, path).take(by=by),
    ),
    ImportKind(
        "balances",
        gettext_lazy("Points that customers had before"),
        Permission.IMPORT_POINTS,
        lambda _of: openings.shape(),
        lambda run, path, _of, by: OpeningImport(run, path).take(by=by),
    ),
    ImportKind(
        "redemptions",
        gettext_lazy("Uses of points"),
        Permission.IMPORT_POINTS,
        lambda _of: redemptions.shape(),
        lambda run, path, _of, by: _visits(run, VisitFiles(redemptions=path), by),
    ),
    ImportKind(
        "partner",
        gettext_lazy("Points earned and used at a partner"),
        Permission.IMPORT_POINTS,
        lambda of: partners.shape(partner_named(of)),
        lambda run, path, of, by: partners.PartnerImport(run, path, partner_named(of)).take(by=by),
    ),
)
KINDS: Final[dict[str, ImportKind]] = {kind.key: kind for kind in _KINDS}

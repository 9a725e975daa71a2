"""A whole shop from a folder of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from customers.actions.importing import CustomerImport, ProductImport
from loyaltycrm.core.imports import ImportRun
from loyaltycrm.core.models import User
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.rows import UnreadableFile
from rewards.actions.importing import OpeningImport, VisitFiles, VisitImport

NOT_YET: Final = ("campaigns.csv", "campaign_targets.csv", "coupons.csv", "coupon_redemptions.csv")


@dataclass(frozen=True, slots=True)
class ShopFolder:
    """The files of a shop's folder that are there."""

    customers: Path | None
    products: Path | None
    balances: Path | None
    purchases: Path | None
    refunds: Path | None
    redemptions: Path | None
    lines: Path | None
    not_imported: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """The files to import."""
        every = (
            self.customers,
            self.products,
            self.balances,
            self.purchases,
            self.refunds,
            self.redemptions,
            self.lines,
        )
        return [path for path in every if path is not None]


def open_folder(folder: Path) -> ShopFolder:
    """See what a folder holds. Raises `UnreadableFile` where there is no folder or nothing in it to import."""

    def there(name: str) -> Path | None:
        return folder / name if (folder / name).exists() else None

    if not folder.is_dir():
        raise UnreadableFile(_("There is no folder %(folder)s. Check its name.") % {"folder": folder})
    found = ShopFolder(
        customers=there("customers.csv"),
        products=there("products.csv"),
        balances=there("balances.csv"),
        purchases=there("purchases.csv"),
        refunds=there("refunds.csv"),
        redemptions=there("points_redemptions.csv"),
        lines=there("purchase_lines.csv"),
        not_imported=tuple(name for name in NOT_YET if (folder / name).exists()),
    )
    if not found.files:
        raise UnreadableFile(
            _("%(folder)s holds no customers.csv, products.csv, balances.csv or purchases.csv. Name the files so.")
            % {"folder": folder}
        )
    if found.purchases is None and (orphan := found.refunds or found.redemptions or found.lines):
        raise UnreadableFile(
            _("%(folder)s holds %(file)s but no purchases.csv, which it belongs to.")
            % {"folder": folder, "file": orphan.name}
        )
    return found


def import_shop(run: ImportRun, folder: ShopFolder, *, by: User | None) -> None:
    """Import every file of the folder: customers and products, what points there were, what happened at the tills.

    All files are read before anything changes. Raises `UnreadableFile`.
    """
    customers = CustomerImport(run, folder.customers) if folder.customers else None
    products = ProductImport(run, folder.products) if folder.products else None
    balances = OpeningImport(run, folder.balances) if folder.balances else None
    visits = None
    if folder.purchases:
        files = VisitFiles(folder.purchases, folder.refunds, folder.redemptions, folder.lines)
        visits = VisitImport(run, files)
        visits.adopt_calendar(by=by)
    if customers is not None:
        customers.take(by=by)
    if products is not None:
        products.take(by=by)
    if balances is not None:
        balances.take(by=by)
    if visits is not None:
        visits.take(by=by)
    run.skipped += folder.not_imported

"""Bringing in facts from files: customers, products, and receipts with their refunds and lines.

What receipts are worth in points is added by `rewards.actions.importing`.
"""

from customers.actions.importing.lines import LineImport
from customers.actions.importing.people import CustomerImport
from customers.actions.importing.products import ProductImport
from customers.actions.importing.receipts import ReceiptImport

__all__ = ["CustomerImport", "LineImport", "ProductImport", "ReceiptImport"]

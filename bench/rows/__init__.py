"""The rows, one module each; importing a module registers its rows."""

from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Register every row, in the order of the modules' names."""
    for module in sorted(iter_modules(__path__), key=lambda module: module.name):
        import_module(f"{__name__}.{module.name}")

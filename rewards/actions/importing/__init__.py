"""Bringing in what happened at the tills, replayed together in time order, and balances of earlier books."""

from rewards.actions.importing.openings import OpeningImport
from rewards.actions.importing.visits import VisitFiles, VisitImport

__all__ = ["OpeningImport", "VisitFiles", "VisitImport"]

"""Regular (behaviour) and loyal (attitude) as two facts: docs/loyalty.md has the formula.

`customers.actions.classifying.classify` decides; `build` computes; `facts_on` answers for a past day; `reasons_of`
and `score_parts` explain.
"""

from customers.classification.as_of import Facts, facts_on
from customers.classification.reasons import NEXT_ACTIONS, Reason, ScorePart, Speaks, reasons_of, score_parts

__all__ = ["NEXT_ACTIONS", "Facts", "Reason", "ScorePart", "Speaks", "facts_on", "reasons_of", "score_parts"]

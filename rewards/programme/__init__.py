"""The programme: rules of earning, expiry, redemption and tiers, read from a version's row.

Nothing here touches the database but `load_programmes`; preview and award both ask `Programme.earning_of`.
"""

from rewards.programme.basket import Basket, BasketLine, as_facts, birthday_holds, from_facts
from rewards.programme.evaluation import EarningLine
from rewards.programme.invalid import Mistake, RulesInvalid, as_document, check_rules
from rewards.programme.needs import Needs
from rewards.programme.schema import Rules
from rewards.programme.versions import (
    FINGERPRINT,
    SAME_VERSIONS,
    Programme,
    Programmes,
    Source,
    load_programmes,
    programmes_last_read,
    programmes_of,
    read_programmes,
    versions_values,
)

__all__ = [
    "FINGERPRINT",
    "SAME_VERSIONS",
    "Basket",
    "BasketLine",
    "EarningLine",
    "Mistake",
    "Needs",
    "Programme",
    "Programmes",
    "Rules",
    "RulesInvalid",
    "Source",
    "as_document",
    "as_facts",
    "birthday_holds",
    "check_rules",
    "from_facts",
    "load_programmes",
    "programmes_last_read",
    "programmes_of",
    "read_programmes",
    "versions_values",
]

"""The editor of a draft: one form per part of the programme, each turning the whole rules into the whole rules."""

from rewards.programme_forms.benefits import DiscountForm, MembershipForm
from rewards.programme_forms.fields import FactorField, LinesField, PercentField
from rewards.programme_forms.levels import LevelForm
from rewards.programme_forms.part import PartForm
from rewards.programme_forms.parts import BaseForm, ExpiryForm, RedemptionForm, RefundsForm, TiersForm
from rewards.programme_forms.rule import RuleForm

__all__ = [
    "BaseForm",
    "DiscountForm",
    "ExpiryForm",
    "FactorField",
    "LevelForm",
    "LinesField",
    "MembershipForm",
    "PartForm",
    "PercentField",
    "RedemptionForm",
    "RefundsForm",
    "RuleForm",
    "TiersForm",
]

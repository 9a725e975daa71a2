from customers.models.classification import Classification, ClassificationRun, Group, GroupChange, LoyaltyFlag
from customers.models.consent import Channel, ConsentEvent, ContactHold, Purpose, SuppressedAddress
from customers.models.customer import Customer, Identifier, SearchTerm
from customers.models.duplicate import DuplicatePair, DuplicateSearch, Likeness
from customers.models.household import Household, HouseholdMember
from customers.models.membership import Membership
from customers.models.merge import Merge, MergedRows
from customers.models.note import CustomerNote, NoteKind, NoteVersion
from customers.models.product import Product
from customers.models.segment import Segment
from customers.models.signal import EvidenceKind, Signal
from customers.models.token import UnsubscribeToken
from customers.models.value import CustomerValue, ValueFit
from customers.models.visit import PaymentMethod, Refund, Visit, VisitChannel, VisitLine

__all__ = [
    "Channel",
    "Classification",
    "ClassificationRun",
    "ConsentEvent",
    "ContactHold",
    "Customer",
    "CustomerNote",
    "CustomerValue",
    "DuplicatePair",
    "DuplicateSearch",
    "EvidenceKind",
    "Group",
    "GroupChange",
    "Household",
    "HouseholdMember",
    "Identifier",
    "Likeness",
    "LoyaltyFlag",
    "Membership",
    "Merge",
    "MergedRows",
    "NoteKind",
    "NoteVersion",
    "PaymentMethod",
    "Product",
    "Purpose",
    "Refund",
    "SearchTerm",
    "Segment",
    "Signal",
    "SuppressedAddress",
    "UnsubscribeToken",
    "ValueFit",
    "Visit",
    "VisitChannel",
    "VisitLine",
]

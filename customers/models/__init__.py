from customers.models.classification import Classification, ClassificationRun, Group, GroupChange, LoyaltyFlag
from customers.models.consent import Channel, ConsentEvent, ContactHold, Purpose, SuppressedAddress
from customers.models.customer import Customer, Identifier, SearchTerm
from customers.models.duplicate import DuplicatePair, DuplicateSearch, Likeness
from customers.models.erasure import ErasedMark, Erasure, ErasureReason, MarkKind
from customers.models.household import Household, HouseholdMember
from customers.models.mail import CustomerMail, MailKind, MailReason, MailStatus
from customers.models.membership import Membership
from customers.models.merge import Merge, MergedRows
from customers.models.note import CustomerNote, NoteKind, NoteVersion
from customers.models.product import Product
from customers.models.referral import Invitation, Referral
from customers.models.segment import Segment
from customers.models.segment_count import SegmentCount
from customers.models.signal import EvidenceKind, Signal
from customers.models.token import PageLink, UnsubscribeToken
from customers.models.value import CustomerValue, ValueFit
from customers.models.visit import PaymentMethod, Refund, RefundLine, UndoneRefund, Visit, VisitChannel, VisitLine
from customers.models.visit_sums import SummedVisits, VisitSums

__all__ = [
    "Channel",
    "Classification",
    "ClassificationRun",
    "ConsentEvent",
    "ContactHold",
    "Customer",
    "CustomerMail",
    "CustomerNote",
    "CustomerValue",
    "DuplicatePair",
    "DuplicateSearch",
    "ErasedMark",
    "Erasure",
    "ErasureReason",
    "EvidenceKind",
    "Group",
    "GroupChange",
    "Household",
    "HouseholdMember",
    "Identifier",
    "Invitation",
    "Likeness",
    "LoyaltyFlag",
    "MailKind",
    "MailReason",
    "MailStatus",
    "MarkKind",
    "Membership",
    "Merge",
    "MergedRows",
    "NoteKind",
    "NoteVersion",
    "PageLink",
    "PaymentMethod",
    "Product",
    "Purpose",
    "Referral",
    "Refund",
    "RefundLine",
    "SearchTerm",
    "Segment",
    "SegmentCount",
    "Signal",
    "SummedVisits",
    "SuppressedAddress",
    "UndoneRefund",
    "UnsubscribeToken",
    "ValueFit",
    "Visit",
    "VisitChannel",
    "VisitLine",
    "VisitSums",
]

"""What receivers of webhooks can be told about visits and customers."""

from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.event_kinds import EventKind, declare

VISIT_RECORDED = declare(EventKind("visit.recorded", label=_("A visit was saved"), group=_("Visits")))
VISIT_REFUNDED = declare(EventKind("visit.refunded", label=_("Money was given back"), group=_("Visits")))
VISIT_REFUND_UNDONE = declare(EventKind("visit.refund_undone", label=_("A refund was undone"), group=_("Visits")))
VISIT_UNDONE = declare(EventKind("visit.undone", label=_("A visit was undone or voided"), group=_("Visits")))
CUSTOMER_MERGED = declare(EventKind("customer.merged", label=_("Two profiles were merged"), group=_("Customers")))
CUSTOMER_UNMERGED = declare(
    EventKind("customer.unmerged", label=_("A merge of two profiles was undone"), group=_("Customers"))
)
CUSTOMER_ERASED = declare(EventKind("customer.erased", label=_("A person was erased"), group=_("Customers")))

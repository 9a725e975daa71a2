from loyaltycrm.core.models.api_key import ApiKey, KeyKind, Scope
from loyaltycrm.core.models.audit import AuditEvent
from loyaltycrm.core.models.company import Company
from loyaltycrm.core.models.idempotency import IdempotencyRecord
from loyaltycrm.core.models.import_job import ImportJob, ImportPart, ImportPartOf, ImportState
from loyaltycrm.core.models.kept_answer import KeptAnswer
from loyaltycrm.core.models.knob import KnobValue
from loyaltycrm.core.models.store import Store
from loyaltycrm.core.models.till_device import StaffPin, TillDevice
from loyaltycrm.core.models.user import Role, User
from loyaltycrm.core.models.webhook import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookDeliveryStatus,
    WebhookEndpoint,
    WebhookEvent,
    WebhookResend,
    WebhookState,
)

__all__ = [
    "ApiKey",
    "AuditEvent",
    "Company",
    "IdempotencyRecord",
    "ImportJob",
    "ImportPart",
    "ImportPartOf",
    "ImportState",
    "KeptAnswer",
    "KeyKind",
    "KnobValue",
    "Role",
    "Scope",
    "StaffPin",
    "Store",
    "TillDevice",
    "User",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookDeliveryStatus",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookResend",
    "WebhookState",
]

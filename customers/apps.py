from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CustomersConfig(AppConfig):
    name = "customers"
    verbose_name = _("Customers")

    def ready(self) -> None:
        from customers import event_kinds, knobs, own_customers  # noqa: F401
        from customers.segments import own_facts  # noqa: F401
        from loyaltycrm.core.event_kinds import name_customers_by
        from loyaltycrm.core.own_customers import answer_with

        answer_with(own_customers.Numbers())
        name_customers_by("SELECT c.external_id FROM customers_customer c WHERE c.id = told.customer")

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CustomersConfig(AppConfig):
    name = "customers"
    verbose_name = _("Customers")

    def ready(self) -> None:
        from customers import knobs, own_customers  # noqa: F401
        from customers.segments import own_facts  # noqa: F401
        from loyaltycrm.core.own_customers import answer_with

        answer_with(own_customers.Numbers())

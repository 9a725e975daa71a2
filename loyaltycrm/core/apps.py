from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class CoreConfig(AppConfig):
    name = "loyaltycrm.core"
    label = "core"

    def ready(self) -> None:
        from loyaltycrm.core import checks  # noqa: F401

        autodiscover_modules("knobs", "event_kinds")

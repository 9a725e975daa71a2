from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "loyaltycrm.shop"
    label = "shop"

    def ready(self) -> None:
        from loyaltycrm.shop import knobs  # noqa: F401

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "loyaltycrm.shop"
    label = "shop"

    def ready(self) -> None:
        from customers.mail_kinds import write_with
        from customers.models import MailKind
        from loyaltycrm.shop import knobs  # noqa: F401
        from loyaltycrm.shop.actions.fresh_links import FreshLinkWriter
        from loyaltycrm.shop.actions.receipt_mails import ReceiptWriter

        write_with(MailKind.RECEIPT, ReceiptWriter())
        write_with(MailKind.DATA, FreshLinkWriter())

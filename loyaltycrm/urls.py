"""Every address of the site."""

from allauth.account import urls as account
from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from loyaltycrm.shop.api import PREFIX
from loyaltycrm.shop.api import urlpatterns as api_urlpatterns
from loyaltycrm.shop.views.api_reference import openapi

# Staff's addresses are changed by an admin, under Staff; these pages would change them past the log.
_CHANGE_AN_ADDRESS = {"account_email", "account_email_verification_sent", "account_confirm_email"}

urlpatterns: list[URLPattern | URLResolver] = [
    path("accounts/", include([entry for entry in account.urlpatterns if entry.name not in _CHANGE_AN_ADDRESS])),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path(f"{PREFIX}openapi.json", openapi, name="openapi"),
    path(PREFIX, include((api_urlpatterns, "api"))),
    path("", include("loyaltycrm.core.urls")),
    path("", include("loyaltycrm.shop.urls")),
    path("", include("customers.urls")),
    path("", include("rewards.urls")),
    path("", include("feedback.urls")),
]
if settings.MAILBOX_DIR:
    urlpatterns.append(path("mailbox/", include("loyaltycrm.local.urls")))

"""The addresses of the site with the mailbox mounted, as the demo has them."""

from django.urls import include, path

from loyaltycrm import urls

urlpatterns = [*urls.urlpatterns, path("mailbox/", include("loyaltycrm.local.urls"))]

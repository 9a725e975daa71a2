from django.urls import URLPattern, URLResolver, include, path

from loyaltycrm.shop.views import duplicates, merging
from loyaltycrm.shop.views.api_reference import api_reference
from loyaltycrm.shop.views.company import company
from loyaltycrm.shop.views.customers import customers, customers_export
from loyaltycrm.shop.views.home import home
from loyaltycrm.shop.views.lots import lots_export
from loyaltycrm.shop.views.members import members, members_export
from loyaltycrm.shop.views.memberships import cancel
from loyaltycrm.shop.views.overview import overview, overview_export
from loyaltycrm.shop.views.profile import profile
from loyaltycrm.shop.views.reports import reports
from loyaltycrm.shop.views.risk import at_risk, at_risk_export

app_name = "shop"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("docs/api/", api_reference, name="api_reference"),
    path("overview/", overview, name="overview"),
    path("overview/export/", overview_export, name="overview_export"),
    path("reports/", reports, name="reports"),
    path("settings/company/", company, name="company"),
    path("customers/", customers, name="customers"),
    path("customers/export/", customers_export, name="customers_export"),
    path("customers/duplicates/", duplicates.duplicates, name="duplicates"),
    path("customers/duplicates/export/", duplicates.duplicates_export, name="duplicates_export"),
    path("customers/duplicates/search/", duplicates.search, name="duplicates_search"),
    path("customers/duplicates/<int:pk>/judge/", duplicates.judge, name="duplicate_judge"),
    path("customers/at-risk/", at_risk, name="at_risk"),
    path("customers/at-risk/export/", at_risk_export, name="at_risk_export"),
    path("customers/<int:pk>/", profile, name="profile"),
    path("customers/<int:pk>/lots/export/", lots_export, name="lots_export"),
    path("memberships/", members, name="members"),
    path("memberships/export/", members_export, name="members_export"),
    path("customers/<int:pk>/merge/", merging.find, name="merge_find"),
    path("customers/<int:pk>/merge/<int:other>/", merging.merge, name="merge"),
    path("merges/<int:pk>/undo/", merging.undo, name="undo_merge"),
    path("memberships/<int:pk>/cancel/", cancel, name="cancel_membership"),
    path("till/", include("loyaltycrm.shop.till_urls")),
]

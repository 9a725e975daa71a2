from django.urls import URLPattern, URLResolver, include, path

from loyaltycrm.shop.views import duplicates, erasing, import_job, imports, merging, own
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
    path("imports/", imports.imports, name="imports"),
    path("imports/export/", imports.imports_export, name="imports_export"),
    path("imports/new/", imports.import_new, name="import_new"),
    path("imports/<int:pk>/", import_job.import_job, name="import"),
    path("imports/<int:pk>/columns/", import_job.import_columns, name="import_columns"),
    path("imports/<int:pk>/start/", import_job.import_start, name="import_start"),
    path("imports/<int:pk>/stop/", import_job.import_stop, name="import_stop"),
    path("imports/<int:pk>/go-on/", import_job.import_go_on, name="import_go_on"),
    path("imports/<int:pk>/remove/", import_job.import_remove, name="import_remove"),
    path("imports/<int:pk>/refused/", import_job.import_refused, name="import_refused"),
    path("memberships/", members, name="members"),
    path("memberships/export/", members_export, name="members_export"),
    path("customers/<int:pk>/erase/", erasing.erase, name="erase"),
    path("customers/<int:pk>/held/export/", erasing.held_export, name="held_export"),
    path("customers/<int:pk>/merge/", merging.find, name="merge_find"),
    path("customers/<int:pk>/merge/<int:other>/", merging.merge, name="merge"),
    path("merges/<int:pk>/undo/", merging.undo, name="undo_merge"),
    path("memberships/<int:pk>/cancel/", cancel, name="cancel_membership"),
    path("customers/<int:pk>/own/", own.own_as_customer, name="own_as_customer"),
    path("i/<str:code>/", own.invitation, name="invitation"),
    path("me/<str:token>/", own.own, name="own"),
    path("me/<str:token>/history/", own.own_history, name="own_history"),
    path("me/<str:token>/settings/", own.own_settings, name="own_settings"),
    path("me/<str:token>/data/", own.own_data, name="own_data"),
    path("me/<str:token>/all/", own.own_all, name="own_all"),
    path("me/<str:token>/all/file/", own.own_held, name="own_held"),
    path("till/", include("loyaltycrm.shop.till_urls")),
]

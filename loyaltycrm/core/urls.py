from django.urls import URLPattern, path

from loyaltycrm.core.views import api_key_list, api_keys, health, preferences, settings, staff, tills

app_name = "core"

urlpatterns: list[URLPattern] = [
    path("preferences/language/", preferences.set_language, name="language"),
    path("preferences/theme/", preferences.set_theme, name="theme"),
    path("settings/", settings.index, name="settings"),
    path("settings/stores/new/", settings.store_create, name="store_create"),
    path("settings/stores/<int:pk>/", settings.store_edit, name="store_edit"),
    path("settings/values/<str:key>/", settings.knob, name="knob"),
    path("settings/keys/", api_key_list.keys, name="api_keys"),
    path("settings/keys/export/", api_key_list.keys_export, name="api_keys_export"),
    path("settings/keys/new/", api_keys.create, name="api_key_create"),
    path("settings/keys/<int:pk>/", api_keys.show, name="api_key"),
    path("settings/keys/<int:pk>/edit/", api_keys.edit, name="api_key_edit"),
    path("settings/keys/<int:pk>/revoke/", api_keys.revoke, name="api_key_revoke"),
    path("settings/tills/", tills.devices, name="tills"),
    path("settings/tills/export/", tills.devices_export, name="tills_export"),
    path("settings/tills/enrol/", tills.enrol, name="till_enrol"),
    path("settings/tills/<int:pk>/revoke/", tills.revoke, name="till_revoke"),
    path("staff/", staff.people, name="staff"),
    path("staff/export/", staff.people_export, name="staff_export"),
    path("staff/new/", staff.create, name="person_create"),
    path("staff/<int:pk>/", staff.edit, name="person"),
    path("staff/<int:pk>/disable/", staff.disable, name="person_disable"),
    path("staff/<int:pk>/enable/", staff.enable, name="person_enable"),
    path("staff/<int:pk>/password/", staff.renew_password, name="person_password"),
    path("staff/<int:pk>/second-step/", staff.remove_second_step, name="person_second_step"),
    path("health/", health.health, name="health"),
    path("metrics", health.metrics, name="metrics"),
]

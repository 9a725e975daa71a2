from django.urls import URLPattern, path

from customers.views import households, notes, public, segments, staff
from customers.views.value import value

app_name = "customers"

urlpatterns: list[URLPattern] = [
    path("customers/new/", staff.create, name="create"),
    path("customers/value/", value, name="value"),
    path("customers/<int:pk>/edit/", staff.edit, name="edit"),
    path("customers/<int:pk>/card/", staff.card, name="card"),
    path("customers/<int:pk>/consent/", staff.consent, name="consent"),
    path("customers/<int:pk>/contact/", staff.contact, name="contact"),
    path("customers/<int:pk>/flag/", staff.flag, name="flag"),
    path("customers/<int:pk>/flag/end/", staff.lift, name="lift_flag"),
    path("customers/<int:pk>/notes/", notes.notes, name="notes"),
    path("customers/<int:pk>/notes/till/", notes.till_note, name="till_note"),
    path("customers/<int:pk>/household/", households.household, name="household"),
    path("customers/<int:pk>/household/<int:other>/", households.add, name="household_add"),
    path("households/<int:pk>/leave/", households.leave, name="household_leave"),
    path("notes/<int:pk>/", notes.note, name="note"),
    path("notes/<int:pk>/remove/", notes.remove, name="note_remove"),
    path("segments/", segments.segments, name="segments"),
    path("segments/export/", segments.segments_export, name="segments_export"),
    path("segments/new/", segments.create, name="segment_create"),
    path("segments/<int:pk>/edit/", segments.edit, name="segment_edit"),
    path("segments/<int:pk>/remove/", segments.remove, name="segment_remove"),
    path("u/<str:token>/", public.Unsubscribe.as_view(), name="unsubscribe"),
    path("u/<str:token>", public.Unsubscribe.as_view()),
]

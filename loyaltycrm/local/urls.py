"""The mailbox page; `loyaltycrm.urls` mounts it only where MAILBOX_DIR is set."""

from django.urls import path

from loyaltycrm.local import views

app_name = "local"

urlpatterns = [
    path("", views.mailbox, name="mailbox"),
    path("<str:name>/", views.mail, name="mail"),
    path("<str:name>/html/", views.mail_html, name="mail_html"),
    path("<str:name>/source/", views.mail_source, name="mail_source"),
]

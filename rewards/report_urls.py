"""The accountant's pages and the worth of offers, under /reports/."""

from django.urls import path

from rewards.views import accounts, effects, partners

urlpatterns = [
    path("points/", accounts.books, name="books"),
    path("points/export/", accounts.books_export, name="books_export"),
    path("points/ending/export/", accounts.ending_export, name="ending_export"),
    path("movement/", accounts.movement, name="movement"),
    path("movement/export/", accounts.movement_export, name="movement_export"),
    path("breakage/", accounts.breakage, name="breakage"),
    path("breakage/export/", accounts.breakage_export, name="breakage_export"),
    path("hold-out/", effects.hold_out, name="hold_out"),
    path("hold-out/export/", effects.hold_out_export, name="hold_out_export"),
    path("partners/", partners.partners, name="partners"),
    path("partners/export/", partners.partners_export, name="partners_export"),
    path("partners/add/", partners.partner_create, name="partner_create"),
    path("partners/<int:pk>/", partners.partner_statement, name="partner_statement"),
    path("partners/<int:pk>/export/", partners.partner_statement_export, name="partner_statement_export"),
    path("partners/<int:pk>/edit/", partners.partner_edit, name="partner_edit"),
]

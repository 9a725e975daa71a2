"""The till, under /till/."""

from django.urls import URLPattern, path

from loyaltycrm.shop.views.till import connection, find, lock, membership, place, receipt, receipts, visit

urlpatterns: list[URLPattern] = [
    path("", find.till, name="till"),
    path("find/", find.matches, name="till_find"),
    path("store/", place.choose_store, name="till_store"),
    path("lock/", lock.lock, name="till_lock"),
    path("pin/", lock.pin, name="till_pin"),
    path("here/", connection.here, name="till_here"),
    path("new/", find.add, name="till_new"),
    path("new/save/", find.save, name="till_add"),
    path("no-card/", visit.without_card, name="till_without_card"),
    path("no-card/preview/", visit.preview_without_card, name="till_preview_without_card"),
    path("no-card/save/", visit.save_without_card, name="till_save_without_card"),
    path("customers/<int:pk>/", visit.serve, name="till_customer"),
    path("customers/<int:pk>/save/", visit.save, name="till_save"),
    path("customers/<int:pk>/preview/", visit.preview, name="till_preview"),
    path("customers/<int:pk>/rewards/<int:reward_pk>/use/", visit.use, name="till_use"),
    path("customers/<int:pk>/membership/", membership.sell, name="till_membership"),
    path("customers/<int:pk>/membership/renew/", membership.renew, name="till_membership_renew"),
    path("customers/<int:pk>/promises/<int:promise_pk>/keep/", visit.keep, name="till_keep"),
    path("customers/<int:pk>/problem/", visit.problem, name="till_problem"),
    path("customers/<int:pk>/sorry/", visit.sorry, name="till_sorry"),
    path("customers/<int:pk>/claim/", receipts.claim, name="till_claim"),
    path("receipts/", receipts.find, name="till_receipts"),
    path("visits/<int:pk>/customer/", receipts.give, name="till_give"),
    path("visits/<int:pk>/refund/", receipts.refund, name="till_refund"),
    path("refunds/<int:pk>/undo/", receipt.undo_given_back, name="till_refund_undo"),
    path("visits/<int:pk>/", receipt.receipt, name="till_receipt"),
    path("visits/<int:pk>/undo/", receipt.undo, name="till_undo"),
    path("visits/<int:pk>/mail/", receipt.mail, name="till_mail"),
    path("visits/<int:pk>/mail/stop/", receipt.stop_mail, name="till_mail_stop"),
    path("memberships/<int:pk>/undo/", membership.undo, name="till_undo_membership"),
    path("uses/<int:pk>/undo/", receipt.undo_use, name="till_undo_use"),
]

"""Memberships and promises of a customer's timeline: sold and cancelled; made, kept, broken and withdrawn."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from customers.models import Membership
from loyaltycrm.core.models import Company
from loyaltycrm.lib import formats
from loyaltycrm.shop.queries.timeline_points import Entry, Place
from rewards.models import Promise

# What was recorded later for a day of the past stands at that day's end. A broken promise stands after its last day.
SOURCES = """
    UNION ALL SELECT 'memberships', 'membership', m.id, m.sold_at, 1
      FROM customers_membership m WHERE m.customer_id = %(customer)s::bigint
    UNION ALL SELECT 'memberships', 'cancelled', m.id, m.cancelled_at, 3
      FROM customers_membership m WHERE m.customer_id = %(customer)s::bigint AND m.cancelled_at IS NOT NULL
    UNION ALL SELECT 'promises', 'promise', p.id,
        least(p.made_at, (p.promised_on + time '23:59') AT TIME ZONE %(zone)s::text), 1
      FROM rewards_promise p WHERE p.customer_id = %(customer)s::bigint
    UNION ALL SELECT 'promises', 'kept', p.id,
        least(p.kept_at, (p.kept_on + time '23:59') AT TIME ZONE %(zone)s::text), 3
      FROM rewards_promise p WHERE p.customer_id = %(customer)s::bigint AND p.kept_at IS NOT NULL
    UNION ALL SELECT 'promises', 'withdrawn', p.id, p.withdrawn_at, 4
      FROM rewards_promise p WHERE p.customer_id = %(customer)s::bigint AND p.withdrawn_at IS NOT NULL
    UNION ALL SELECT 'promises', 'broken', p.id, (p.due_on + 1)::timestamp AT TIME ZONE %(zone)s::text, 2
      FROM rewards_promise p
      WHERE p.customer_id = %(customer)s::bigint AND p.withdrawn_at IS NULL
        AND coalesce(p.kept_on, %(today)s::date) > p.due_on
"""
WHATS = ("membership", "cancelled", "promise", "kept", "withdrawn", "broken")


def read_owed(what: str, places: list[Place], stores: set[int]) -> Iterable[tuple[int, Entry]]:
    """The entries of memberships or promises at these places, one of `WHATS`; those of other stores name no price."""
    at = {place.row_id: place.at for place in places}
    if what in ("membership", "cancelled"):
        for membership in Membership.objects.filter(id__in=at).select_related("store", "sold_by", "cancelled_by"):
            title, detail = _membership_words(membership, what, stores)
            yield (
                membership.pk,
                Entry(at[membership.pk], "key", "undo" if what == "cancelled" else "gift", title, detail),
            )
    else:
        for promise in Promise.objects.filter(id__in=at).select_related("kept_by"):
            title, symbol, mark, detail = _promise_words(promise, what)
            yield promise.pk, Entry(at[promise.pk], symbol, mark, title, detail)


def _membership_words(membership: Membership, what: str, stores: set[int]) -> tuple[str, str]:
    if membership.store_id is not None and membership.store_id not in stores:
        return (_("Membership cancelled, another store") if what == "cancelled" else _("Membership, another store")), ""
    currency = Company.current().currency
    if what == "cancelled":
        title = _("Membership cancelled: %(name)s") % {"name": membership.name}
        money, person = membership.refunded_cents, membership.cancelled_by
        amount = _("%(amount)s given back") % {"amount": formats.money(money, currency)} if money else ""
        return title, " · ".join(filter(None, [amount, membership.note, person.name if person else ""]))
    title = _("Membership: %(name)s") % {"name": membership.name}
    days = formats.date_range(membership.starts_on, membership.ends_on)
    details = [
        days,
        formats.money(membership.price_cents, currency) if membership.price_cents else "",
        membership.store.name if membership.store else "",
        membership.sold_by.name if membership.sold_by else "",
    ]
    return title, " · ".join(filter(None, details))


def _promise_words(promise: Promise, what: str) -> tuple[str, str, str, str]:
    words = {"name": promise.name}
    last_day = _("to be kept by: %(day)s") % {"day": formats.short_date(promise.due_on)}
    if what == "kept":
        return _("Promise kept: %(name)s") % words, "check", "gift", promise.kept_by.name if promise.kept_by else ""
    if what == "withdrawn":
        return _("Promise withdrawn: %(name)s") % words, "undo", "undo", ""
    if what == "broken":
        return _("Promise not kept in time: %(name)s") % words, "warning", "ticket", last_day
    return _("Promised: %(name)s") % words, "gift", "gift", last_day

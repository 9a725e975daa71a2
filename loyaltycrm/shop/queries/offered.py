"""What a customer got and gets beyond points: offers that were sent or wait, and what their group and tier bring."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import Customer, Group
from loyaltycrm.core.models import Company
from loyaltycrm.lib import formats
from loyaltycrm.lib.translated import pick
from loyaltycrm.shop.queries.moved import why_of
from loyaltycrm.shop.queries.promises import privileges_of
from rewards.benefits.words import gives_in_words
from rewards.choices import given_by
from rewards.models import Delivery, DeliveryStatus, Offer, Schedule
from rewards.one_reader import OfferForOne, Reader, offers_for, waiting_for
from rewards.plain_words import privilege_in_words
from rewards.programme import Programme
from rewards.schedule import Timetable, next_occurrence
from rewards.schedule_words import schedule_in_words

NEWEST = 5


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """An offer of a customer in words: its name, what it gives and until when, its status, and why they got it (blank:
    as everybody)."""

    name: str
    until: str
    status: str
    why: str


@dataclass(frozen=True, slots=True)
class Gets:
    """What a customer's group and tier bring: privileges, and the offers that ask for them.

    `not_now` is why no offer could be sent to them now; `not_theirs` are active offers that ask for others.
    """

    title: str
    privileges: list[str]
    offers: list[ShownOffer]
    not_now: str
    not_theirs: list[ShownOffer]


def offers_of(customer: Customer, *, is_whole: bool) -> list[ShownOffer]:
    """The customer's newest offers; why they got each in full only where `moved.is_all_seen`."""
    newest = Delivery.objects.filter(customer=customer).select_related("run__offer", "voucher").order_by("-id")[:NEWEST]
    rows = list(newest)
    why = why_of(rows, is_whole=is_whole)
    found = [
        ShownOffer(
            run.offer.name,
            " · ".join([pick(run.benefit_names), _("Sent by hand")]),
            str(run.get_status_display()),
            run.note,
        )
        for run in waiting_for(customer)
    ]
    for delivery in rows:
        until = formats.short_date(delivery.run.good_through)
        if delivery.status == DeliveryStatus.SENT and delivery.voucher:
            status = str(delivery.voucher.get_status_display())
        else:
            status = str(delivery.get_reason_display() if delivery.reason else delivery.get_status_display())
        gives = " · ".join([pick(given_by(delivery).names), _("until %(day)s") % {"day": until}])
        found.append(ShownOffer(delivery.run.offer.name, gives, status, why.get(delivery.pk, "")))
    return found


def gets_of(customer: Customer, *, group: str, tier: str, programme: Programme) -> Gets:
    """What group and tier bring this customer today, in words."""
    reader = Reader(customer)
    active = offers_for(reader)
    company = Company.current()
    return Gets(
        title=_title(group),
        privileges=[privilege_in_words(one) for one in privileges_of(tier, programme)],
        offers=[_ahead(one, company) for one in active if one.is_named],
        not_now=reader.why_none if active else "",
        not_theirs=[
            ShownOffer(one.offer.name, _("Asks for: %(audience)s") % {"audience": one.offer.audience_name}, "", "")
            for one in active
            if not one.is_named
        ],
    )


def _title(group: str) -> str:
    if group in (Group.REGULAR_LOYAL, Group.LOYAL):
        return _("Loyal customers get")
    return _("Regular customers get") if group == Group.REGULAR else _("What they get")


def _ahead(one: OfferForOne, company: Company) -> ShownOffer:
    gives = gives_in_words(one.offer.benefit, company.currency)
    return ShownOffer(one.offer.name, f"{gives} {_when(one.offer, company)}", "", one.why_not)


def _when(offer: Offer, company: Company) -> str:
    """The next day of the offer; of one that answers an event, what it answers."""
    if offer.schedule == Schedule.EVENT:
        return schedule_in_words(offer)
    due = next_occurrence(Timetable.of(offer), zone=company.zone, now=timezone.now())
    return _("Next: %(day)s") % {"day": formats.short_date(due.day)} if due else _("Was sent")

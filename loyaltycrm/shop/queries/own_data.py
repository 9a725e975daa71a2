"""What is kept about a customer, why and for how long, as the customer is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.models import ConsentEvent, Customer, CustomerMail, CustomerNote, Membership, Referral, Visit
from customers.queries import household_of
from feedback.models import SurveyInvitation, Ticket
from loyaltycrm.lib import formats
from rewards.models import Delivery, DeliveryStatus, Promise, Voucher

# Under which heading a customer is told of each table (`loyaltycrm.shop.personal_data`); a test finds one left out.
TOLD: Final = {
    "who": (
        "Customer Identifier SearchTerm HouseholdMember DuplicatePair Merge MergedRows Erasure PageLink"
        " UnsubscribeToken Invitation"
    ),
    "visits": (
        "Visit VisitLine Refund RefundLine UndoneRefund Membership Voucher Redemption Promise Adjustment"
        " OpeningBalance UnusualUse Account Posting Lot LotUse AccountMerge SaleFacts SaidOfSale"
    ),
    "agreed": "ConsentEvent",
    "sent": "CustomerMail Delivery ChosenBenefit ProviderEvent OneReader SurveyInvitation HoldOutPlace ContactHold",
    "said": "Ticket TicketPause TicketMessage Resolution CustomerNote NoteVersion Referral",
    "made": "Signal LoyaltyFlag GroupChange Classification CustomerValue VisitSums TierStanding TierChange",
}


@dataclass(frozen=True, slots=True)
class Held:
    """One kind of data: its name, what of it there is, what it is for, and how long it is kept."""

    name: str
    what: list[str]
    why: str
    until: str


def held_about(customer: Customer) -> list[Held]:
    """Everything that is kept about a customer, in a constant number of queries."""
    while_member = _("While you are a customer of ours.")
    return [
        Held(
            _("Who you are"),
            _contact(customer),
            _("To know you at the till and to reach you."),
            while_member,
        ),
        Held(
            _("Visits and points"),
            _visits(customer),
            _("To count your points and tier, and for our books."),
            _("Amounts and dates stay in our books; without you they name nobody."),
        ),
        Held(
            _("What you agreed to"),
            _consents(customer),
            _("To send you what you want and nothing else, and to be able to show that."),
            while_member,
        ),
        Held(
            _("What we sent and asked"),
            _letters(customer),
            _("To send nothing twice, and to see whether our offers are any good."),
            while_member,
        ),
        Held(
            _("What you told us"),
            _said(customer),
            _("To answer you and to do better."),
            while_member,
        ),
        Held(
            _("What we make of it"),
            [
                _("how often you come, how much you like to come, and what that is worth: worked out from the above"),
                _("what you often buy and what moves you: worked out when we choose an offer for you, kept with it"),
            ],
            _("To treat those better who come often or like to come."),
            _("Worked out anew each night."),
        ),
    ]


def _contact(customer: Customer) -> list[str]:
    facts = [
        customer.full_name,
        customer.masked_email,
        customer.masked_phone,
        _("birthday: %(day)s") % {"day": formats.short_date(customer.birthday)} if customer.birthday else "",
        _("customer since: %(day)s") % {"day": formats.short_date(customer.joined_on)},
    ]
    if others := len(household_of(customer)):
        words = ngettext("household with %(count)s other", "household with %(count)s others", others)
        facts.append(words % {"count": formats.number(others)})
    return [fact for fact in facts if fact]


def _visits(customer: Customer) -> list[str]:
    days = Visit.objects.filter(customer=customer, voided_at__isnull=True).order_by("business_date")
    count = days.count()
    words = [ngettext("%(count)s visit", "%(count)s visits", count) % {"count": formats.number(count)}]
    if first := days.values_list("business_date", flat=True).first():
        words.append(_("the first on: %(day)s") % {"day": formats.short_date(first)})
    codes = Voucher.objects.filter(customer=customer).count()
    promises = Promise.objects.filter(customer=customer).count()
    memberships = Membership.objects.filter(customer=customer).count()
    counted = (
        (codes, ngettext("%(count)s code", "%(count)s codes", codes)),
        (promises, ngettext("%(count)s promise", "%(count)s promises", promises)),
        (memberships, ngettext("%(count)s membership", "%(count)s memberships", memberships)),
    )
    return words + [text % {"count": formats.number(number)} for number, text in counted if number]


def _consents(customer: Customer) -> list[str]:
    newest = (
        ConsentEvent.objects.filter(customer=customer)
        .order_by("purpose", "channel", "-occurred_at", "-id")
        .distinct("purpose", "channel")
    )
    yes, no = _("%(purpose)s, %(channel)s: yes, %(day)s"), _("%(purpose)s, %(channel)s: no, %(day)s")
    return [
        (yes if event.given else no)
        % {
            "purpose": event.get_purpose_display(),
            "channel": event.get_channel_display(),
            "day": formats.short_date(event.occurred_at.date()),
        }
        for event in newest
    ] or [_("nothing so far")]


def _letters(customer: Customer) -> list[str]:
    sent = Delivery.objects.filter(customer=customer, status__in=[DeliveryStatus.SENT, DeliveryStatus.UNKNOWN]).count()
    asked = SurveyInvitation.objects.filter(customer=customer).count()
    mails = CustomerMail.objects.filter(customer=customer).count()
    return [
        ngettext("%(count)s offer", "%(count)s offers", sent) % {"count": formats.number(sent)},
        ngettext("%(count)s survey", "%(count)s surveys", asked) % {"count": formats.number(asked)},
        ngettext("%(count)s receipt or answer by email", "%(count)s receipts or answers by email", mails)
        % {"count": formats.number(mails)},
    ]


def _said(customer: Customer) -> list[str]:
    tickets = Ticket.objects.filter(customer=customer).count()
    friends = Referral.objects.filter(Q(referrer=customer) | Q(referrer__merged_into=customer)).count()
    notes = CustomerNote.objects.filter(customer=customer, removed_at__isnull=True).count()
    return [
        ngettext("%(count)s question or complaint", "%(count)s questions or complaints", tickets)
        % {"count": formats.number(tickets)},
        ngettext("%(count)s note of our team", "%(count)s notes of our team", notes) % {"count": formats.number(notes)},
        ngettext("%(count)s friend you brought", "%(count)s friends you brought", friends)
        % {"count": formats.number(friends)},
    ]

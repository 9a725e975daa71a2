"""One question to one customer: inviting, mailing the invitation, and the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from customers.actions.consent import issue_unsubscribe_token, suppress_address, withdraw_consent
from customers.actions.signals import record_signal
from customers.actions.standing import who_stands_for
from customers.models import Channel, ConsentEvent, Customer, EvidenceKind, Purpose, Signal, SuppressedAddress, Visit
from customers.queries import may_mail, standing_holds
from feedback import emails, knobs, queries
from feedback.actions.tickets import instant, open_ticket
from feedback.models import InvitationMail, SurveyInvitation, Ticket, TicketKind, TicketSource
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib.letters import Letter
from loyaltycrm.lib.mail import NoReply, Reply, Unreachable, open_outbox, refusal_to_send
from loyaltycrm.lib.tokens import hash_token, new_token
from loyaltycrm.lib.transactions import atomic_with_retry

RATINGS = range(11)
LONGEST_WORDS = 2000
LONGEST_HANDING_OVER = timedelta(minutes=10)


class NoSuchSurvey(Refused):
    """The link leads to no survey: it was never made, has ended, or was changed. Nobody is told which."""

    def __init__(self) -> None:
        super().__init__(_("This link does not lead to a survey, or its time is over."))


@dataclass(frozen=True, slots=True)
class Invited:
    """A fresh invitation and its link. The link cannot be had again: only a digest of its secret is stored."""

    invitation: SurveyInvitation
    link: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of an answer; `first` is False when the question had been answered before and that answer stays."""

    invitation: SurveyInvitation
    first: bool


@atomic_with_retry
def invite_to_survey(
    *,
    customer: Customer,
    by: User | None,
    visit: Visit | None = None,
    about_ticket: Ticket | None = None,
    at: datetime | None = None,
) -> Invited:
    """Make a link by which the customer answers one question, about a visit or a solved ticket if given.

    Raises `Refused` for a visit or ticket of somebody else.
    """
    customer = who_stands_for(customer)
    if visit is not None and visit.customer_id != customer.pk:
        raise Refused(_("Choose a visit of this customer."), field="visit")
    if about_ticket is not None and about_ticket.customer_id != customer.pk:
        raise Refused(_("Choose a ticket of this customer."), field="ticket")
    now = instant(at)
    token = new_token()
    invitation = SurveyInvitation.objects.create(
        customer=customer,
        visit=visit,
        about_ticket=about_ticket,
        token_hash=hash_token(token),
        invited_at=now,
        invited_by=by,
        expires_at=now + timedelta(days=value(knobs.SURVEY_LINK_DAYS)),
    )
    audit.record("invite to survey", invitation, by=by, data={"customer": customer.pk})
    return Invited(invitation, settings.BASE_URL + reverse("feedback:survey", args=[token]))


def mail_invitation(*, invited: Invited, by: User | None) -> SurveyInvitation:
    """Send a fresh invitation by email, at most once, and return it with what became of it.

    Raises `Refused`, and sends nothing, when `check_may_mail` does, when it was mailed or answered already, or when
    the mail server cannot be reached or puts it off. A reply that never comes leaves it "not known"; it is not sent
    again. An address that takes no mail is suppressed for every profile.
    """
    invitation = invited.invitation
    check_may_mail(invitation.customer)
    token = new_token()
    letter = emails.invitation(
        invitation=invitation,
        link=invited.link,
        unsubscribe_link=settings.BASE_URL + reverse("customers:unsubscribe", args=[token]),
        at=timezone.now(),
    )
    outbox = open_outbox()
    try:
        reply = _reply_to(outbox.offer, letter)
        if not reply.is_yes:
            return _record_refusal(invitation, reply, by=by)
        _hand_over(invitation, token, by=by)
        try:
            reply = outbox.hand_over(letter)
        except NoReply:
            return _record_mail(invitation, InvitationMail.UNKNOWN, by=by)
    finally:
        outbox.close()
    return _record_mail(invitation, InvitationMail.SENT if reply.is_yes else InvitationMail.FAILED, by=by)


def check_may_mail(customer: Customer) -> None:
    """Raise `Refused`, saying why, when no survey may be mailed to the customer now.

    It may when the customer agreed to surveys by email, has an address that works and no open complaint, and had none
    by email lately (`knobs.SURVEY_MAIL_GAP_DAYS`).
    """
    if refusal_to_send(settings.BASE_URL):
        raise Refused(_("This site cannot send surveys yet: its address must begin with https://. Copy the link."))
    if customer.pk not in may_mail([customer.pk], Purpose.SURVEYS, Channel.EMAIL):
        raise Refused(_("The customer did not agree to surveys by email, or has no address that works. Copy the link."))
    if customer.pk in standing_holds([customer.pk]):
        raise Refused(_("The customer has an open complaint. Solve it first, then ask."))
    gap = timedelta(days=value(knobs.SURVEY_MAIL_GAP_DAYS))
    if queries.mailed_since(customer, timezone.now() - gap):
        raise Refused(_("The customer had a survey by email lately. Copy the link, or wait."))


@transaction.atomic
def _hand_over(invitation: SurveyInvitation, token: str, *, by: User | None) -> None:
    """Check all conditions again and mark the invitation as being sent, so that no second mail can leave."""
    customer = Customer.objects.select_for_update(no_key=True).get(pk=invitation.customer_id)
    check_may_mail(customer)
    if customer.email != invitation.customer.email:
        raise Refused(_("The customer's address has just changed. Try again."))
    now = timezone.now()
    claimed = SurveyInvitation.objects.filter(
        pk=invitation.pk, mail=InvitationMail.NONE, answered_at__isnull=True, expires_at__gt=now
    ).update(mail=InvitationMail.HANDING_OVER, mailed_at=now)
    if not claimed:
        raise Refused(_("This invitation was mailed or answered already."))
    issue_unsubscribe_token(customer=customer, purpose=Purpose.SURVEYS, channel=Channel.EMAIL, token=token)
    audit.record("mail survey", invitation, by=by)


def _reply_to(offer: Callable[[Letter], Reply], letter: Letter) -> Reply:
    try:
        reply = offer(letter)
    except Unreachable as error:
        raise Refused(_("The mail server cannot be reached. Copy the link, or try again.")) from error
    if reply.is_later:
        raise Refused(_("The mail server takes no mail right now. Copy the link, or try again later."))
    return reply


@transaction.atomic
def _record_refusal(invitation: SurveyInvitation, reply: Reply, *, by: User | None) -> SurveyInvitation:
    """The server refused the address before the letter was handed over."""
    if reply.is_hard_bounce:
        suppress_address(email=invitation.customer.email, reason=SuppressedAddress.Reason.BOUNCE, detail=str(reply))
    SurveyInvitation.objects.filter(pk=invitation.pk, mail=InvitationMail.NONE).update(
        mail=InvitationMail.FAILED, mailed_at=timezone.now()
    )
    audit.record("survey mail refused", invitation, by=by, data={"reply": str(reply)})
    invitation.refresh_from_db()
    return invitation


@transaction.atomic
def _record_mail(invitation: SurveyInvitation, result: InvitationMail, *, by: User | None) -> SurveyInvitation:
    SurveyInvitation.objects.filter(pk=invitation.pk, mail=InvitationMail.HANDING_OVER).update(mail=result)
    audit.record("survey mail ended", invitation, by=by, data={"mail": result})
    invitation.refresh_from_db()
    return invitation


@transaction.atomic
def settle_lost_mails(now: datetime | None = None) -> int:
    """Mark invitations whose sending broke off as "not known"; return how many. They are not sent again."""
    before = instant(now) - LONGEST_HANDING_OVER
    lost = SurveyInvitation.objects.filter(mail=InvitationMail.HANDING_OVER, mailed_at__lt=before)
    ids = list(lost.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True))
    if ids:
        SurveyInvitation.objects.filter(pk__in=ids).update(mail=InvitationMail.UNKNOWN)
        audit.record("lose survey mails", None, by=None, data={"surveys": ids})
    return len(ids)


def find_survey(token: str, now: datetime | None = None) -> SurveyInvitation:
    """The invitation that a link's secret opens. Raises `NoSuchSurvey` for any secret that opens none now."""
    invitations = SurveyInvitation.objects.select_related("customer", "visit__store")
    found = invitations.filter(token_hash=hash_token(token), expires_at__gt=instant(now)).first()
    if found is None:
        raise NoSuchSurvey
    return found


@atomic_with_retry
def answer_survey(
    *, token: str, rating: int, words: str = "", language: str = "", at: datetime | None = None
) -> Answered:
    """Record the customer's rating from 0 to 10 and their words, written in `language`. The first answer stays.

    The rating is a signal of attachment of (rating − 5) / 5. A low one (`knobs.LOW_RATING`) opens a complaint.
    Raises `NoSuchSurvey` for a secret that opens no survey now, `Refused` for a rating that is none.
    """
    now = instant(at)
    words = words.replace("\r\n", "\n").strip()
    if rating not in RATINGS:
        raise Refused(_("Choose a number from 0 to 10."), field="rating")
    if len(words) > LONGEST_WORDS:
        raise Refused(_("Shorten this to %(longest)s characters.") % {"longest": LONGEST_WORDS}, field="words")
    found = find_survey(token, now)
    survey = SurveyInvitation.objects.select_for_update().get(pk=found.pk)
    if survey.answered_at is not None:
        return Answered(survey, first=False)
    survey.rating, survey.words, survey.answered_at = rating, words, now
    store = queries.store_to_answer(found.customer, found.visit.store if found.visit else None)
    record_signal(
        customer=found.customer,
        kind=EvidenceKind.SAYS,
        source=Signal.Source.SURVEY,
        strength=Decimal(rating - 5) / 5,
        occurred_on=store.business_date(now) if store else Company.current().today(now),
        reference=f"survey:{survey.pk}",
    )
    if rating <= value(knobs.LOW_RATING) and store is not None:
        survey.opened_ticket = _open_complaint(survey, found, store, language, at)
    survey.save()
    audit.record("answer survey", survey, by=None, data={"rating": rating})
    return Answered(survey, first=True)


def _open_complaint(
    survey: SurveyInvitation, found: SurveyInvitation, store: Store, language: str, at: datetime | None
) -> Ticket:
    """The ticket of a low answer, its subject in the company's language."""
    with translation.override(Company.current().language):
        subject = _("Survey answer: %(rating)s of 10") % {"rating": survey.rating}
        without_words = _("The customer wrote no words.")
    return open_ticket(
        customer=found.customer,
        store=store,
        kind=TicketKind.COMPLAINT,
        subject=subject,
        words=survey.words or without_words,
        source=TicketSource.SURVEY,
        visit=found.visit,
        language=language if survey.words else "",
        by=None,
        at=at,
    )


@atomic_with_retry
def stop_surveys(*, token: str) -> Customer:
    """Record that the customer wants no more surveys by email; repeating changes nothing.

    Raises `NoSuchSurvey` for a secret that opens no survey now.
    """
    customer = find_survey(token).customer
    withdraw_consent(
        customer=customer,
        lists=[(Purpose.SURVEYS, Channel.EMAIL)],
        source=ConsentEvent.Source.UNSUBSCRIBE,
        by=None,
    )
    return customer

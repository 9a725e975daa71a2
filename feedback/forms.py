"""The forms of tickets and surveys."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from customers.actions.mailing import no_mail_can_reach
from customers.models import Customer, Visit
from customers.search import exact
from feedback.actions.answer_mails import may_be_answered_by_mail
from feedback.actions.conversation import LONGEST
from feedback.actions.deadlines import MOST_HOURS
from feedback.actions.surveys import LONGEST_WORDS, RATINGS
from feedback.models import ResolutionKind, Severity, Ticket, TicketKind
from feedback.queries import deadline_hours, deadline_tiers, people_who_answer
from loyaltycrm.core.forms import AmountField, DeskFormMixin, PointsField, offer_stores
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib import formats
from rewards.queries import tier_name

VISITS_OFFERED = 12
ANSWER_FORM_ID = "answer-form"
WAYS_TO_PUT_RIGHT = [
    (kind.value, kind.label) for kind in (ResolutionKind.REFUND_NOTE, ResolutionKind.GOODWILL, ResolutionKind.WORDS)
]


def words_field(label: Any, required: Any, *, rows: int = 4, longest: int = LONGEST) -> forms.CharField:
    """A text of several lines that has to be written."""
    return forms.CharField(
        label=label,
        max_length=longest,
        widget=forms.Textarea(attrs={"rows": rows}),
        error_messages={"required": required},
    )


class VisitField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One of a customer's visits, named by day, store and amount."""

    @cached_property
    def currency(self) -> str:
        return Company.current().currency

    def label_from_instance(self, obj: Any) -> str:
        return f"{formats.short_date(obj.business_date)}, {obj.store}, {formats.money(obj.net_cents, self.currency)}"


class TillTicketForm(DeskFormMixin, forms.Form):
    """What a customer says at the till, in three fields."""

    purpose = _("To pass this on")
    submit_label = _("Pass on")
    kind = forms.ChoiceField(label=_("What is it"), choices=TicketKind.choices, initial=TicketKind.COMPLAINT)
    subject = forms.CharField(
        label=_("In a few words"),
        max_length=120,
        error_messages={"required": _("Write what it is about, for example The soup was cold")},
    )
    words = words_field(_("What the customer said"), _("Write what the customer said"), rows=3)


class NewTicketForm(TillTicketForm):
    """The same at a desk, with the store that answers and, for a known customer, the visit."""

    purpose = _("To open this ticket")
    submit_label = _("Open ticket")
    severity = forms.ChoiceField(label=_("How serious"), choices=Severity.choices, initial=Severity.NORMAL)
    store = forms.ModelChoiceField(
        label=_("Store that answers"),
        queryset=Store.objects.none(),
        empty_label=None,
        error_messages={"required": _("Choose the store that answers")},
    )
    visit = VisitField(
        label=_("About a visit"), queryset=Visit.objects.none(), required=False, empty_label=_("No visit in particular")
    )
    who = forms.CharField(
        label=_("Customer"),
        required=False,
        max_length=100,
        help_text=_("Card, customer number, phone or email. Leave it empty for someone who is not a customer."),
    )

    def __init__(self, *args: Any, user: User, customer: Customer | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.customer = customer
        offer_stores(self, Store.objects.for_staff(user).filter(is_active=True))
        if customer is None:
            del self.fields["visit"]
            self.order_fields(["who", "kind", "severity", "subject", "words", "store"])
        else:
            del self.fields["who"]
            self.fields["store"].initial = customer.home_store_id
            visits = Visit.objects.standing().for_staff(user).filter(customer=customer).order_by("-occurred_at", "-id")
            recent = list(visits.values_list("pk", flat=True)[:VISITS_OFFERED])
            offered = Visit.objects.filter(pk__in=recent).select_related("store").order_by("-occurred_at", "-id")
            self.fields["visit"].queryset = offered  # type: ignore[attr-defined]
            self.order_fields(["kind", "severity", "subject", "words", "visit", "store"])

    def clean_who(self) -> str:
        """Find the customer that the text names exactly."""
        text: str = self.cleaned_data["who"].strip()
        if text:
            found = exact(text)
            if not found:
                raise ValidationError(_("Nobody has this card, number, phone or email. Check it, or leave it empty."))
            if len(found) > 1:
                raise ValidationError(_("Several customers share it. Enter the card or the customer number."))
            self.customer = found[0]
        return text


class WordsForm(DeskFormMixin, forms.Form):
    """A note for the team, or what the customer said later."""

    purpose = _("To save this note")
    submit_label = _("Save note")
    voice = forms.ChoiceField(
        label=_("Who says it"),
        choices=[("note", _("Note for the team only")), ("customer", _("Words of the customer"))],
        initial="note",
    )
    note = words_field(_("Text"), _("Write the note first"), rows=3)


class PauseForm(DeskFormMixin, forms.Form):
    purpose = _("To pause this ticket")
    submit_label = _("Pause")
    reason = forms.CharField(
        label=_("What it waits for"),
        max_length=200,
        help_text=_("The deadline moves by the length of the pause."),
        error_messages={"required": _("Write what it waits for, for example a photo")},
    )


class ReopenForm(DeskFormMixin, forms.Form):
    purpose = _("To reopen this ticket")
    submit_label = _("Reopen")
    reason = forms.CharField(label=_("Why, for the team"), max_length=LONGEST, required=False)


class OwnerForm(DeskFormMixin, forms.Form):
    purpose = _("To change the owner")
    submit_label = _("Save owner")
    owner = forms.ModelChoiceField(
        label=_("Owner"), queryset=User.objects.none(), required=False, empty_label=_("Nobody yet")
    )

    def __init__(self, *args: Any, ticket: Ticket, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = [person.pk for person in people_who_answer(ticket.store)]
        self.fields["owner"].queryset = User.objects.filter(pk__in=people).order_by("name", "id")  # type: ignore[attr-defined]
        self.fields["owner"].initial = ticket.owner_id


class AnswerForm(DeskFormMixin, forms.Form):
    """The answer and how it is put right: one form with two buttons, solve and keep open.

    The way to put it right stands in another column than the form, so its fields name the form they belong to.
    """

    purpose = _("To solve this ticket")
    language = forms.ChoiceField(label=_("Language of the answer"), choices=settings.LANGUAGES)
    words = words_field(_("What we tell the customer"), _("Write what you tell the customer"), rows=9)
    kind = forms.ChoiceField(
        label=_("How do we put it right?"),
        choices=WAYS_TO_PUT_RIGHT,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose how to put it right")},
    )
    points = PointsField(label=_("Points"), required=False, maximum=1_000_000)
    refund = AmountField(label=_("Amount to give back"), required=False, example_cents=500)
    draft = forms.CharField(required=False, max_length=LONGEST * 2, widget=forms.HiddenInput)
    by_email = forms.BooleanField(required=False)

    words_kept = False

    def __init__(self, *args: Any, ticket: Ticket, solving: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.solving = solving
        if not solving:
            self.purpose = _("To save this answer")
        kind = cast(forms.ChoiceField, self.fields["kind"])
        kind.required = solving
        if ticket.customer is None:
            kind.choices = [way for way in WAYS_TO_PUT_RIGHT if way[0] != ResolutionKind.GOODWILL]
            del self.fields["points"]
        self.is_reachable = may_be_answered_by_mail(ticket.customer)
        if ticket.customer is not None and (self.is_reachable or "by_email" in self.data):
            self.fields["by_email"].label = _("Send it by email to %(address)s") % {
                "address": ticket.customer.masked_email or "–"
            }
        else:
            del self.fields["by_email"]
        for name in ("points", "refund"):
            if name in self.fields:
                self.fields[name].widget.attrs["form"] = ANSWER_FORM_ID

    def clean(self) -> dict[str, Any]:
        """Only the amount that belongs to the chosen kind counts; what stands in the other field does not matter."""
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind") if self.solving else ""
        for name, own in (("points", ResolutionKind.GOODWILL), ("refund", ResolutionKind.REFUND_NOTE)):
            if kind != own:
                self.errors.pop(name, None)
                cleaned[name] = 0
        if cleaned.get("by_email") and not self.is_reachable:
            self.add_error("by_email", no_mail_can_reach())
        return cleaned


class DeadlinesForm(DeskFormMixin, forms.Form):
    """The hours of every kind of ticket, one column a tier; a blank one is the time of everyone else."""

    purpose = _("To save the deadlines")
    submit_label = _("Save deadlines")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tiers = deadline_tiers()
        hours = deadline_hours()
        for kind in TicketKind:
            for tier in self.tiers:
                column = tier_name(tier) if tier else _("everyone else")
                field = PointsField(
                    label=format_lazy("{kind}, {column}", kind=kind.label, column=column),
                    minimum=1,
                    maximum=MOST_HOURS,
                    required=not tier,
                    initial=hours.get((kind, tier), ""),
                )
                self.fields[self.name_of(kind, tier)] = field

    @staticmethod
    def name_of(kind: str, tier: str) -> str:
        return f"{kind}-{tier}"

    @property
    def rows(self) -> list[tuple[str, list[forms.BoundField]]]:
        """A line of fields for each kind."""
        return [(str(kind.label), [self[self.name_of(kind, tier)] for tier in self.tiers]) for kind in TicketKind]

    def given(self) -> dict[tuple[str, str], int | None]:
        """The hours as cleaned, by kind and tier."""
        return {
            (kind, tier): self.cleaned_data[self.name_of(kind, tier)]
            for kind in TicketKind.values
            for tier in self.tiers
        }


class SurveyForm(DeskFormMixin, forms.Form):
    """The one question and the customer's words."""

    purpose = _("To send your answer")
    submit_label = _("Send answer")
    rating = forms.TypedChoiceField(
        label=_("Your answer"),
        choices=[(str(rating), str(rating)) for rating in RATINGS],
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose a number from 0 to 10")},
    )
    words = forms.CharField(
        label=_("In your own words"),
        required=False,
        max_length=LONGEST_WORDS,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

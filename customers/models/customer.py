from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Concat, Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from loyaltycrm.core.models import Store
from loyaltycrm.lib.contacts import hidden_email

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


_LETTERS = (
    "ĀÄÁÀÂÅÃĄÆāäáàâåãąæČÇĆčçćĎĐďđĒĖÉÈÊËĘĚēėéèêëęěĢģĪÍÌÎÏĮīíìîïįĶķĻŁ"
    "ļłŅŃÑŇņńñňŌÖÕÓÒÔŐØōöõóòôőøŖŘŗřŠŚŞšśşßŤťŪÜÚÙÛŲŰŮūüúùûųűůÝýŽŹŻžźż"
)
_PLAIN = (
    "aaaaaaaaaaaaaaaaaaccccccddddeeeeeeeeeeeeeeeeggiiiiiiiiiiiikkll"
    "llnnnnnnnnoooooooooooooooorrrrsssssssttuuuuuuuuuuuuuuuuyyzzzzzz"
)
_CYRILLIC = "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЫЭЮЯабвгдеёжзийклмнопрстуфхцчшщыэюяЪЬъь"
_LATIN = "abvgdeezzijklmnoprstufhccssyejjabvgdeezzijklmnoprstufhccssyejj"


class CustomerQuerySet(models.QuerySet["Customer"]):
    def for_staff(self, user: User) -> CustomerQuerySet:
        """Customers are chain-wide: everyone who may see customers sees all of them."""
        return self

    def unmerged(self) -> CustomerQuerySet:
        """Those who stand for themselves: not the profiles that were merged into another."""
        return self.filter(merged_into__isnull=True)

    def known(self) -> CustomerQuerySet:
        """Those who stand for themselves and were not erased."""
        return self.unmerged().filter(erased_at__isnull=True)


class Customer(models.Model):
    """A person who buys; may have no name, no email and no phone.

    A profile that was found to be the same person as another is `merged_into` it while that merge stands, however many
    merges lie between. It keeps its own details and owns nothing; whatever names it means the other (`current`). Of a
    person who was erased (`erased_at`) nothing is left that tells who it was.
    """

    external_id = models.CharField(_("customer number"), max_length=64, unique=True)
    first_name = models.CharField(_("first name"), max_length=80, blank=True, default="")
    last_name = models.CharField(_("last name"), max_length=80, blank=True, default="")
    email = models.EmailField(_("email"), blank=True, default="")
    email_key = models.CharField(max_length=254, blank=True, default="", editable=False)
    phone = models.CharField(_("phone"), max_length=20, blank=True, default="")
    language = models.CharField(_("language"), max_length=5, choices=settings.LANGUAGES, default="en")
    joined_on = models.DateField(_("customer since"))
    birthday = models.DateField(_("birthday"), null=True, blank=True)
    age_band = models.CharField(_("age band"), max_length=10, blank=True, default="")
    household_size = models.PositiveSmallIntegerField(_("household size"), null=True, blank=True)
    home_store = models.ForeignKey(Store, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    merged_into = models.ForeignKey(
        "self", null=True, editable=False, on_delete=models.PROTECT, related_name="former", db_index=False
    )
    erased_at = models.DateTimeField(null=True, editable=False)
    # The place in an alphabetical list: Ā among A and И among I in any database locale, the nameless last.
    sort_name = models.GeneratedField(
        expression=Case(
            When(first_name="", last_name="", then=Concat(Value("~"), F("external_id"))),
            default=Lower(
                Func(
                    Concat(F("last_name"), Value(" "), F("first_name")),
                    Value(_LETTERS + _CYRILLIC),
                    Value(_PLAIN + _LATIN),
                    function="translate",
                )
            ),
        ),
        output_field=models.CharField(max_length=170, db_collation="C"),
        db_persist=True,
    )

    objects = CustomerQuerySet.as_manager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = [
            models.CheckConstraint(
                condition=Q(email="", email_key="") | (~Q(email="") & ~Q(email_key="")),
                name="customers_customer_email_has_key",
            ),
            models.CheckConstraint(
                condition=Q(phone="") | Q(phone__regex=r"^\+[1-9][0-9]{5,14}$"), name="customers_customer_phone_is_e164"
            ),
            models.CheckConstraint(condition=~Q(external_id=""), name="customers_customer_has_number"),
            models.CheckConstraint(
                condition=Q(erased_at__isnull=True)
                | Q(first_name="", last_name="", email_key="", phone="", birthday__isnull=True, age_band=""),
                name="customers_customer_erased_is_nobody",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id")),
                name="customers_customer_merged_into_another",
            ),
        ]
        indexes = [
            models.Index(fields=["email_key"], name="customers_customer_email", condition=~Q(email_key="")),
            models.Index(fields=["phone"], name="customers_customer_phone", condition=~Q(phone="")),
            models.Index(fields=["sort_name", "id"], name="customers_customer_by_name"),
            models.Index(fields=["-joined_on", "-id"], name="customers_customer_newest"),
            models.Index(
                fields=["merged_into"], name="customers_customer_former", condition=Q(merged_into__isnull=False)
            ),
            models.Index(
                fields=["id"],
                name="customers_customer_current",
                condition=Q(merged_into__isnull=True, erased_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def current(self) -> Customer:
        """The profile that stands for this person: the one that it was merged into, else itself."""
        return self.merged_into or self

    @property
    def full_name(self) -> str:
        """The name to show: both names, or a neutral one with the customer's number."""
        if self.erased_at is not None:
            return str(_("Erased customer"))
        return " ".join(filter(None, [self.first_name, self.last_name])) or str(
            _("Customer %(number)s") % {"number": self.external_id}
        )

    @property
    def short_name(self) -> str:
        """First name and initial, fit for a screen that others can see."""
        if not self.first_name:
            return self.full_name if not self.last_name else self.last_name
        return f"{self.first_name} {self.last_name[:1]}." if self.last_name else self.first_name

    @property
    def initials(self) -> str:
        return (self.first_name[:1] + self.last_name[:1]).upper() or "?"

    @property
    def masked_phone(self) -> str:
        """The phone with all but its last four digits hidden; blank without a phone."""
        return f"•• ••• {self.phone[-4:]}" if self.phone else ""

    @property
    def hidden_email(self) -> str:
        """The address as it may stand on a screen that others can see; blank without one."""
        return hidden_email(self.email)

    @property
    def masked_email(self) -> str:
        """The address with its name hidden but for the first and last letter; blank without an address."""
        if not self.email:
            return ""
        name, _at, domain = self.email.partition("@")
        return f"{name[0]}•••{name[-1] if len(name) > 1 else ''}@{domain}"


class Identifier(models.Model):
    """Something that leads to a customer besides the number: a card, or a number the customer had before a merge."""

    class Kind(models.TextChoices):
        CARD = "card", pgettext_lazy("loyalty card", "Card")
        ALIAS = "alias", _("Former number")

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="identifiers")
    kind = models.CharField(max_length=10, choices=Kind)
    value = models.CharField(max_length=64)
    added_at = models.DateTimeField(default=timezone.now)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "value"], name="customers_identifier_leads_to_one_customer"),
            models.CheckConstraint(condition=~Q(value=""), name="customers_identifier_not_blank"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class SearchTerm(models.Model):
    """One searchable word of a customer: casefolded, without accents, in Latin letters, or last four digits."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="terms", db_index=False)
    term = models.CharField(max_length=80, db_collation="C")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "term"], name="customers_term_once")]
        indexes = [models.Index(fields=["term", "customer"], name="customers_term_found")]

    def __str__(self) -> str:
        return self.term

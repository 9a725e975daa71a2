from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer, Visit
from feedback.models.ticket import Ticket


class InvitationMail(models.TextChoices):
    """What became of the invitation by email. Handed over without a reply is not known and never sent again."""

    NONE = "", _("Not sent by email")
    HANDING_OVER = "handing_over", _("Being handed over")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Refused by the mail server")
    UNKNOWN = "unknown", _("Not known whether it arrived")


class SurveyInvitation(models.Model):
    """One question to one customer, "Would you recommend us to a friend?", by an unguessable link; and its answer.

    `rating` is 0 to 10. The link's token is stored hashed. GET never answers; only the confirmed form does.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="survey_invitations")
    visit = models.ForeignKey(Visit, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    about_ticket = models.ForeignKey(Ticket, null=True, blank=True, on_delete=models.PROTECT, related_name="surveys")
    token_hash = models.CharField(max_length=64, unique=True)
    invited_at = models.DateTimeField(default=timezone.now)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    mail = models.CharField(_("email"), max_length=12, choices=InvitationMail, blank=True, default=InvitationMail.NONE)
    mailed_at = models.DateTimeField(null=True)
    rating = models.PositiveSmallIntegerField(_("rating"), null=True)
    words = models.TextField(_("words"), max_length=2000, blank=True, default="")
    answered_at = models.DateTimeField(null=True)
    opened_ticket = models.OneToOneField(
        Ticket, null=True, blank=True, on_delete=models.PROTECT, related_name="from_survey"
    )

    class Meta:
        verbose_name = _("survey")
        verbose_name_plural = _("surveys")
        constraints = [
            models.CheckConstraint(
                condition=Q(rating__isnull=True, answered_at__isnull=True, words="")
                | Q(rating__gte=0, rating__lte=10, answered_at__isnull=False),
                name="feedback_survey_answer_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(mail="", mailed_at__isnull=True) | (~Q(mail="") & Q(mailed_at__isnull=False)),
                name="feedback_survey_mail_has_time",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("invited_at")), name="feedback_survey_ends_later"),
        ]
        indexes = [models.Index(fields=["customer", "-invited_at"], name="feedback_survey_customer")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.rating}"

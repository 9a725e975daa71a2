from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FeedbackConfig(AppConfig):
    name = "feedback"
    verbose_name = _("Feedback")

    def ready(self) -> None:
        from customers.mail_kinds import write_with
        from customers.models import MailKind
        from feedback import badges, heard, knobs, segment_facts  # noqa: F401
        from feedback.actions.answer_mails import AnswerWriter

        write_with(MailKind.TICKET, AnswerWriter())

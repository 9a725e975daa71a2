from feedback.models.deadline import DeadlinePolicy
from feedback.models.resolution import Resolution, ResolutionKind
from feedback.models.survey import InvitationMail, SurveyInvitation
from feedback.models.ticket import (
    Severity,
    Ticket,
    TicketKind,
    TicketMessage,
    TicketPause,
    TicketSource,
    TicketStatus,
)

__all__ = [
    "DeadlinePolicy",
    "InvitationMail",
    "Resolution",
    "ResolutionKind",
    "Severity",
    "SurveyInvitation",
    "Ticket",
    "TicketKind",
    "TicketMessage",
    "TicketPause",
    "TicketSource",
    "TicketStatus",
]

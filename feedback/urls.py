from django.urls import URLPattern, path

from feedback.views import deadlines, inviting, opening, public, ticket, tickets

app_name = "feedback"

urlpatterns: list[URLPattern] = [
    path("tickets/", tickets.tickets, name="tickets"),
    path("tickets/export/", tickets.tickets_export, name="tickets_export"),
    path("tickets/new/", opening.ticket_create, name="ticket_create"),
    path("tickets/deadlines/", deadlines.deadlines, name="deadlines"),
    path("tickets/<int:pk>/", ticket.ticket, name="ticket"),
    path("tickets/<int:pk>/answer/", ticket.ticket_answer, name="ticket_answer"),
    path("tickets/<int:pk>/draft/", ticket.ticket_draft, name="ticket_draft"),
    path("tickets/<int:pk>/words/", ticket.ticket_words, name="ticket_words"),
    path("tickets/<int:pk>/pause/", ticket.ticket_pause, name="ticket_pause"),
    path("tickets/<int:pk>/resume/", ticket.ticket_resume, name="ticket_resume"),
    path("tickets/<int:pk>/take/", ticket.ticket_take, name="ticket_take"),
    path("tickets/<int:pk>/owner/", ticket.ticket_owner, name="ticket_owner"),
    path("tickets/<int:pk>/reopen/", ticket.ticket_reopen, name="ticket_reopen"),
    path("surveys/invite/", inviting.survey_invite, name="survey_invite"),
    path("s/<str:token>/", public.survey, name="survey"),
    path("s/<str:token>/stop/", public.survey_stop, name="survey_stop"),
]

"""Who may have an account: staff made by an admin, never by signing up."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from loyaltycrm.core.actions.tills import forget_failures
from loyaltycrm.core.models import User
from loyaltycrm.core.tills import remember_till, till_of


class StaffAccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: User) -> None:
        """A login by password and, where there is one, the second step: on a till the session knows which till."""
        super().login(request, user)
        forget_failures(user)
        remember_till(request, till_of(request))

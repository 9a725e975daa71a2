"""The login package's forms, whose mistakes name the field and say what to do, like those of every other form."""

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as second_step
from allauth.mfa.totp import forms as totp
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import DeskFormMixin


class Plain(DeskFormMixin):
    """The first field has the focus, as on every page where there is one thing to do."""

    purpose = _("To go on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        next(iter(self.fields.values())).widget.attrs["autofocus"] = True


class Login(Plain, account.LoginForm):
    pass


class ChangePassword(Plain, account.ChangePasswordForm):
    pass


class SetPassword(Plain, account.SetPasswordForm):
    pass


class AskForNewPassword(Plain, account.ResetPasswordForm):
    pass


class NewPassword(Plain, account.ResetPasswordKeyForm):
    pass


class TypePasswordAgain(Plain, account.ReauthenticateForm):
    pass


class SecondStep(Plain, second_step.AuthenticateForm):
    pass


class SecondStepAgain(Plain, second_step.ReauthenticateForm):
    pass


class SwitchOnSecondStep(Plain, totp.ActivateTOTPForm):
    pass

"""What `check --deploy` says about a deployment whose offers would not arrive."""

import pytest
from pytest_django import Settings

from rewards.checks import offers_can_be_mailed

SMTP = "django.core.mail.backends.smtp.EmailBackend"
GOOD = {
    "BASE_URL": "https://rudzi.example",
    "DEFAULT_FROM_EMAIL": "Rudzi <hello@rudzi.lv>",
    "EMAIL_BACKEND": SMTP,
    "EMAIL_HOST": "smtp.rudzi.lv",
    "EMAIL_USE_TLS": True,
}
POSTMARK = {
    "EMAIL_BACKEND": "anymail.backends.postmark.EmailBackend",
    "MAIL_EVENTS_FROM": "postmark",
    "ANYMAIL": {"WEBHOOK_SECRET": "name:password"},
}


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"BASE_URL": "http://rudzi.example"}, ["loyaltycrm.W101"]),
        ({"DEFAULT_FROM_EMAIL": "loyaltycrm@localhost"}, ["loyaltycrm.W102"]),
        ({"DEFAULT_FROM_EMAIL": ""}, ["loyaltycrm.W102"]),
        ({"EMAIL_USE_TLS": False}, ["loyaltycrm.W103"]),
        ({"EMAIL_USE_TLS": False, "EMAIL_HOST": "127.0.0.1"}, []),
        ({"EMAIL_USE_TLS": False, **POSTMARK}, []),
        ({**POSTMARK, "MAIL_EVENTS_FROM": ""}, ["loyaltycrm.W104"]),
        ({**POSTMARK, "MAIL_EVENTS_FROM": "pigeon"}, ["loyaltycrm.W104"]),
        ({**POSTMARK, "ANYMAIL": {}}, ["loyaltycrm.W104"]),
    ],
)
def test_each_thing_missing_is_named(settings: Settings, changes: dict[str, object], ids: list[str]) -> None:
    settings.EMAIL_USE_SSL = False
    for name, content in {**GOOD, **changes}.items():
        setattr(settings, name, content)
    assert [found.id for found in offers_can_be_mailed(None)] == ids

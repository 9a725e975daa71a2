"""A body that is too large is refused by the length it tells, before anything of it is read."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from loyaltycrm.core.forms import KEY_FIELD
from loyaltycrm.core.models import ImportJob, User
from loyaltycrm.shop.tests.imports import customers

SignIn = Callable[[User], Client]

pytestmark = pytest.mark.django_db
# Fields of forms are held in memory up to 2 621 440 bytes; what wraps them is 1 000 000 at most.
MOST_OF_FORMS = 3_621_440


def told(client: Client, address: str, length: int) -> int:
    """What comes back for a body of so many bytes; reading it would fail, since it is not there."""
    return client.post(
        address, "", content_type="multipart/form-data; boundary=b", CONTENT_LENGTH=str(length)
    ).status_code


@pytest.mark.parametrize("address", ["account_login", "shop:import_new", "shop:home"])
def test_nobody_unknown_fills_the_disk(address: str) -> None:
    """Were the check of forms before it, it would answer 403."""
    assert told(Client(enforce_csrf_checks=True), reverse(address), MOST_OF_FORMS + 1) == 413


def test_files_are_taken_where_they_are_imported(dace: User, signed_in: SignIn, settings: Settings) -> None:
    settings.IMPORT_LARGEST_MB = 5
    client = signed_in(dace)
    assert told(client, reverse("shop:imports"), MOST_OF_FORMS + 1) == 413
    assert told(client, reverse("shop:import_new"), MOST_OF_FORMS + 5_000_001) == 413
    content = customers(1) + b"\n" * 4_000_000
    file = SimpleUploadedFile("customers.csv", content)
    filled = {"kind": "customers", "file": file, KEY_FIELD: str(uuid.uuid4())}
    assert client.post(reverse("shop:import_new"), filled).status_code == 302
    assert ImportJob.objects.get().size_bytes == len(content)


def test_the_refusal_is_a_page(client: Client) -> None:
    answer = client.post(reverse("account_login"), "", content_type="text/plain", CONTENT_LENGTH=str(10**9))
    assert answer.status_code == 413
    assert "This request is too large." in answer.content.decode()

"""What one person asked for, another approves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission
from loyaltycrm.core.second_person import check_second_person

pytestmark = pytest.mark.django_db
NEEDED = Permission.APPROVE


def test_another_manager_approves(dace: User, admin: User) -> None:
    assert check_second_person(asked_by=dace, asked_at=timezone.now(), by=admin, needed=NEEDED) is False


def test_not_oneself_while_there_is_another(dace: User, admin: User) -> None:
    long_ago = timezone.now() - timedelta(days=30)
    with pytest.raises(Refused, match="Another manager"):
        check_second_person(asked_by=dace, asked_at=long_ago, by=dace, needed=NEEDED)


def test_the_only_manager_after_a_delay(dace: User, liga: User) -> None:
    with pytest.raises(Refused, match="no other manager"):
        check_second_person(asked_by=dace, asked_at=timezone.now(), by=dace, needed=NEEDED)
    yesterday = timezone.now() - timedelta(hours=25)
    assert check_second_person(asked_by=dace, asked_at=yesterday, by=dace, needed=NEEDED) is True


def test_a_disabled_manager_is_nobody_else(dace: User, admin: User) -> None:
    admin.is_active = False
    admin.save(update_fields=["is_active"])
    yesterday = timezone.now() - timedelta(hours=25)
    assert check_second_person(asked_by=dace, asked_at=yesterday, by=dace, needed=NEEDED) is True


def test_the_till_approves_nothing(dace: User, liga: User) -> None:
    with pytest.raises(Refused, match="role"):
        check_second_person(asked_by=dace, asked_at=timezone.now(), by=liga, needed=NEEDED)

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models.store import Store


class Role(models.TextChoices):
    TILL = "till", _("Till")
    MANAGER = "manager", _("Manager")
    ADMIN = "admin", _("Admin")


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Make a member of staff; without a password the person cannot log in until one is set."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, role=Role.ADMIN, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A member of staff. What a person may do follows from the role alone (`core.permissions`)."""

    email = models.EmailField(_("email"), unique=True)
    name = models.CharField(_("name"), max_length=120)
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.TILL)
    stores = models.ManyToManyField(Store, verbose_name=_("stores"), related_name="staff", blank=True)
    language = models.CharField(_("language"), max_length=5, blank=True, default="")
    theme = models.CharField(_("theme"), max_length=5, blank=True, default="")
    customer_id: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(
        _("own customer number"), null=True, blank=True
    )
    is_active = models.BooleanField(_("active"), default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = UserManager()

    class Meta:
        verbose_name = _("member of staff")
        verbose_name_plural = _("staff")
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="core_user_role_known"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def short_name(self) -> str:
        """The first name and the initial of the last, fit for a screen that customers see."""
        first, *others = self.name.split()
        return f"{first} {others[-1][:1]}." if others else first

    @property
    def sees_all_stores(self) -> bool:
        return self.role == Role.ADMIN

    @property
    def is_staff(self) -> bool:
        return self.role == Role.ADMIN

from django.db import models
from django.utils.translation import gettext_lazy as _


class Product(models.Model):
    """Something the shop sells, as its till names it."""

    product_id = models.CharField(_("product number"), max_length=64, unique=True)
    department = models.CharField(_("department"), max_length=80, blank=True, default="")
    category = models.CharField(_("category"), max_length=120, blank=True, default="")
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    brand = models.CharField(_("brand"), max_length=80, blank=True, default="")
    package = models.CharField(_("package"), max_length=80, blank=True, default="")

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")

    def __str__(self) -> str:
        return self.name or self.product_id

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer


class Group(models.TextChoices):
    REGULAR_LOYAL = "regular_loyal", _("Regular and loyal")
    REGULAR = "regular", _("Regular, not loyal")
    LOYAL = "loyal", _("Loyal, not regular")
    NEITHER = "neither", _("Neither yet")
    UNKNOWN = "unknown", _("Not known yet")


def late_from(of: str = "") -> models.Func:
    """The first day on which a customer can be late by their usual gap: as long after the last visit, and two days.

    Literals are in the text because an index is only found by the very expression that it is made of. `of`: the way to
    the classification, as `classification__`.
    """
    return models.Func(
        F(f"{of}last_visit_on"),
        F(f"{of}usual_gap_days"),
        arg_joiner=" + ceil(greatest(",
        template="(%(expressions)s, 2))::integer)",
        output_field=models.DateField(),
    )


class ClassificationRun(models.Model):
    """One pass over the customers: for which day, under which settings, against which prices of the stores.

    Append-only by use: a run is written when its pass is done. `is_full` passes decide every customer anew; the
    others only those whose facts changed or whose window moved. `norms` holds what full passes measured and the
    passes between them go by. `group_counts` tells who ran it how many
    customers each group has on the day; it is not kept.
    """

    group_counts: dict[str, int]

    as_of = models.DateField()
    is_full = models.BooleanField()
    knob_values = models.JSONField()
    norms = models.JSONField()
    customers = models.PositiveIntegerField()
    changes = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(default=timezone.now)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        get_latest_by = "id"
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at__gte=F("started_at")), name="customers_classificationrun_ends_after_start"
            )
        ]

    def __str__(self) -> str:
        return f"{self.as_of}"


class Classification(models.Model):
    """A customer's two facts as last decided, with their reasons; one row per customer, written by `classify`.

    `evidence` holds the numbers behind the score by kind, so that every score opens to its reasons
    (`customers.classification.reasons`). `as_of` is the day from which the row holds as it is; `next_due_on` the
    first day on which it would change although nothing happens. `thin`: little evidence, so the score says little.
    """

    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, primary_key=True, related_name="classification")
    as_of = models.DateField()
    regular = models.BooleanField()
    repeat_days = models.PositiveIntegerField()
    months_in_row = models.PositiveIntegerField()
    score = models.DecimalField(max_digits=4, decimal_places=1, null=True)
    loyal = models.BooleanField(null=True)
    thin = models.BooleanField(default=True)
    flagged = models.BooleanField(default=False)
    evidence = models.JSONField(default=dict)
    group = models.CharField(max_length=14, choices=Group)
    usual_gap_days = models.DecimalField(max_digits=6, decimal_places=1, null=True)
    last_visit_on = models.DateField(null=True)
    next_due_on = models.DateField(null=True)
    run = models.ForeignKey(ClassificationRun, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(score__isnull=True) | Q(score__gte=0, score__lte=100),
                name="customers_classification_score_in_bounds",
            ),
            models.CheckConstraint(
                condition=Q(group="unknown", loyal__isnull=True)
                | Q(group="regular_loyal", regular=True, loyal=True, loyal__isnull=False)
                | Q(group="regular", regular=True, loyal=False, loyal__isnull=False)
                | Q(group="loyal", regular=False, loyal=True, loyal__isnull=False)
                | Q(group="neither", regular=False, loyal=False, loyal__isnull=False),
                name="customers_classification_group_follows_facts",
            ),
        ]
        indexes = [
            models.Index(fields=["group"], name="customers_classif_group"),
            models.Index(fields=["next_due_on"], name="customers_classif_due"),
            models.Index(fields=["score"], name="customers_classif_score"),
            models.Index(late_from(), condition=Q(usual_gap_days__gt=0), name="customers_classif_late"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.group}"


class GroupChange(models.Model):
    """What was decided at the time: a customer's group from a day on, with the facts and the run behind it.

    Append-only: the database refuses UPDATE, DELETE and TRUNCATE.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="group_changes")
    on = models.DateField()
    group_before = models.CharField(max_length=14, choices=Group, blank=True, default="")
    group = models.CharField(max_length=14, choices=Group)
    facts = models.JSONField(default=dict)
    run = models.ForeignKey(ClassificationRun, on_delete=models.PROTECT, related_name="+", db_index=False)
    decided_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["customer", "-on", "-id"], name="customers_groupchange_newest")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.group} from {self.on}"


class LoyaltyFlag(models.Model):
    """A manager's own decision that a customer is loyal or not, with a reason and an end; shown as such.

    It stands from `starts_on` through `ends_on`, unless lifted before; of several that stand the newest holds.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="loyalty_flags")
    loyal = models.BooleanField(_("loyal"))
    reason = models.CharField(_("reason"), max_length=200)
    starts_on = models.DateField()
    ends_on = models.DateField(_("until"))
    set_at = models.DateTimeField(default=timezone.now)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    lifted_on = models.DateField(null=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="customers_flag_ends_after_start"),
            models.CheckConstraint(condition=~Q(reason=""), name="customers_flag_has_reason"),
            models.CheckConstraint(
                condition=Q(lifted_on__isnull=True, lifted_at__isnull=True)
                | Q(lifted_on__isnull=False, lifted_at__isnull=False),
                name="customers_flag_lifted_on_a_day_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.reason

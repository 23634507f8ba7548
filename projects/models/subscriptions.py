"""Rows of the codes that the operator gives out."""

from django.core.validators import MinValueValidator as AtLeast
from django.core.validators import RegexValidator
from django.db import models

from portal import clock

CODE = RegexValidator(r"\A[A-Z0-9][A-Z0-9-]{4,38}[A-Z0-9]\Z", "6 to 40 capital letters, digits and hyphens.")


class Subscription(models.Model):
    """A code that the operator gave out, and what it allows: see projects/subscriptions.py and projects/plans.py."""

    class Kind(models.TextChoices):
        ENTERPRISE = "enterprise", "Enterprise with hosting: one project"
        PARTNER = "partner", "Partner: any number of trials"
        APPS = "apps", "Enterprise without hosting: no project"  # so that its code is refused with that reason

    code = models.CharField(max_length=40, unique=True, validators=[CODE])
    kind = models.CharField(max_length=10, choices=Kind.choices)
    holder = models.CharField(max_length=100, blank=True)  # whom it was given to
    region = models.CharField(max_length=64, blank=True)  # of the host; "" for any
    workers = models.PositiveSmallIntegerField(  # None: no limit, here and below
        null=True, blank=True, validators=[AtLeast(1)]
    )
    staging_branches = models.PositiveSmallIntegerField(null=True, blank=True)
    storage_gb = models.PositiveIntegerField(null=True, blank=True, validators=[AtLeast(1)])
    ends_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.code

    @property
    def has_ended(self) -> bool:
        return self.ends_at is not None and self.ends_at <= clock.now()

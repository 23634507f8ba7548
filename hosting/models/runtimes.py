"""Rows of frozen Odoo images."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal import clock
from portal.models import User


class RuntimeQuerySet(models.QuerySet["Runtime"]):
    def frozen(self) -> "RuntimeQuerySet":
        """Those of which builds can be made."""
        return self.exclude(frozen_at=None).filter(removed_at=None)

    def asked(self) -> "RuntimeQuerySet":
        return self.filter(frozen_at=None)


class Runtime(models.Model):
    """Odoo of a series as an image was on a day: see hosting/runtimes.py. Without that day it is the wish for one."""

    host = models.ForeignKey("hosting.Host", models.PROTECT, related_name="+")
    series = models.CharField(max_length=8)
    image_id = models.CharField(max_length=80, blank=True)
    image = models.CharField(max_length=200, blank=True)  # the name that led to it; "" for the stand-in
    digest = models.CharField(max_length=200, blank=True)  # by which a registry has it; "" where none does
    urgent = models.BooleanField(default=False)  # production takes it at once, not in its hour
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")  # None: the week is over
    asked_at = models.DateTimeField(default=clock.now)
    frozen_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)  # when there was nothing newer
    wrong = models.CharField(max_length=300, blank=True)  # why the last look saw no more than this machine has
    removed_at = models.DateTimeField(null=True)  # no build is made of it from then on
    untagged = models.BooleanField(default=False)  # and the engine may let it go

    objects = RuntimeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["host", "series"], condition=Q(frozen_at=None), name="one_wish_per_series"),
        ]
        indexes: ClassVar = [models.Index(fields=["host", "series", "-id"])]

    def __str__(self) -> str:
        return f"Odoo {self.series} of {self.frozen_at:%-d %B %Y}" if self.frozen_at else f"Odoo {self.series}"

    @property
    def stand_in(self) -> bool:
        """Whether it is Berth's own, not Odoo itself."""
        return not self.image

    @property
    def name(self) -> str:
        """For people: it says which of that name it is."""
        return f"{self.image or f'stand-in for Odoo {self.series}'} ({self.short})"

    @property
    def short(self) -> str:
        return self.image_id.removeprefix("sha256:")[:12]

    @property
    def tag(self) -> str:
        """The name by which this installation keeps it."""
        return f"berth-{settings.BERTH_INSTALLATION}/odoo:{self.series}-r{self.pk}"

"""Rows of databases to be copied by development builds."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from hosting.models.hosts import Host
from hosting.models.instances import Instance
from portal import clock
from portal.models import Story


class Template(models.Model):
    """A database with modules of Odoo alone and demo data, of which development builds make theirs."""

    host = models.ForeignKey(Host, models.PROTECT)
    series = models.CharField(max_length=8)
    image_id = models.CharField(max_length=80)  # of Odoo, without anybody's modules
    modules = models.JSONField(default=list)  # that were asked for, sorted
    installed = models.JSONField(default=list)  # with all that these need
    key = models.CharField(max_length=64)  # of image and modules
    instance = models.ForeignKey(Instance, models.SET_NULL, null=True, related_name="+")
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")
    seconds = models.FloatField(null=True)  # that installing took
    uses = models.PositiveIntegerField(default=0)
    used_at = models.DateTimeField(default=clock.now)
    wrong = models.CharField(max_length=200, blank=True)  # why there is none
    created_at = models.DateTimeField(default=clock.now)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["host", "key"], condition=Q(removed_at=None), name="one_template_per_image_and_modules"
            ),
        ]

    def __str__(self) -> str:
        return f"template {self.pk} of Odoo {self.series} with {', '.join(self.modules)}"[:200]

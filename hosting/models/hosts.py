"""Rows of machines and of their database servers."""

import ipaddress

from django.conf import settings
from django.db import models


class Stage(models.TextChoices):
    PRODUCTION = "production", "Production"
    STAGING = "staging", "Staging"
    DEVELOPMENT = "development", "Development"


class Host(models.Model):
    """A machine with a Docker Engine."""

    name = models.CharField(max_length=64, unique=True)
    region = models.CharField(max_length=64)
    docker_url = models.CharField(max_length=200)
    subnet = models.CharField(max_length=18)  # a /16: the lower half for production, the upper for the rest
    disk_size = models.BigIntegerField(null=True)  # bytes, when it was measured last; of its fullest disk
    disk_free = models.BigIntegerField(null=True)
    disk_measured_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name

    def network(self, *, production: bool) -> ipaddress.IPv4Network:
        halves = list(ipaddress.IPv4Network(self.subnet).subnets())
        return halves[0 if production else 1]

    def gateway(self, *, production: bool) -> str:
        """Where containers reach this machine's PostgreSQL."""
        return str(self.network(production=production)[1])


class DatabaseServer(models.Model):
    """A PostgreSQL cluster in which hosted databases live. Its superuser's address is a setting, never a row."""

    class Purpose(models.TextChoices):
        HOSTED = "hosted", "production"
        LAB = "lab", "staging, development, drills"

    purpose = models.CharField(max_length=8, choices=Purpose.choices, unique=True)
    host = models.ForeignKey(Host, models.PROTECT)

    def __str__(self) -> str:
        return self.purpose

    @property
    def url(self) -> str:
        return str(settings.BERTH_HOSTED_URL if self.purpose == self.Purpose.HOSTED else settings.BERTH_LAB_URL)

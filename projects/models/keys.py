"""The row of a deploy key."""

from typing import ClassVar

from django.db import models

from portal import clock
from portal.secrets import EncryptedField


class DeployKey(models.Model):
    """A key pair with which builds fetch one submodule. The private half never leaves Berth."""

    class Kind(models.TextChoices):
        ED25519 = "ed25519", "ed25519"
        RSA = "rsa", "rsa 4096, for servers that don't know ed25519"

    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="deploy_keys")
    url = models.CharField(max_length=500)  # as it was pasted
    place = models.CharField(max_length=520)  # the same for both ways to write it: see git.ssh_place
    kind = models.CharField(max_length=7, choices=Kind.choices, default=Kind.ED25519)
    private = EncryptedField()
    public = models.TextField()
    known_hosts = models.TextField(blank=True)  # the server's keys, pinned at the first use
    provider_key = models.CharField(max_length=64, blank=True)  # its id there, where Berth installed it
    stale_key = models.CharField(max_length=64, blank=True)  # of the one before, still to be removed there
    used_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)  # of the last use
    failed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "place"], name="one_key_per_submodule")]

    def __str__(self) -> str:
        return self.url

"""Rows of backups, of the vaults they lie in, and of these vaults' copies."""

from typing import ClassVar

from django.db import models

from hosting.models.instances import Instance
from portal import clock
from portal.models import Result, State, Story, User
from portal.secrets import EncryptedField, new_password


class Vault(models.Model):
    """A restic repository with a key of its own. Who loses the installation's keys loses what is in it."""

    key = EncryptedField(default=new_password)
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return f"v{self.pk}"


class Backup(models.Model):
    """A backup of an instance, from the wish for it to the end of what it kept."""

    HOURS = 7 * 24

    class Kind(models.TextChoices):
        NIGHTLY = "nightly", "Nightly"
        MANUAL = "manual", "Manual"
        AUTOMATIC = "auto", "Automatic"  # before an update of modules or requirements

    class Proof(models.TextChoices):
        """Whether it was restored, opened and compared."""

        NONE = "", "Not proven yet"
        PROVEN = "proven", "Proven"
        FAILED = "failed", "Not proven"

    vault = models.ForeignKey(Vault, models.PROTECT, related_name="backups")
    instance = models.ForeignKey(Instance, models.PROTECT, related_name="backups")
    drill = models.ForeignKey(  # on which it is proven, while that is there; a proven one is kept: hosting/restored.py
        Instance, models.SET_NULL, null=True, related_name="+"
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")  # None: the clock
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.NONE, blank=True)
    commit = models.CharField(max_length=40, blank=True)  # of the code that served
    odoo_image = models.CharField(max_length=200, blank=True, default="", db_default="")  # that it was made from
    taken_at = models.DateTimeField(null=True)  # the moment of which it is
    snapshot = models.CharField(max_length=64, blank=True)  # restic's; "" while nothing is stored
    manifest_hash = models.CharField(max_length=64, blank=True)  # SHA-256
    size_bytes = models.BigIntegerField(null=True)  # of all that is in it
    new_bytes = models.BigIntegerField(null=True)  # that the vault did not have before
    progress = models.JSONField(default=dict)  # while it is stored: see builds/backup.py
    proof = models.CharField(max_length=6, choices=Proof.choices, default=Proof.NONE, blank=True)
    proven_at = models.DateTimeField(null=True)
    restore_seconds = models.FloatField(null=True)  # from nothing to the login page, when it was proven
    wrong = models.TextField(blank=True)  # why it is not proven
    lacking = models.PositiveIntegerField(  # files that attachments named and production didn't have
        default=0, db_default=0
    )
    hours_left = models.PositiveIntegerField(  # that one stays which doesn't count as a nightly one
        default=HOURS, db_default=HOURS
    )
    forgotten_at = models.DateTimeField(null=True)  # its content is gone by the rule of hosting/retention.py
    created_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["instance", "-id"])]

    def __str__(self) -> str:
        return f"{self.kind} backup {self.pk} of {self.instance}"

    @property
    def tag(self) -> str:
        """How its snapshot is called in the vault."""
        return f"backup-{self.pk}"


class PlaceQuerySet(models.QuerySet["Place"]):
    def alive(self) -> "PlaceQuerySet":
        return self.filter(removed_at=None)


class Place(models.Model):
    """Where copies of all vaults lie besides this machine's disk: see hosting/places.py."""

    name = models.SlugField(max_length=40, unique=True)
    address = models.CharField(max_length=300)  # a folder's path, sftp://... or s3:https://...
    account = EncryptedField(blank=True)  # a private SSH key, or variables of an S3 account, a line each
    keeps_all = models.BooleanField(default=False)  # what lies there can't be altered: nothing is ever forgotten
    created_at = models.DateTimeField(default=clock.now)
    removed_at = models.DateTimeField(null=True)  # a copy to it may still be on its way

    objects = PlaceQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class VaultCopy(models.Model):
    """The copy of a vault at a place, with what came of trying to bring it up to date."""

    vault = models.ForeignKey(Vault, models.CASCADE, null=True, related_name="copies")  # None: the installation itself
    place = models.ForeignKey(Place, models.CASCADE, related_name="copies")
    backups = models.ManyToManyField(Backup, related_name="copies")  # whose content lies there, or whose rows
    story = models.OneToOneField(Story, models.SET_NULL, null=True, related_name="+")  # the last one
    done_at = models.DateTimeField(null=True)  # when it held all that it should, and was found whole
    failing_since = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)  # that failed since then
    next_at = models.DateTimeField(default=clock.now)  # not tried before
    error = models.TextField(blank=True)  # the last one

    class Meta:
        ordering: ClassVar = ["place__name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vault", "place"], name="one_copy_per_place", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"the copy of {self.vault or 'the installation'} at {self.place}"

    @property
    def alarm(self) -> str:
        """The key of its alarm."""
        return f"vault-copy-{self.pk}"

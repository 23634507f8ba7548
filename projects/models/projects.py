"""Rows of projects, of their members, and of the disk they use."""

from typing import ClassVar

from django.core.validators import MaxValueValidator as AtMost
from django.core.validators import RegexValidator
from django.db import models

from hosting.models import Host, Vault
from portal import clock
from portal.models import User
from portal.secrets import EncryptedField, new_password
from projects import validators
from projects.models.subscriptions import Subscription

SLUG = RegexValidator(
    r"^[a-z][a-z0-9-]{0,29}[a-z0-9]$", "2 to 31 small letters, digits and hyphens, beginning with a letter."
)


class Role(models.TextChoices):
    """Project roles, weakest first."""

    DEVELOPER = "developer", "Developer"
    TESTER = "tester", "Tester"
    ADMIN = "admin", "Admin"


class ProjectQuerySet(models.QuerySet["Project"]):
    def alive(self) -> "ProjectQuerySet":
        """Those that nobody deleted."""
        return self.filter(deleted_at=None)

    def deleted(self) -> "ProjectQuerySet":
        """Those whose deletion can be undone: see builds/deletion.py."""
        return self.exclude(deleted_at=None).filter(removed_at=None)

    def visible_to(self, user: User) -> "ProjectQuerySet":
        """The scoped query: what a person may know of. A foreign project is a 404."""
        return self.alive() if user.is_superuser else self.alive().filter(members__user=user)

    def managed_by(self, user: User) -> "ProjectQuerySet":
        admins = Member.objects.filter(user=user, role=Role.ADMIN)
        return self if user.is_superuser else self.filter(pk__in=admins.values("project"))


class Project(models.Model):
    """A repository with its branches."""

    name = models.CharField(max_length=100)
    slug = models.CharField(max_length=31, unique=True, validators=[SLUG])
    series = models.CharField(max_length=8)
    host = models.ForeignKey(Host, models.PROTECT)
    repository = models.CharField(max_length=200)  # owner/name; followed when it is renamed
    provider_id = models.CharField(max_length=64, unique=True)  # one project per repository, whatever its name
    clone_url = models.CharField(max_length=500)
    token = EncryptedField(blank=True)  # of the person who connected the repository, or lent an account since
    token_of = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    token_error = models.CharField(max_length=300, blank=True, default="", db_default="")  # why the provider refuses it
    gone_at = models.DateTimeField(null=True)  # since when the provider doesn't find the repository
    webhook_secret = EncryptedField(default=new_password)
    webhook_id = models.CharField(max_length=64, blank=True)
    webhook_error = models.CharField(max_length=300, blank=True)
    webhook_seen_at = models.DateTimeField(null=True)
    public = models.BooleanField(default=False)
    vault = models.OneToOneField(Vault, models.PROTECT, null=True, related_name="+")  # made with the first backup
    time_zone = models.CharField(max_length=40, default="UTC", db_default="UTC", validators=[validators.time_zone])
    backup_hour = models.PositiveSmallIntegerField(  # of the night's backup, in that time zone
        default=2, db_default=2, validators=[AtMost(23)]
    )
    quota_gb = models.PositiveIntegerField(  # of disk; None: what the installation gives, 0: no limit
        null=True, blank=True
    )
    subscription = models.OneToOneField(  # an enterprise one; with neither this nor a trial nothing limits the project
        Subscription, models.PROTECT, null=True, related_name="project"
    )
    partner = models.ForeignKey(  # whose trial it is, or was
        Subscription, models.PROTECT, null=True, related_name="trials"
    )
    trial_hours = models.PositiveIntegerField(null=True)  # of its trial that have passed: see portal/hours.py
    ended_hours = models.PositiveIntegerField(default=0, db_default=0)  # that have since its subscription ended
    builds_counted = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now)
    deleted_at = models.DateTimeField(null=True)  # by somebody, who may undo it for a while
    deleted_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    hours_left = models.PositiveIntegerField(null=True)  # that Berth lives through, until what it has is removed
    condemned_at = models.DateTimeField(null=True)  # since when that goes on though the last backup isn't proven
    removed_at = models.DateTimeField(null=True)  # when that was done; what is left is its name in the log of builds

    objects = ProjectQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def days_left(self) -> int:
        """Begun ones, until what a deleted project has is removed."""
        return -(-(self.hours_left or 0) // 24)


class DiskUse(models.Model):
    """What one thing takes of the disk, as it was measured last: see builds/measuring.py."""

    class Kind(models.TextChoices):
        DATABASE = "database", "Databases"
        FILES = "files", "Filestores"
        LOGS = "logs", "Logs"
        VAULT = "vault", "Backups"
        IMAGE = "image", "Images"
        MIRROR = "mirror", "Git mirrors"
        TEMPLATE = "template", "Template databases"
        CACHE = "cache", "Layers that no image uses"
        OWN = "own", "Berth itself"

    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="disk_use")  # None: nobody's alone
    kind = models.CharField(max_length=8, choices=Kind.choices)
    name = models.CharField(max_length=300)
    bytes = models.BigIntegerField()
    measured_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["kind", "name"], name="one_measure_per_thing")]

    def __str__(self) -> str:
        return f"{self.name}: {self.bytes:,} bytes"


class Member(models.Model):
    project = models.ForeignKey(Project, models.CASCADE, related_name="members")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "user"], name="one_role_per_person")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role}"

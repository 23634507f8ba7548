"""Rows of what people own: projects, their members and branches."""

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator as AtMost
from django.core.validators import MinValueValidator as AtLeast
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from hosting.models import Alias, Host, Instance, Runtime, Stage, Vault
from portal import clock
from portal.models import User
from portal.secrets import EncryptedField, new_password
from projects import validators
from projects.hookmodels import Hook, HookDelivery
from projects.keymodels import DeployKey
from projects.noticemodels import Notice, NoticeChoice

__all__ = [
    "Branch",
    "DeployKey",
    "DiskUse",
    "Domain",
    "Hook",
    "HookDelivery",
    "Invitation",
    "Member",
    "Notice",
    "NoticeChoice",
    "Project",
    "Role",
    "Stage",
    "Subscription",
]

SLUG = RegexValidator(
    r"^[a-z][a-z0-9-]{0,29}[a-z0-9]$", "2 to 31 small letters, digits and hyphens, beginning with a letter."
)
CODE = RegexValidator(r"\A[A-Z0-9][A-Z0-9-]{4,38}[A-Z0-9]\Z", "6 to 40 capital letters, digits and hyphens.")


class Role(models.TextChoices):
    """Project roles, weakest first."""

    DEVELOPER = "developer", "Developer"
    TESTER = "tester", "Tester"
    ADMIN = "admin", "Admin"


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


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> "InvitationQuerySet":
        return self.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=clock.now())


class Invitation(models.Model):
    """A link by which one person becomes a member: who has this login at GitHub, or this mail address, proven there."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="invitations")
    login = models.CharField(max_length=64, blank=True)
    email = models.CharField(max_length=254, blank=True)  # in small letters
    role = models.CharField(max_length=10, choices=Role.choices)
    takes_over = models.BooleanField(default=False, db_default=False)  # the project: see projects/handover.py
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of what the link has: it is shown once
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(login="") ^ Q(email=""), name="invited_by_login_or_email"),
        ]

    def __str__(self) -> str:
        return self.email or f"@{self.login}"


class BranchQuerySet(models.QuerySet["Branch"]):
    def alive(self) -> "BranchQuerySet":
        return self.filter(deleted_at=None)


class Branch(models.Model):
    """A branch of the repository and the stage it is on."""

    class Install(models.TextChoices):
        MINE = "mine", "the repository's modules"
        ALL = "all", "the repository's modules and its submodules'"
        LIST = "list", "a list"

    class OnPush(models.TextChoices):
        """What a new commit does."""

        BUILD = "build", "a new build"
        UPDATE = "update", "an update of what runs, which keeps its database"
        NOTHING = "nothing", "nothing, until somebody asks for a build"

    class Strategy(models.TextChoices):
        BLUE_GREEN = "blue-green", "blue-green: the new pool starts beside the old one"
        IN_TURN = "in-turn", "one after the other: the old pool stops first, for machines with little memory"

    class LongUpdates(models.TextChoices):
        """What is done where the rehearsal of an update took longer than visitors may be kept waiting."""

        PUT_OFF = "put-off", "put the update off and say so"
        PAGE = "page", "show a maintenance page meanwhile"

    project = models.ForeignKey(Project, models.CASCADE, related_name="branches")
    name = models.CharField(max_length=255)
    stage = models.CharField(max_length=12, choices=Stage.choices, default=Stage.DEVELOPMENT)
    instance = models.OneToOneField(Instance, models.SET_NULL, null=True, related_name="+")  # the one that serves now
    on_push = models.CharField(
        max_length=8, choices=OnPush.choices, default=OnPush.BUILD, db_default=OnPush.BUILD.value
    )
    install = models.CharField(max_length=4, choices=Install.choices, default=Install.MINE)
    install_list = models.JSONField(default=list, blank=True, validators=[validators.module_names])
    run_tests = models.BooleanField(default=True)
    from_template = models.BooleanField(default=True, db_default=True)  # of development: see builds/template.py
    test_tags = models.CharField(max_length=200, blank=True, validators=[validators.test_tags])
    replicas = models.PositiveSmallIntegerField(  # containers with HTTP workers in a pool of production
        default=1, validators=[AtLeast(1), AtMost(4)]
    )
    workers = models.PositiveSmallIntegerField(  # HTTP workers in each of them
        default=2, validators=[AtLeast(1), AtMost(64)]
    )
    memory_mb = models.PositiveIntegerField(default=1536, validators=[AtLeast(256)])  # of each container
    cpus = models.DecimalField(  # of each container; None: the platform's
        max_digits=5, decimal_places=2, null=True, blank=True, validators=[AtLeast(Decimal("0.1"))]
    )
    strategy = models.CharField(max_length=12, choices=Strategy.choices, default=Strategy.BLUE_GREEN)
    drain_seconds = models.PositiveIntegerField(default=60, validators=[AtMost(1200)])
    full_timeout_seconds = models.PositiveIntegerField(  # for a new pool to prove itself
        default=180, validators=[AtLeast(20), AtMost(3600)]
    )
    probe_path = models.CharField(max_length=200, default="/web/login", validators=[validators.probe_path])
    keep_minutes = models.PositiveIntegerField(  # a replaced pool of production, to roll back to
        default=15, validators=[AtMost(1440)]
    )
    long_updates = models.CharField(max_length=8, choices=LongUpdates.choices, default=LongUpdates.PUT_OFF)
    hold_seconds = models.PositiveSmallIntegerField(  # the longest that visitors wait for an update
        default=25, validators=[AtLeast(1), AtMost(60)]
    )
    idle_minutes = models.PositiveIntegerField(  # without a request before it sleeps; never production
        default=30, validators=[AtLeast(1), AtMost(10080)]
    )
    copy_hours = models.PositiveSmallIntegerField(  # how old what staging copies from a proven backup may be; 0: live
        default=24, db_default=24, validators=[AtMost(168)]
    )
    runtime = models.ForeignKey(  # that its builds are made of; None: the newest one
        Runtime, models.SET_NULL, null=True, blank=True, related_name="pinned_by"
    )
    pinned_until = models.DateTimeField(null=True)  # see projects/pins.py
    pin_told_at = models.DateTimeField(null=True)  # that this comes soon
    head = models.CharField(max_length=40, blank=True)  # the newest commit that we know of
    deleted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    objects = BranchQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="one_branch_per_name"),
            models.UniqueConstraint(
                fields=["project"], condition=Q(stage="production", deleted_at=None), name="one_production_branch"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def subject(self) -> str:
        """One story at a time per branch."""
        return f"branch-{self.pk}"


class Domain(models.Model):
    """A custom domain of a branch. Anybody may claim a name; whoever proves to control it has it alone."""

    class Proof(models.TextChoices):
        CNAME = "cname", "its CNAME"
        TXT = "txt", "a TXT record"

    project = models.ForeignKey(Project, models.CASCADE, related_name="domains")
    branch = models.ForeignKey(Branch, models.CASCADE, related_name="domains")
    name = models.CharField(max_length=253)  # as projects/domainnames.py cleans it
    token = models.CharField(max_length=64, default=new_password)  # what a TXT record proves it with
    proof = models.CharField(max_length=5, choices=Proof.choices, blank=True)
    proven_at = models.DateTimeField(null=True)
    parked = models.BooleanField(default=False, db_default=False)  # its branch left production: it leads nowhere
    alias = models.OneToOneField(Alias, models.SET_NULL, null=True, related_name="domain")  # once it is proven
    found = models.JSONField(default=dict, db_default={})  # what the last check saw: see projects/domaincheck.py
    checked_at = models.DateTimeField(null=True)
    check_at = models.DateTimeField(null=True, default=clock.now)  # the next check; None: no more
    added_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="one_claim_per_project_and_name"),
            models.UniqueConstraint(fields=["name"], condition=Q(proven_at__isnull=False), name="one_owner_per_domain"),
        ]

    def __str__(self) -> str:
        return self.name

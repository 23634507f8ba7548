"""Rows of branches, and of their domains."""

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator as AtMost
from django.core.validators import MinValueValidator as AtLeast
from django.db import models
from django.db.models import Q

from hosting.models import Alias, Instance, Runtime, Stage
from portal import clock
from portal.models import User
from portal.secrets import new_password
from projects import validators
from projects.models.projects import Project


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

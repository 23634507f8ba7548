"""Rows of what happened on a push: deliveries and builds."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from hosting.models import Backup, Instance, Pool, Runtime, Stage
from portal import clock
from portal.models import Result, State, Story, User
from projects.models import Branch, Project


class Delivery(models.Model):
    """A webhook delivery, stored before it is acknowledged."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="deliveries")
    guid = models.CharField(max_length=64)
    event = models.CharField(max_length=40)
    body = models.BinaryField()
    received_at = models.DateTimeField(default=clock.now)
    outcome = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "guid"], name="one_row_per_delivery")]

    def __str__(self) -> str:
        return f"{self.event} {self.guid}"


class BuildQuerySet(models.QuerySet["Build"]):
    def serving(self, instance: Instance) -> "Build | None":
        """The one whose code serves the instance now."""
        return self.of_pool(instance.live_pool_id)

    def of_pool(self, pk: int | None) -> "Build | None":
        """The newest. None for no pool: a filter by None would find those that never had one, whoever's."""
        return self.filter(pool=pk).order_by("-pk").first() if pk is not None else None


class Build(models.Model):
    """One commit with its database and server."""

    class Trigger(models.TextChoices):
        """What began it, where nobody asked and nothing was pushed."""

        NONE = "", "a push, or somebody"
        WEEKLY = "weekly", "Odoo's weekly update"
        URGENT = "urgent", "an urgent update of Odoo"

    project = models.ForeignKey(Project, models.CASCADE, related_name="builds")
    branch = models.ForeignKey(Branch, models.CASCADE, related_name="builds")
    number = models.PositiveIntegerField()  # per project, for people
    stage = models.CharField(max_length=12, choices=Stage.choices)  # the branch's when the build began
    commit = models.CharField(max_length=40)
    message = models.TextField(blank=True)
    author = models.CharField(max_length=200, blank=True)
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")  # None: a push, or see Trigger
    trigger = models.CharField(
        max_length=6, choices=Trigger.choices, default=Trigger.NONE, db_default=Trigger.NONE.value, blank=True
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.NONE, blank=True)
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")
    instance = models.ForeignKey(Instance, models.SET_NULL, null=True, related_name="+")
    pool = models.ForeignKey(Pool, models.SET_NULL, null=True, related_name="+")
    rehearsed_on = models.ForeignKey(Instance, models.SET_NULL, null=True, related_name="+")  # while it is there
    image_id = models.CharField(max_length=80, blank=True)
    from_backup = models.ForeignKey(Backup, models.SET_NULL, null=True, related_name="+")  # staging's, not a copy
    from_upload = models.ForeignKey("Upload", models.SET_NULL, null=True, related_name="+")  # or from this
    keeps_database = models.BooleanField(default=False, db_default=False)  # its branch's: see builds/kept.py
    image_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, related_name="+"
    )  # the build that is deployed again
    base_image_id = models.CharField(max_length=80, blank=True, default="", db_default="")  # that it was made from
    odoo_image = models.CharField(max_length=200, blank=True)  # the same, for people
    runtime = models.ForeignKey(Runtime, models.SET_NULL, null=True, related_name="builds")  # the same, as it is frozen
    inspection = models.JSONField(default=dict)
    to_update = models.JSONField(default=list)  # modules of production that this build updates
    backup = models.ForeignKey(Backup, models.SET_NULL, null=True, related_name="+")  # of before its update
    origin = models.JSONField(default=dict, db_default={})  # of its database: see builds/origin.py
    rehearsal = models.JSONField(default=dict)  # of an update, on a copy: see builds/rehearsal.py
    users_saw = models.JSONField(default=dict)  # of a deploy: see builds/traffic.py
    checks = models.JSONField(default=list, db_default=[])  # findings of the pre-flight: see hosting/preflight.py
    tests = models.JSONField(default=dict)
    status_sent = models.CharField(max_length=10, blank=True)  # the commit status that the provider has
    verdict = models.CharField(max_length=300, blank=True)  # the letter's first sentence
    pinned_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    pinned_at = models.DateTimeField(null=True)  # its database is kept: see builds/ageing.py
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    switched_at = models.DateTimeField(null=True)  # when its pool got the requests, for the first time
    finished_at = models.DateTimeField(null=True)

    objects = BuildQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "number"], name="one_build_per_number")]
        indexes: ClassVar = [
            models.Index(fields=["branch", "-id"]),
            models.Index(fields=["project", "-id"]),
            models.Index(fields=["project", "stage", "-id"]),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.short}"

    @property
    def short(self) -> str:
        return self.commit[:7]

    @property
    def name(self) -> str:
        """How folders and images call it."""
        return f"b{self.pk}"

    @property
    def serves(self) -> bool:
        """Whether its own pool has the requests now; one that took its image has another."""
        return self.instance is not None and self.pool_id is not None and self.instance.live_pool_id == self.pool_id


class Rollback(models.Model):
    """A switch back to the pool that served before."""

    build = models.ForeignKey(Build, models.CASCADE, related_name="rollbacks")  # the one that serves again
    left = models.ForeignKey(Build, models.SET_NULL, null=True, related_name="rolled_back")  # the one that served
    pool = models.ForeignKey(Pool, models.SET_NULL, null=True, related_name="+")
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.NONE, blank=True)
    switched = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"rollback to {self.build}"


class RetiredQuerySet(models.QuerySet["Retired"]):
    def there(self) -> "RetiredQuerySet":
        """Those whose database can be attached again: nobody is clearing away what served it any more."""
        ended = self.filter(Q(story=None) | Q(story__state=State.DONE))
        return ended.filter(attached_at=None, instance__state=Instance.State.READY).exclude(at=None)

    def going_on(self) -> "RetiredQuerySet":
        return self.exclude(story=None).exclude(story__state=State.DONE)


class Retired(models.Model):
    """Production's database whose branch is moved to development: stopped and kept for a while, from `at` on."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="retired")
    branch = models.ForeignKey(Branch, models.CASCADE, related_name="retired")
    instance = models.ForeignKey(Instance, models.PROTECT, related_name="+")
    hostname = models.CharField(max_length=253)  # the address that it had
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    backup = models.OneToOneField(Backup, models.SET_NULL, null=True, related_name="+")  # its last one
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(null=True)
    attached_at = models.DateTimeField(null=True)  # to a branch that was moved to production
    created_at = models.DateTimeField(default=clock.now)

    objects = RetiredQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.instance.name}, production of {self.branch}"


class Resize(models.Model):
    """Other memory or cores that somebody asked for, for the containers of a branch's database."""

    branch = models.ForeignKey(Branch, models.CASCADE, related_name="resizes")
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    memory_mb = models.PositiveIntegerField()
    cpus = models.DecimalField(max_digits=5, decimal_places=2, null=True)  # None: the platform's
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        """As the page says it."""
        return f"{self.memory_mb:,} MB" + (f" and {float(self.cpus):g} cores" if self.cpus else "")


class Download(models.Model):
    """A backup in a form that somebody can take away: written for one person, and removed after a while."""

    class Form(models.TextChoices):
        ZIP = "zip", "database and files, as Odoo's zip"
        DUMP = "sql.gz", "database alone"

    backup = models.ForeignKey(Backup, models.CASCADE, related_name="+")
    branch = models.ForeignKey(Branch, models.CASCADE, related_name="+")
    form = models.CharField(max_length=6, choices=Form.choices)
    asked_by = models.ForeignKey(User, models.CASCADE, related_name="+")  # nobody else gets it
    drill = models.ForeignKey(Instance, models.SET_NULL, null=True, related_name="+")  # where it is made, meanwhile
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.NONE, blank=True)
    size_bytes = models.BigIntegerField(null=True)
    progress = models.JSONField(default=dict)  # bytes done and in all, while it is written
    expires_at = models.DateTimeField(null=True)  # once it is there
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["branch", "asked_by", "-id"])]

    def __str__(self) -> str:
        return f"download {self.pk}"

    @property
    def filename(self) -> str:
        """As it is called on the person's machine."""
        taken = self.backup.taken_at or self.backup.created_at
        return f"{self.branch.project.slug}-{taken:%Y-%m-%d-%H%M}.{self.form}"


class Upload(models.Model):
    """An archive of a database that somebody brings: received in pieces, looked at, and imported into a branch."""

    branch = models.ForeignKey(Branch, models.CASCADE, related_name="uploads")
    asked_by = models.ForeignKey(User, models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)  # of the file on the person's machine
    size_bytes = models.BigIntegerField()
    received_bytes = models.BigIntegerField(default=0)
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")  # that looks at it
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.NONE, blank=True)
    found = models.JSONField(default=dict)  # see hosting/imports.py; and `missing`, modules without code
    created_at = models.DateTimeField(default=clock.now)
    used_at = models.DateTimeField(default=clock.now)  # when something came, or was done with it

    class Meta:
        indexes: ClassVar = [models.Index(fields=["branch", "-id"])]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(received_bytes__gte=0, received_bytes__lte=models.F("size_bytes")),
                name="received_in_bounds",
            )
        ]

    def __str__(self) -> str:
        return f"upload {self.pk}"


class Restore(models.Model):
    """A backup, or what somebody brought, becomes production's database, beside which it is made and proven first."""

    branch = models.ForeignKey(Branch, models.CASCADE, related_name="restores")
    backup = models.ForeignKey(Backup, models.SET_NULL, null=True, related_name="+")  # what is restored
    upload = models.ForeignKey(Upload, models.SET_NULL, null=True, related_name="+")  # or this
    imported = models.BooleanField(default=False, db_default=False)  # it was an upload
    forced = models.BooleanField(default=False, db_default=False)  # also where what is there can't be backed up
    before = models.OneToOneField(  # of what was there until then, taken just before it goes
        Backup, models.SET_NULL, null=True, related_name="+"
    )
    build = models.ForeignKey(Build, models.SET_NULL, null=True, related_name="+")  # whose code serves
    beside = models.ForeignKey(Instance, models.SET_NULL, null=True, related_name="+")  # where it is made, meanwhile
    pool = models.ForeignKey(Pool, models.SET_NULL, null=True, related_name="+")  # that serves it
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.NONE, blank=True)
    created_at = models.DateTimeField(default=clock.now)  # the click
    switched_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)  # first, at its public address, after the switch
    kept_until = models.DateTimeField(null=True)  # what was there before, to be put back at once
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["branch", "-id"])]

    def __str__(self) -> str:
        return f"restore {self.pk}"

    @property
    def label(self) -> str:
        """How what was there before is called."""
        return f"r{self.pk}"

    @property
    def seconds(self) -> float | None:
        """From the click to the first answer."""
        return (self.answered_at - self.created_at).total_seconds() if self.answered_at else None


class Parked(models.Model):
    """What an import switched off, to be switched on by hand: an action, a mail server, or all jobs that waited."""

    class Kind(models.TextChoices):
        ACTION = "ir_cron", "Scheduled action"
        OUTGOING = "ir_mail_server", "Outgoing mail server"
        INCOMING = "fetchmail_server", "Incoming mail server"
        JOBS = "queue_job", "Waiting job"

    restore = models.ForeignKey(Restore, models.CASCADE, related_name="parked")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    record_id = models.PositiveBigIntegerField()
    name = models.CharField(max_length=200)
    story = models.OneToOneField(Story, models.PROTECT, null=True, related_name="+")  # that switches it on
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    switched_on_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["kind", "name", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["restore", "kind", "record_id"], name="parked_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"

"""Rows of generations of an instance's containers."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from hosting.models.instances import Instance
from portal import clock


class Pool(models.Model):
    """One generation of an instance's containers: a commit's image on the instance's database."""

    class State(models.TextChoices):
        STARTING = "starting", "starting"
        LIVE = "live", "live"
        STANDING_BY = "standing by", "stopped for an update, may come back"
        DRAINING = "draining", "finishing its last requests"
        KEPT = "kept", "kept to roll back to"
        RETIRING = "retiring", "never to serve again"
        ASLEEP = "asleep", "asleep until the next request"
        GONE = "gone", "gone"

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="pools")
    generation = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.STARTING)
    image_id = models.CharField(max_length=80)
    commit = models.CharField(max_length=40)
    build_label = models.CharField(max_length=32)  # what the pool's build file must say
    addons_path = models.JSONField(default=list)
    queue_job = models.BooleanField(default=False)  # the repository has it: see pools.runs_jobs
    workers = models.PositiveSmallIntegerField(default=2)
    cron_workers = models.PositiveSmallIntegerField(default=0)
    crons_stopped = models.BooleanField(default=False, db_default=False)  # for an update: the reconciler leaves them so
    memory_mb = models.PositiveIntegerField(default=1536)  # of each container
    cpus = models.DecimalField(max_digits=5, decimal_places=2, default=1)  # of each container
    ready_after_s = models.FloatField(null=True)  # from its open port to its first answer, when it last woke
    cron_log_read = models.PositiveBigIntegerField(default=0, db_default=0)  # bytes of its scheduled actions' log
    cron_log_inode = models.PositiveBigIntegerField(default=0, db_default=0)
    left_at = models.DateTimeField(null=True)  # when requests went elsewhere
    kept_until = models.DateTimeField(null=True)  # of a kept pool
    not_kept = models.CharField(max_length=200, blank=True, default="", db_default="")  # why not, of one that served
    outdated = models.BooleanField(default=False)  # its code can't run any more on what an update made of the database
    web_address = models.GenericIPAddressField(protocol="IPv4", null=True)  # of the first; the others are Replicas
    cron_address = models.GenericIPAddressField(protocol="IPv4", null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["instance", "generation"], name="one_pool_per_generation"),
            models.UniqueConstraint(fields=["instance"], condition=Q(state="live"), name="one_live_pool_per_instance"),
            models.UniqueConstraint(
                fields=["web_address"], condition=~Q(state="gone"), name="one_pool_per_web_address"
            ),
            models.UniqueConstraint(
                fields=["cron_address"], condition=~Q(state="gone"), name="one_pool_per_cron_address"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return f"{self.instance.name}-g{self.generation}"

    def container(self, role: str) -> str:
        """The name of its container for `role`: web, web-2 and so on, or cron."""
        return f"berth-{settings.BERTH_INSTALLATION}-{self.name}-{role}"

    @property
    def web(self) -> dict[str, str]:
        """The roles of its web containers, each with its address; in the order in which the router has them."""
        return {"web": str(self.web_address)} | {each.role: each.address for each in self.further.all()}

    @property
    def web_memory_mb(self) -> int:
        """What its web containers may take together."""
        return self.memory_mb * len(self.web)

    @property
    def roles(self) -> tuple[str, ...]:
        """Of all its containers, in the order in which they stop."""
        return ("cron", *self.web)


class Replica(models.Model):
    """A further web container of a pool, beside the first. It goes with the pool, and its address is free then."""

    pool = models.ForeignKey(Pool, models.CASCADE, related_name="further")
    number = models.PositiveSmallIntegerField()  # from 2 on
    address = models.GenericIPAddressField(protocol="IPv4", unique=True)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pool", "number"], name="one_replica_per_number"),
        ]

    def __str__(self) -> str:
        return f"{self.pool} {self.role}"

    @property
    def role(self) -> str:
        return f"web-{self.number}"


class Slot(models.Model):
    """A pair of backends of the router that is lent to a pool which may get traffic."""

    number = models.PositiveSmallIntegerField(unique=True)
    pool = models.OneToOneField(Pool, models.SET_NULL, null=True, related_name="slot")

    def __str__(self) -> str:
        return f"s{self.number}"

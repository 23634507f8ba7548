"""Rows of what runs where. hosting knows no project: an Instance never asks who drives it."""

import ipaddress
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from hosting.runtimemodels import Runtime as Runtime
from portal import clock
from portal.models import Result, State, Story, User
from portal.secrets import EncryptedField, new_password


def _url(hostname: str, *, secure: bool) -> str:
    if secure:
        return f"https://{hostname}" + ("" if settings.BERTH_TLS_PORT == 443 else f":{settings.BERTH_TLS_PORT}")
    return f"http://{hostname}" + ("" if settings.BERTH_ROUTER_PORT == 80 else f":{settings.BERTH_ROUTER_PORT}")


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


class Instance(models.Model):
    """An Odoo database with its filestore and its address."""

    class State(models.TextChoices):
        NEW = "new", "being created"
        READY = "ready", "ready"  # its database can be served
        REMOVED = "removed", "removed"

    class Door(models.TextChoices):
        """What the router answers at the instance's address."""

        OPEN = "open", "the live pool"
        UPDATING = "updating", "back in a moment"
        HELD = "held", "waiting for an update"
        ASLEEP = "asleep", "waking up"
        STOPPED = "stopped", "stopped"

    host = models.ForeignKey(Host, models.PROTECT)
    database_server = models.ForeignKey(DatabaseServer, models.PROTECT)
    stage = models.CharField(max_length=12, choices=Stage.choices)
    series = models.CharField(max_length=8)
    hostname = models.CharField(max_length=253)  # the first label and the platform's domain, lower case
    state = models.CharField(max_length=8, choices=State.choices, default=State.NEW)
    door = models.CharField(max_length=8, choices=Door.choices, default=Door.STOPPED)
    live_pool = models.ForeignKey("Pool", models.SET_NULL, null=True, related_name="+")
    database_password = EncryptedField(default=new_password)
    login_password = EncryptedField(blank=True)  # of Odoo's `admin`, where Berth made the database
    admin_password = EncryptedField(default=new_password)  # Odoo's database manager; nobody is ever told
    locked = models.BooleanField(default=False, db_default=False)  # nobody gets in: see hosting/locks.py
    held_at = models.DateTimeField(null=True)  # since when its door is HELD
    last_request_at = models.DateTimeField(null=True)  # as the router's request log says it, websockets apart
    hours_left = models.PositiveIntegerField(null=True)  # before the clean-up may take it: see builds/ageing.py
    neutralised = models.JSONField(default=dict, db_default={})  # of a copy: see hosting/neutralising.py
    created_at = models.DateTimeField(default=clock.now)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["hostname"], condition=~Q(state="removed"), name="one_instance_per_hostname"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """How folders, containers and routes call it."""
        return f"i{self.pk}"

    @property
    def database(self) -> str:
        """The name of its database and of the role that owns it."""
        return f"b{settings.BERTH_INSTALLATION}_{self.name}"

    @property
    def is_production(self) -> bool:
        return self.stage == Stage.PRODUCTION

    @property
    def url(self) -> str:
        return _url(self.hostname, secure=bool(settings.BERTH_TLS_PORT and settings.BERTH_TLS_CERTIFICATE))


class Alias(models.Model):
    """A further address: a host name that its owner has proven, and the instance that it leads to."""

    hostname = models.CharField(max_length=253, unique=True)  # lower case, punycode
    instance = models.ForeignKey(Instance, models.SET_NULL, null=True, related_name="aliases")  # None: nowhere now
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name_plural = "aliases"

    def __str__(self) -> str:
        return self.hostname

    @property
    def url(self) -> str:
        return _url(self.hostname, secure=self.is_secure)

    @property
    def is_secure(self) -> bool:
        """Whether it is reached by https: the router has a certificate for it, which is valid still."""
        certificate = getattr(self, "certificate", None) if settings.BERTH_TLS_PORT else None
        return bool(certificate and certificate.loaded_at and (certificate.not_after or clock.now()) > clock.now())


class Certificate(models.Model):
    """What visitors of an alias see over TLS: of a certificate authority by ACME, or brought by its owner."""

    class Kind(models.TextChoices):
        ACME = "acme", "got and renewed by Berth"
        OWN = "own", "uploaded"

    alias = models.OneToOneField(Alias, models.CASCADE, related_name="certificate")
    kind = models.CharField(max_length=4, choices=Kind.choices, default=Kind.ACME)
    chain = models.TextField(blank=True)  # PEM, its own first; "" while there is none yet
    key = EncryptedField(blank=True)  # PEM
    issuer = models.CharField(max_length=100, blank=True)
    not_before = models.DateTimeField(null=True)
    not_after = models.DateTimeField(null=True)
    loaded_at = models.DateTimeField(null=True)  # since when the router has what the row has; None: not yet
    attempts = models.PositiveIntegerField(default=0)  # since the last success
    next_at = models.DateTimeField(null=True)  # when it is tried to get or renew it; None: never
    tried_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)  # of the last attempt
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return f"certificate of {self.alias}"


class Challenge(models.Model):
    """What a certificate authority asks for over http, and what it wants to hear."""

    token = models.CharField(max_length=200, unique=True)
    answer = models.CharField(max_length=400)
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.token


class AcmeAccount(models.Model):
    """How a certificate authority knows this installation."""

    directory = models.CharField(max_length=300, unique=True)
    address = models.CharField(max_length=300)
    key = EncryptedField()

    def __str__(self) -> str:
        return self.directory


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


class Mail(models.Model):
    """A mail that an instance sent and the catcher kept. No foreign key is checked: see TrafficSecond."""

    instance = models.ForeignKey(Instance, models.CASCADE, db_constraint=False, related_name="mails")
    sender = models.CharField(max_length=300)  # as its header says, or the envelope
    recipients = models.TextField()  # of the envelope, so that those of a blind copy are there too
    subject = models.CharField(max_length=300, blank=True)
    raw = models.BinaryField()
    size = models.PositiveIntegerField()  # bytes
    received_at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["instance", "-id"], name="mails_of_an_instance")]

    def __str__(self) -> str:
        return self.subject or "(no subject)"


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


class CronRun(models.Model):
    """One run of a scheduled action of Odoo, as the log says it."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        TIMEOUT = "timeout", "stopped at its time limit"
        STOPPED = "stopped", "ended with its server"
        SWITCHED_OFF = "off", "switched off"  # not a run: done by Berth, after too many timeouts

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="cron_runs")
    action_id = models.PositiveIntegerField()  # of ir_cron; 0 where the log of an older series doesn't say
    name = models.CharField(max_length=200)
    pid = models.PositiveIntegerField(default=0)  # of the worker, inside its container
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.RUNNING)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["instance", "name", "action_id", "-id"], name="runs_of_an_action")]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"

    @property
    def state(self) -> str:
        """As pages look at it."""
        return State.RUNNING if self.outcome == self.Outcome.RUNNING else State.DONE

    @property
    def result(self) -> str:
        bad = {
            self.Outcome.FAILED: Result.FAILURE,
            self.Outcome.TIMEOUT: Result.FAILURE,
            self.Outcome.STOPPED: Result.CANCELLED,
            self.Outcome.SWITCHED_OFF: Result.WARNING,
        }
        return bad.get(self.Outcome(self.outcome), Result.SUCCESS)


class TrafficSecond(models.Model):
    """Requests of an instance that ended within one second, summed by the agent from the router's request log.

    A second may have several rows: lines that come late are added. No foreign key is checked, so that writing never
    waits for an instance that is locked while the router is told something. What counts as what: see
    `hosting.engines.haproxy.Request.outcome`; websockets are in no other figure than their own.
    """

    instance = models.ForeignKey(Instance, models.DO_NOTHING, db_constraint=False, related_name="+")
    at = models.DateTimeField()
    requests = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    left = models.PositiveIntegerField(default=0)  # went away before their answer; neither failed nor answered
    websockets = models.PositiveIntegerField(default=0)  # that ended
    held = models.PositiveIntegerField(default=0)
    longest_held_ms = models.PositiveIntegerField(default=0)
    longest_gap_ms = models.PositiveIntegerField(default=0)  # in which somebody waited and nobody was answered
    latencies = models.JSONField(default=dict)  # bucket -> requests; see hosting/traffic.py

    class Meta:
        indexes: ClassVar = [models.Index(fields=["instance", "at"]), models.Index(fields=["at"])]

    def __str__(self) -> str:
        return f"i{self.instance_id} at {self.at:%H:%M:%S}: {self.requests} requests"


class TrafficWatch(models.Model):
    """A time in which the request log was listened to; what came to its end is written down with it."""

    since = models.DateTimeField()
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.since:%H:%M:%S} to {self.until:%H:%M:%S}"

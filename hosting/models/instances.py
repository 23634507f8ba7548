"""Rows of databases with their files and addresses."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from hosting.models.hosts import DatabaseServer, Host, Stage
from portal import clock
from portal.secrets import EncryptedField, new_password


def _url(hostname: str, *, secure: bool) -> str:
    if secure:
        return f"https://{hostname}" + ("" if settings.BERTH_TLS_PORT == 443 else f":{settings.BERTH_TLS_PORT}")
    return f"http://{hostname}" + ("" if settings.BERTH_ROUTER_PORT == 80 else f":{settings.BERTH_ROUTER_PORT}")


class Instance(models.Model):
    """An Odoo database with its filestore and its address."""

    class State(models.TextChoices):
        NEW = "new", "being created"  # or being removed: see instances.give_up
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

"""Rows of what instances did: their scheduled actions, mails and requests."""

from typing import ClassVar

from django.db import models

from hosting.models.instances import Instance
from portal import clock
from portal.models import Result, State


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

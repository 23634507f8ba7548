"""Rows of the ground floor: people, the audit log, and the stories that are told in steps."""

from datetime import timedelta
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Case, F, Q, Value, When

from portal import clock
from portal.secrets import EncryptedField


class User(AbstractUser):
    """A person. The operator of the installation is a superuser; everybody else comes in through GitHub."""

    password = models.CharField(max_length=256)  # Django's 128 characters are too few for a hash with SHA-512
    github_login = models.CharField(max_length=64, blank=True)
    github_token = EncryptedField(blank=True)
    avatar_url = models.URLField(blank=True)
    verified_emails = models.JSONField(  # in small letters, as GitHub said at the last sign-in
        default=list, db_default=Value([], models.JSONField())
    )

    def __str__(self) -> str:
        return self.username


class Scope(models.TextChoices):
    """What a token may be used for, weakest first. Its owner's role says the rest."""

    READ = "read", "Read"
    DEPLOY = "deploy", "Read and deploy"
    ADMIN = "admin", "Everything"

    def covers(self, wanted: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(wanted)


class ApiToken(models.Model):
    """A personal token for the API. What the person holds is not stored, only its hash: see portal/apitokens.py."""

    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=6, choices=Scope.choices)
    project_id = models.BigIntegerField(null=True)  # the only one that it is for; None: all of the person's
    hash = models.CharField(max_length=64, unique=True)  # SHA-256
    ending = models.CharField(max_length=4)  # of the token, for people to know it by
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    used_in_minute = models.PositiveIntegerField(default=0)  # in that of `last_used_at`
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user", "-id"])]

    def __str__(self) -> str:
        return f"{self.name} (…{self.ending})"

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= clock.now()


class AnsweredQuerySet(models.QuerySet["Answered"]):
    def outdated(self) -> "AnsweredQuerySet":
        """Those whose key is free again."""
        return self.filter(at__lt=clock.now() - Answered.KEPT)


class Answered(models.Model):
    """A request with an idempotency key that was done, and its answer: see portal/api/idempotency.py."""

    KEPT: ClassVar = timedelta(hours=24)

    token = models.ForeignKey(ApiToken, models.CASCADE, related_name="+")  # which alone is answered so again
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64)  # SHA-256 of method, address and body
    status = models.PositiveSmallIntegerField(null=True)  # None until it is done
    answer = models.JSONField(null=True)
    at = models.DateTimeField(default=clock.now)

    objects = AnsweredQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["token", "key"], name="one_answer_per_key")]
        indexes: ClassVar = [models.Index(fields=["at"])]

    def __str__(self) -> str:
        return self.key


class AuditEntry(models.Model):
    """One change: who, what, when, before, after. Rows are only ever added; each carries the hash of the one before."""

    at = models.DateTimeField()
    by = models.CharField(max_length=150)  # a name, so that the entry outlives the account
    verb = models.CharField(max_length=64)
    object = models.CharField(max_length=200)
    project_id = models.BigIntegerField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["project_id", "-id"])]

    def __str__(self) -> str:
        return f"{self.by} {self.verb} {self.object}"


class Alarm(models.Model):
    """Something that people must know of and that does not pass by itself: see portal/alarms.py."""

    key = models.CharField(max_length=64)  # what it is about
    project_id = models.BigIntegerField(null=True)  # whose admins are told, besides the operator
    title = models.CharField(max_length=300)
    detail = models.TextField(blank=True)
    on_pages = models.BooleanField(default=True, db_default=True)  # False: the pages it is about say it themselves
    began_at = models.DateTimeField(default=clock.now)
    told_at = models.DateTimeField(null=True)  # when the mails went out
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key"], condition=Q(ended_at=None), name="one_open_alarm_per_key"),
        ]

    def __str__(self) -> str:
        return self.title


class Result(models.TextChoices):
    NONE = "", "going on"
    SUCCESS = "success", "success"
    WARNING = "warning", "warning"
    FAILURE = "failure", "failure"
    CANCELLED = "cancelled", "cancelled"


class State(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"


SILENCE = timedelta(seconds=15)  # before the bell is rung again for a story whose worker died
PATIENCE = timedelta(seconds=60)  # and for one that waits: the queue may just be long
PUT_OFF_AT_MOST = timedelta(minutes=5)  # one that is put off for longer by the clock: it was set back


class StoryQuerySet(models.QuerySet["Story"]):
    def open(self) -> "StoryQuerySet":
        return self.exclude(state=State.DONE)

    def put_off(self) -> "StoryQuerySet":
        """Stories that a step put off, whose time hasn't come yet, and that nobody cancels."""
        return self.filter(_put_off())

    def claimable(self) -> "StoryQuerySet":
        """Stories that somebody may claim: waiting ones, and running ones whose worker went silent."""
        waiting = Q(state=State.QUEUED) & ~_put_off()
        return self.filter(waiting | Q(state=State.RUNNING, lease_until__lt=clock.now()))

    def unheard(self) -> "StoryQuerySet":
        """Those of them for which no bell was rung lately: the ring, or who heard it, was lost. And those that were put
        off, for which none was rung since their time has come.
        """
        now = clock.now()
        patience = Case(When(state=State.RUNNING, then=Value(SILENCE)), default=Value(PATIENCE))
        rung = Q(rung_at__lt=now - F("patience")) | Q(rung_at__gt=now + PATIENCE)  # the clock was set back
        its_time = Q(state=State.QUEUED, not_before__gt=F("rung_at"))
        return self.claimable().annotate(patience=patience).filter(rung | its_time)


def _put_off() -> Q:
    now = clock.now()
    until = Q(not_before__gt=now, not_before__lte=now + PUT_OFF_AT_MOST)
    return until & Q(state=State.QUEUED, cancel_requested=False)


class Story(models.Model):
    """A piece of work that is told in steps (a build with its deploy, a roll-back ...). portal/stories.py tells it."""

    kind = models.CharField(max_length=32)
    queue = models.CharField(max_length=16)
    subject = models.CharField(max_length=64)  # no two stories with the same subject are told at once
    object_id = models.BigIntegerField()  # what the story is about; its kind knows the model
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.NONE, blank=True)
    failing = models.BooleanField(default=False)  # a step failed or was cancelled: what was done is being undone
    error_title = models.CharField(max_length=300, blank=True)
    error_detail = models.TextField(blank=True)
    error_remedy = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    claim = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(default=clock.now)
    not_before = models.DateTimeField(null=True)  # until when a step put it off, the last time
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = StoryQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subject"], condition=Q(state="running"), name="one_running_story_per_subject"
            ),
            models.CheckConstraint(condition=Q(state="done") ^ Q(result=""), name="result_only_when_done"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["subject", "id"], condition=~Q(state="done"), name="open_stories"),
            models.Index(fields=["kind", "object_id"], name="stories_of_an_object"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"

    @property
    def is_open(self) -> bool:
        return self.state != State.DONE

    @property
    def is_put_off(self) -> bool:
        """For pages: also for the moment between its time and somebody taking it up again."""
        return self.state == State.QUEUED and self.not_before is not None and not self.cancel_requested


class HourHand(models.Model):
    """One row: the last hour that was counted, by the clock and by the machine's own count. See portal/hours.py."""

    start = models.CharField(max_length=40)  # of the machine
    seconds = models.FloatField()  # since then
    seen_at = models.DateTimeField()
    steady_hours = models.PositiveIntegerField(default=24)  # since the clock jumped
    jumped_by_s = models.FloatField(default=0)

    def __str__(self) -> str:
        return f"{self.seen_at:%Y-%m-%d %H:%M}, steady for {self.steady_hours} h"


class Step(models.Model):
    """One step of a story. Its name is stable: a story may be resumed by the next version of Berth."""

    story = models.ForeignKey(Story, models.CASCADE, related_name="steps")
    name = models.CharField(max_length=40)
    title = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.NONE, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # to tell it, and then to undo it
    undone = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["story", "name"], name="one_step_per_name")]

    def __str__(self) -> str:
        return f"{self.story_id}/{self.name}"

    @property
    def seconds(self) -> float | None:
        """How long the step took, or None while it hasn't ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class Command(models.Model):
    """A program that a step ran. It is saved before it runs and completed after it, so that a crash leaves evidence."""

    step = models.ForeignKey(Step, models.CASCADE, related_name="commands")
    argv = models.JSONField()
    exit_code = models.IntegerField(null=True)
    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return " ".join(self.argv)


class LogChunk(models.Model):
    """Some lines that a step wrote; the primary key is the cursor with which a page reads on."""

    step = models.ForeignKey(Step, models.CASCADE, related_name="chunks")
    command = models.ForeignKey(Command, models.CASCADE, null=True, related_name="chunks")
    at = models.DateTimeField(default=clock.now)
    text = models.TextField()

    def __str__(self) -> str:
        return self.text[:80]

"""Rows of outgoing webhooks and of what was sent to them."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from portal import clock
from portal.models import User
from portal.secrets import EncryptedField, new_password


class Hook(models.Model):
    """An address of other people's that hears what happens in a project."""

    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="hooks")
    url = models.CharField(max_length=500)
    secret = EncryptedField(default=new_password)  # signs what is sent
    events = models.JSONField(default=list)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.url


class HookDelivery(models.Model):
    """One event for one hook, with the last try to deliver it."""

    class State(models.TextChoices):
        WAITING = "waiting", "to be sent"
        DELIVERED = "delivered", "delivered"
        FAILED = "failed", "given up"

    hook = models.ForeignKey(Hook, models.CASCADE, related_name="deliveries")
    guid = models.UUIDField(default=uuid.uuid4, unique=True)  # the receiver's, to tell what came twice
    event = models.CharField(max_length=40)
    body = models.TextField()  # the JSON that is sent, letter for letter
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(default=clock.now)  # of the next try; while one goes on, when it is believed dead
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")  # who had it sent again, or tried
    request_headers = models.JSONField(default=dict)
    code = models.PositiveSmallIntegerField(null=True)  # None: nobody answered
    answer_headers = models.JSONField(default=dict)
    answer = models.TextField(blank=True)
    error = models.CharField(max_length=500, blank=True)
    took_s = models.FloatField(null=True)
    sent_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["next_at"], condition=Q(state="waiting"), name="waiting_deliveries")]

    def __str__(self) -> str:
        return f"{self.event} {self.guid}"

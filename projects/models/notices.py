"""Rows of what a person is told, and of what each wants to be told."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from portal import clock
from portal.models import User


class Notice(models.Model):
    """Something that happened, for one person: in the portal, by mail, or both."""

    user = models.ForeignKey(User, models.CASCADE, related_name="notices")
    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="notices")
    event = models.CharField(max_length=40)
    title = models.CharField(max_length=300)
    path = models.CharField(max_length=300)
    in_portal = models.BooleanField()
    by_mail = models.BooleanField()
    created_at = models.DateTimeField(default=clock.now)
    read_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="notices_of_a_person"),
            models.Index(fields=["id"], condition=Q(by_mail=True, mailed_at=None), name="notices_to_mail"),
        ]

    def __str__(self) -> str:
        return self.title


class NoticeChoice(models.Model):
    """What a person wants of one kind of news, where it isn't the default."""

    user = models.ForeignKey(User, models.CASCADE, related_name="notice_choices")
    event = models.CharField(max_length=40)
    in_portal = models.BooleanField()
    by_mail = models.BooleanField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "event"], name="one_choice_per_event")]

    def __str__(self) -> str:
        return f"{self.user}: {self.event}"

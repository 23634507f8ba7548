"""Rows of who was invited to a project."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from portal import clock
from portal.models import User
from projects.models.projects import Project, Role


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

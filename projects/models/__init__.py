"""Rows of what people own: projects, their members and branches."""

from hosting.models import Stage
from projects.models.branches import Branch, Domain
from projects.models.hooks import Hook, HookDelivery
from projects.models.invitations import Invitation
from projects.models.keys import DeployKey
from projects.models.notices import Notice, NoticeChoice
from projects.models.projects import SLUG, DiskUse, Member, Project, ProjectQuerySet, Role
from projects.models.subscriptions import CODE, Subscription

__all__ = [
    "Branch",
    "CODE",
    "DeployKey",
    "DiskUse",
    "Domain",
    "Hook",
    "HookDelivery",
    "Invitation",
    "Member",
    "Notice",
    "NoticeChoice",
    "Project",
    "ProjectQuerySet",
    "Role",
    "SLUG",
    "Stage",
    "Subscription",
]

"""What can happen in a project that people and programs want to be told of."""

from dataclasses import dataclass
from typing import Any

from django.db import models

from hosting.models import Stage
from projects.access import Tool


class Event(models.TextChoices):
    BUILD_DONE = "build.done", "A build of staging or development is done"
    BUILD_FAILED = "build.failed", "A build of staging or development failed"
    DEPLOY_DONE = "deploy.done", "Production was deployed"
    DEPLOY_FAILED = "deploy.failed", "A deploy of production failed"
    BACKUP_DONE = "backup.done", "A backup was made and proven"
    BACKUP_FAILED = "backup.failed", "A backup failed, or could not be proven"
    PIN_ENDS = "pin.ends", "A branch's pinned Odoo revision ends"


@dataclass(frozen=True)
class News:
    """`tool` on `stage` is what a person must be allowed to use to be told. `path` is the page about it."""

    event: Event
    title: str
    path: str
    tool: Tool
    stage: Stage
    facts: dict[str, Any]

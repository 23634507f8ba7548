"""Bringing production back once more: what the operator does when that failed after restore-self, and why is mended."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from builds import recovery
from portal.stories import ProjectError
from projects.models import Project


class Command(BaseCommand):
    help = "Bring a project's production back once more, where that failed after restore-self."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project")

    def handle(self, *_args: Any, project: str, **_options: Any) -> None:
        found = Project.objects.alive().filter(slug=project).first()
        if found is None:
            raise CommandError(f"There is no project {project}. Nothing was begun.")
        try:
            branch = recovery.begin_again(found)
        except ProjectError as error:
            raise CommandError(f"{error}. {error.detail} {error.remedy}") from error
        self.stdout.write(f"{found} is being brought back on {branch}: then a build deploys it. A failure is an alarm.")

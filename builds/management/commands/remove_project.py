"""Removing what a deleted project has although its production isn't saved: the operator's last word."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from builds import removal
from portal.stories import ProjectError
from projects.models import Project


class Command(BaseCommand):
    help = "Remove a deleted project that waits, as production's last backup isn't proven. What is in it is lost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project")
        parser.add_argument("--confirm", metavar="PROJECT", default="", help="its address once more")

    def handle(self, *_args: Any, project: str, confirm: str, **_options: Any) -> None:
        found = Project.objects.deleted().filter(slug=project, hours_left=0).first()
        if found is None:
            raise CommandError(f"{project} is no deleted project whose time is up. Nothing was changed.")
        unproven = removal.unproven_of(found)
        for line in unproven:
            self.stdout.write(line)
        if confirm != project:
            raise CommandError(f"Nothing was changed. To lose it for good: --confirm {project}")
        try:
            removal.remove_unproven(found, unproven)
        except ProjectError as error:
            raise CommandError(f"{error}. {error.detail}") from error
        self.stdout.write(f"{project} is removed.")

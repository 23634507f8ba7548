"""A project's vault, for who restores by hand, and a new one in place of one that is damaged or gone."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from hosting import backups
from hosting.models import Vault
from portal import audit
from projects.models import Project


class Command(BaseCommand):
    help = (
        "Print the folder and key of a project's vault, as restic reads them; --new begins another for later backups."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="as its address calls it")
        parser.add_argument("--new", action="store_true", help="the old one's folder and row stay as they are")

    @transaction.atomic
    def handle(self, *_args: Any, project: str, new: bool, **_options: Any) -> None:
        found = Project.objects.select_for_update(of=("self",)).select_related("vault").filter(slug=project).first()
        if found is None or found.vault is None:
            raise CommandError(f"{project} has no vault: it is made with the first backup. Nothing was changed.")
        if new:
            before, found.vault = found.vault, Vault.objects.create()
            found.save(update_fields=["vault"])
            names = {"before": str(before), "after": str(found.vault)}
            audit.record(by=None, verb="begin a new vault", object=found.slug, project_id=found.pk, **names)
        vault = backups.repository(found.vault)
        self.stdout.write(f"export RESTIC_REPOSITORY={vault.folder} RESTIC_PASSWORD={vault.password}")

"""The installation itself stored at every place now, not only once a day."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from hosting import selfbackup
from hosting.engines.restic import ResticError
from hosting.models import Place, VaultCopy
from portal import clock
from portal.commands import CommandError as ProgramError


class Command(BaseCommand):
    help = "Store the portal's database and .env at every place, for bin/berth restore-self."

    def handle(self, *_args: Any, **_options: Any) -> None:
        found, failed = list(Place.objects.alive()), []
        if not found:
            raise CommandError("There is no place yet: bin/berth place add. Nothing was stored.")
        for place in found:
            copy, _made = VaultCopy.objects.get_or_create(vault=None, place=place)
            try:
                selfbackup.store(copy, lambda: None, self.stdout.write)
            except (ResticError, ProgramError) as error:
                failed.append(f"{place}: {error}")
                continue
            VaultCopy.objects.filter(pk=copy.pk).update(done_at=clock.now(), failing_since=None, tries=0, error="")
            self.stdout.write(f"To get it back: bin/berth restore-self {place.address}/{settings.BERTH_INSTALLATION}")
        self.stdout.write(f"The key is BERTH_RECOVERY_KEY in {settings.BERTH_HOME}/.env: keep it elsewhere too.")
        if failed:
            raise CommandError("\n".join(failed))

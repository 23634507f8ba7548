"""Whether the audit log is what was written: its chain, and its heads as the places of backups keep them."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hosting import auditheads, places, selfbackup
from hosting.engines.restic import ResticError
from hosting.models import Place
from portal import audit
from portal.models import AuditEntry


class Command(BaseCommand):
    help = "verify: compare the audit log with its own hashes, and with what was stored of it elsewhere."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=["verify"])

    def handle(self, *_args: Any, **_options: Any) -> None:
        broken = audit.first_broken()
        if broken is not None:
            raise CommandError(
                f"Entry {broken.pk} ({broken.at:%Y-%m-%d %H:%M} UTC, {broken}) does not fit the one before: it, or the "
                "one before, was changed or removed. Nothing was changed now. Compare it with a state of the "
                "installation from a place of backups."
            )
        self.stdout.write(f"The chain of {AuditEntry.objects.count()} entries holds.")
        found = list(Place.objects.alive())
        if not found:
            self.stdout.write("There is no place of backups that could show that its end is there: bin/berth place add")
        wrong = [said for place in found if (said := self._compare(place))]
        if wrong:
            raise CommandError("\n".join(wrong))

    def _compare(self, place: Place) -> str:
        """What is wrong, if anything is."""
        try:
            with places.opened(place, selfbackup.FOLDER, settings.BERTH_RECOVERY_KEY) as there:
                heads = auditheads.among(there.snapshots())
        except ResticError as error:
            return f"{place}: not compared, as it could not be read: {error}"
        missing = auditheads.missing(heads)
        if not missing:
            self.stdout.write(f"{place}: all {len(heads)} heads that are kept there are in the log.")
            return ""
        return (
            f"{place}: {len(missing)} of {len(heads)} heads that are kept there are not in the log, the first of them "
            f"entry {missing[0].entry}. The log was cut off or written anew since, or is itself of an older state."
        )

"""Frozen Odoo images at the command line: listed, and frozen by hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hosting import images, runtimes
from hosting.engines.docker import EngineError
from hosting.models import Host, Runtime
from portal.stories import PlatformError


class Command(BaseCommand):
    help = "The frozen images of Odoo, of which builds are made."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="which there are")
        freeze = verbs.add_parser("freeze", help="pull a series' image now and freeze it, which is done every week too")
        freeze.add_argument("series")
        freeze.add_argument(
            "--urgent", action="store_true", help="production takes it at once, not in its project's hour"
        )

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        {"list": self._list, "freeze": self._freeze}[verb](**options)

    def _list(self, **_options: Any) -> None:
        for each in Runtime.objects.frozen().order_by("host", "series", "-pk"):
            self.stdout.write(f"{each}  {each.name}{'  urgent' if each.urgent else ''}")

    def _freeze(self, *, series: str, urgent: bool, **_options: Any) -> None:
        if series not in images.offered():
            known = ", ".join(images.offered())
            raise CommandError(f"Odoo {series} is not offered here, but {known}. Nothing was frozen.")
        for host in Host.objects.order_by("pk"):
            try:
                runtime = runtimes.freeze(host, series, urgent=urgent, pull=True, output=self._say)
            except (PlatformError, EngineError) as error:
                raise CommandError(f"{error} The newest one of before stays the newest.") from error
            if runtime.wrong:
                self.stdout.write(f"No registry gave a newer one: {runtime.wrong}")
            self.stdout.write(f"The newest is {runtime}, {runtime.name}.")

    def _say(self, text: str) -> None:
        self.stdout.write(text, ending="")

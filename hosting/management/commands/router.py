"""Write the router's configuration and maps from the database."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hosting import certificates, machines, routing
from hosting.pem import BadCertificate


class Command(BaseCommand):
    help = "Write the router's files from the database; they take effect when it starts or reloads."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="write the files (without it: only check them)")

    def handle(self, *_args: Any, write: bool, **_options: Any) -> None:
        if write:
            self._write()
        machines.router().check()

    def _write(self) -> None:
        try:
            certificates.write()
        except (OSError, BadCertificate) as error:
            raise CommandError(
                f"BERTH_TLS_CERTIFICATE={settings.BERTH_TLS_CERTIFICATE} can't be used: {error} The router's files are "
                "as they were. Name a PEM file with the certificate, its chain and its key."
            ) from error
        routing.write()

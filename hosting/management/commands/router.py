"""Write the router's configuration and maps from the database."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from hosting import machines, routing


class Command(BaseCommand):
    help = "Write the router's files from the database; they take effect when it starts or reloads."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="write the files (without it: only check them)")

    def handle(self, *_args: Any, write: bool, **_options: Any) -> None:
        if write:
            routing.write()
        machines.router().check()

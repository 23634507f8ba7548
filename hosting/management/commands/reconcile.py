"""One round of the reconciler, now."""

from typing import Any

from django.core.management.base import BaseCommand

from hosting.reconcile import reconcile


class Command(BaseCommand):
    help = "Compare rows with what exists, remove what has no row, start what should run, and say what was done."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for line in reconcile():
            self.stdout.write(line)

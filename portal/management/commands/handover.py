"""Ask workers that are about to stop to hand their stories over after the step that they are at."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal.models import State, Story


class Command(BaseCommand):
    help = "Running stories are handed over at the end of their present step; wait for that up to SECONDS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", type=float, default=20.0, metavar="SECONDS")

    def handle(self, *_args: Any, wait: float, **_options: Any) -> None:
        asked = list(Story.objects.filter(state=State.RUNNING).values_list("pk", "claim"))
        Story.objects.filter(pk__in=[pk for pk, _ in asked]).update(handover_requested=True)
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and any(
            Story.objects.filter(pk=pk, claim=claim).exists() for pk, claim in asked
        ):
            time.sleep(0.2)

"""The agent of this machine: rings for what is done again and again, listens to the router's request log, and has the
catcher of mails as its offshoot."""

import logging
import signal
import sys
import time
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django_q.models import OrmQ
from django_q.tasks import async_task

from hosting import catcher, machines
from hosting.engines.haproxy import Router, RouterError
from hosting.listening import Listener
from portal import stories
from portal.offshoot import Offshoot

log = logging.getLogger(__name__)

BELL_S = 5.0
WATCH_S = 0.5
ROUNDS = {  # the queue of each, and how many seconds lie between two
    "builds.rounds.release_forgotten": ("urgent", 30.0),
    "builds.rounds.mend": ("rounds", 30.0),
    "builds.resting.rest": ("rounds", 30.0),
    "builds.actions.look_after": ("rounds", 30.0),
    "builds.nights.begin_due": ("rounds", 60.0),
    "builds.vaultcopies.begin_due": ("rounds", 60.0),
    "builds.weekly.begin_due": ("rounds", 60.0),
    "builds.plans.look_after": ("rounds", 60.0),
    "builds.alarming.tell_all": ("rounds", 60.0),
    "builds.rounds.poll": ("rounds", 120.0),
    "projects.pins.look_after": ("rounds", 3600.0),
    "projects.following.look_at_webhooks": ("rounds", 600.0),
    "projects.outgoing.send_due": ("outside", 30.0),
    "projects.notices.mail_due": ("outside", 60.0),
    "builds.rounds.clean_up": ("rounds", 3600.0),
    "projects.domaincheck.look_after": ("outside", 30.0),
    "hosting.certificates.look_after": ("outside", 60.0),
    "builds.measuring.measure": ("background", 3600.0),  # it may take minutes
    "hosting.runtimes.freeze_due": ("background", 3600.0),  # so may a pull
}


class Command(BaseCommand):
    requires_system_checks = ()  # they load every page, which this process never shows
    help = (
        "Ring for lost stories every 5 s and for the rounds of mending, polling and cleaning up; read the request log;"
        " catch mails."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the listener writes what it has
        due = dict.fromkeys(ROUNDS, 0.0)
        with Offshoot(catcher.catch) as mails, Listener(machines.router().config) as listener:
            while listener.is_alive() and mails.is_alive():
                self._ring(due)
                self._watch(machines.router(), seconds=BELL_S)
        raise CommandError("Nobody listens to the request log, or to mails; why is said above. The agent starts anew.")

    def _watch(self, router: Router, *, seconds: float) -> None:
        """Look after the router until the next bell. It comes back with its last files, so this asks no database."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if not router.runs() and router.start():
                    log.warning("started the router, which was down")
            except RouterError as error:  # what it left may still hold its port; the next look is a moment away
                log.warning("the router is down: %s", error)
            time.sleep(WATCH_S)

    def _ring(self, due: dict[str, float]) -> None:
        try:
            stories.ring_all()
            self._rounds(due)
        except DatabaseError as error:
            log.warning("agent: %s", error)
            connection.close()

    def _rounds(self, due: dict[str, float]) -> None:
        """Ring for what is due, unless its worker is still busy with earlier rings."""
        waiting = Counter(OrmQ.objects.values_list("key", flat=True))
        for name, (queue, every) in ROUNDS.items():
            if time.monotonic() >= due[name] and waiting[queue] < len(ROUNDS):
                async_task(name, cluster=queue)
                due[name] = time.monotonic() + every

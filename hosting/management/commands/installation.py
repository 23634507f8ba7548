"""The rows of this machine: its host, its database servers, and its operator."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from hosting import machines, strangers
from hosting.models import DatabaseServer, Host
from portal import accounts, environment


class Command(BaseCommand):
    help = "Write down this machine and its PostgreSQL clusters, and make the operator's account."

    @transaction.atomic
    def handle(self, *_args: Any, **_options: Any) -> None:
        accounts.make_operator(environment.secret("BERTH_OPERATOR_PASSWORD"))
        host, _new = Host.objects.update_or_create(
            name="this machine",
            defaults={
                "region": settings.BERTH_REGION,
                "docker_url": settings.BERTH_DOCKER_URL,
                "subnet": settings.BERTH_SUBNET,
            },
        )
        for purpose in DatabaseServer.Purpose:
            server, _new = DatabaseServer.objects.get_or_create(purpose=purpose, defaults={"host": host})
            machines.cluster(server).close_to_public()
        strangers.look_ahead()

"""What the schema promises, held against what is answered: schemathesis with all its checks.

Addresses are those of rows that are there, so that its requests come further than to a 404.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given, settings
from pytest_django import Settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from builds.models import Upload
from portal.models import Result
from projects import invitations
from projects.models import Hook, HookDelivery, Role, Stage
from tests import cast
from tests.apis import Caller

EXAMPLES = 8  # of each operation


@pytest.fixture(autouse=True)
def _connection_kept() -> Iterator[None]:
    """After a request Django closes a connection that is within a transaction, as a test's is."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def look_up(_host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("140.82.121.4", port))]


@pytest.fixture
def shop(
    people: SimpleNamespace, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> SimpleNamespace:
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    settings.BERTH_API_PER_MINUTE = 10**9
    settings.ALLOWED_HOSTS = ["*"]
    project = cast.project("demo", people)
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    main = cast.branch(project, "main", Stage.PRODUCTION, instance=instance, head="a" * 40)
    build = cast.build(main, pool=instance.live_pool)
    domain = cast.domain(main, "www.example.com", proven=True)
    key, hook = cast.deploy_key(project), Hook.objects.create(project=project, url="https://hooks.example/berth")
    delivery = HookDelivery.objects.create(hook=hook, event="deploy.done", body="{}")
    caller = Caller(people.alice)
    member = project.members.get(user=people.dev)
    invitation, _link = invitations.invite(project=project, whom="oscar", role=Role.TESTER, by=people.alice)
    preview = cast.branch(project, "preview", instance=cast.instance(Stage.DEVELOPMENT, "preview.localhost"))
    mail = cast.mail(preview.instance)
    settings.BERTH_HOME = tmp_path
    restore = cast.imported(main)
    uploads = {
        "piece": Upload.objects.create(branch=main, asked_by=people.alice, name="a.zip", size_bytes=10**6).pk,
        "import": cast.upload(main, people.alice).pk,
        "": cast.upload(main, people.alice, Result.FAILURE, error_title="The zip is damaged").pk,
    }
    numbers = {
        "branches": main.pk,
        "mails": preview.pk,
        "members": member.pk,
        "operations": build.story_id,
        "deploy-keys": key.pk,
        "webhooks": hook.pk,
        "invitations": invitation.pk,
    }
    known = {"mail": mail.pk, "number": build.number, "domain": domain.pk, "delivery": delivery.pk}
    known |= {"restore": restore.pk, "off": cast.parked(restore).pk}
    return SimpleNamespace(caller=caller, numbers=numbers, known=known, uploads=uploads)


def test_every_operation_keeps_what_the_schema_promises(shop: SimpleNamespace) -> None:
    """Requests that it allows; those that it doesn't are sent by tests/e2e/test_api_schema.py."""
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/", get_wsgi_application())
    count = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        hold_against(found.ok().as_strategy(generation_mode=GenerationMode.POSITIVE), shop)
        count += 1
    assert count > 30


def hold_against(requests: Any, shop: SimpleNamespace) -> None:
    @given(case=requests)
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def hold(case: Any) -> None:
        at_home(case, shop)
        with transaction.atomic():
            case.call_and_validate(headers={"Authorization": f"Bearer {shop.caller.plain}"})
            transaction.set_rollback(True)

    hold()


def at_home(case: Any, shop: SimpleNamespace) -> None:
    """Put the numbers of rows that are there in place of valid ones that were made up."""
    known = {"slug": "demo", "name": "fetch"} | shop.known
    of = next((pk for part, pk in shop.numbers.items() if f"/{part}/{{id}}" in case.path), None)
    if of is not None:
        known["id"] = shop.numbers["mails"] if "/mails/" in case.path else of
    known["upload"] = shop.uploads.get(case.path.rstrip("/").rpartition("/")[2], shop.uploads[""])
    for name, value in known.items():
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = value
